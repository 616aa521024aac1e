-- Which models learned from samples that are erased, and what to do about it.

CREATE FUNCTION @extschema@.tw_learned_from(sample_ids bigint[], OUT version text, OUT samples bigint)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH named AS (
        -- The version that learned a sample first stands in the sample, or in the event that changed its label since.
        SELECT s.id, s.model_version_target AS version FROM @extschema@.training_samples s
        WHERE s.id = ANY (sample_ids) AND s.model_version_target IS NOT NULL
        UNION
        SELECT s.id, e.details ->> 'learned_by' FROM @extschema@.training_samples s
        JOIN @extschema@.review_events e ON e.conversation_log_id = s.conversation_log_id
        WHERE s.id = ANY (sample_ids) AND e.details ? 'learned_by'
        UNION
        SELECT e.sample_id, e.details ->> 'learned_by' FROM @extschema@.review_events e
        WHERE e.sample_id = ANY (sample_ids) AND e.details ? 'learned_by'
    ), versions AS MATERIALIZED (
        SELECT m.version, m.model_type,
               coalesce((SELECT max(j.cutoff) FROM @extschema@.training_jobs j
                         WHERE j.version = m.version AND j.kind = 'train'), m.created_at) AS cutoff
        FROM @extschema@.model_versions m WHERE m.status <> 'failed'
    ), gone AS MATERIALIZED (
        -- Later versions of its type learned it again: they are trained on all samples that are live at their cutoff.
        SELECT s.id, s.module_type, least(f.cutoff, l.since) AS since,
               CASE WHEN s.review_status = 'approved' THEN 'infinity' ELSE s.updated_at END AS until
        FROM @extschema@.training_samples s
        LEFT JOIN (SELECT n.id, min(v.cutoff) AS cutoff FROM named n JOIN versions v ON v.version = n.version
                   GROUP BY n.id) f ON f.id = s.id
        CROSS JOIN LATERAL (SELECT CASE WHEN s.review_status = 'approved'
                                        THEN greatest(s.created_at, s.reviewed_at) END AS since) l
        WHERE s.id = ANY (sample_ids) AND s.split = 'train'
    ), learned AS (
        SELECT x.version, count(*) AS samples
        FROM (SELECT n.version, n.id FROM named n
              UNION
              SELECT v.version, g.id FROM versions v
              JOIN gone g ON v.cutoff >= g.since AND v.cutoff <= g.until
                         AND @extschema@.tw_is_of_type(v.model_type, g.module_type)) x
        WHERE x.version IN (SELECT v.version FROM versions v)
        GROUP BY x.version
    )
    SELECT l.version, l.samples FROM learned l;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_learned_from(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_learned_from(bigint[]) IS
    'The versions that learned from these samples, and from how many. A sample that a later version left out (a '
    'near-twin of a test text, a label conflict) counts as learned';

CREATE FUNCTION @extschema@.tw_note_learned(erasure bigint, sample_ids bigint[]) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO @extschema@.erasure_models AS m (erasure_id, version, samples)
    SELECT erasure, l.version, l.samples FROM @extschema@.tw_learned_from(sample_ids) l
    ON CONFLICT (erasure_id, version) DO UPDATE SET samples = m.samples + excluded.samples;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_note_learned(bigint, bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_note_learned(bigint, bigint[]) IS
    'Adds the versions that learned from these samples to erasure_models; called before the samples are deleted';

CREATE VIEW @extschema@.forgotten_since AS
    WITH learned AS (
        SELECT m.version, m.erasure_id, m.samples FROM @extschema@.erasure_models m
        UNION ALL
        -- train_model() read its samples before they were erased, and its version was not committed at that time.
        SELECT j.version, e.id, NULL
        FROM @extschema@.training_jobs j
        JOIN @extschema@.erasures e ON j.started_at < coalesce(e.finished_at, 'infinity')
                                    AND coalesce(j.finished_at, 'infinity') > e.started_at
        WHERE j.kind = 'train' AND j.status = 'succeeded' AND j.worker = 'train_model'
          AND e.counts ? 'training_samples'
          AND NOT EXISTS (SELECT FROM @extschema@.erasure_models m
                          WHERE m.erasure_id = e.id AND m.version = j.version)
    )
    SELECT v.version, v.model_type, v.status, count(*) AS erasures, sum(l.samples)::bigint AS samples,
           min(e.started_at) AS first_at, max(e.started_at) AS last_at
    FROM learned l
    JOIN @extschema@.model_versions v ON v.version = l.version AND v.status NOT IN ('training', 'failed')
    JOIN @extschema@.erasures e ON e.id = l.erasure_id
    GROUP BY v.version;
REVOKE ALL ON TABLE @extschema@.forgotten_since FROM PUBLIC;
COMMENT ON VIEW @extschema@.forgotten_since IS
    'The versions that learned from samples which were erased after that: retrain_without() trains their successor';
COMMENT ON COLUMN @extschema@.forgotten_since.version IS 'The version';
COMMENT ON COLUMN @extschema@.forgotten_since.model_type IS 'Its type';
COMMENT ON COLUMN @extschema@.forgotten_since.status IS 'Its status, as in model_versions';
COMMENT ON COLUMN @extschema@.forgotten_since.erasures IS 'Number of erasures that concern it';
COMMENT ON COLUMN @extschema@.forgotten_since.samples IS
    'From how many of the erased samples it learned; NULL = not known: its training ran during the erasure';
COMMENT ON COLUMN @extschema@.forgotten_since.first_at IS 'Begin of the earliest of these erasures';
COMMENT ON COLUMN @extschema@.forgotten_since.last_at IS 'Begin of the latest of these erasures';

CREATE FUNCTION @extschema@.retrain_without(version text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
DECLARE
    learner record;
BEGIN
    SELECT * INTO learner FROM @extschema@.tw_require_version(version);
    IF NOT EXISTS (SELECT FROM @extschema@.forgotten_since f WHERE f.version = retrain_without.version) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('nothing that model "%s" learned was erased since', @extschema@.tw_excerpt(version)),
            HINT = 'forgotten_since lists the versions that learned from erased samples; to train anyway, '
                   'SELECT request_training(...).';
    END IF;
    -- The training set has the erased samples no more.
    RETURN @extschema@.request_training(learner.model_type, @extschema@.tw_trainer_of(learner.model_type),
                                        '{}'::jsonb);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.retrain_without(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.retrain_without(text) IS
    'Requests a training of the type of version, which learned from samples that were erased: the new model learns '
    'without them, and goes through the gate and the rollout like any other. Returns the number of the training job, '
    'also of one that waits already. Raises 42704 for an unknown version, 55000 if nothing that it learned was erased, '
    '55P03 where such a job is locked for 5 seconds';
