-- Which models learned from samples that are erased, and what to do about it.

CREATE FUNCTION @extschema@.tw_note_learned(erasure bigint, sample_ids bigint[]) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH gone AS (
        SELECT s.model_version_target, s.module_type, greatest(s.created_at, s.reviewed_at) AS live_since,
               s.review_status = 'approved' AND s.split IS DISTINCT FROM 'test' AS is_trained_on
        FROM @extschema@.training_samples s WHERE s.id = ANY (sample_ids)
    ), learned AS (
        -- The version that learned a sample first stands in the sample. Later ones of its type learned it again: they
        -- are trained on all samples that were live until their cutoff.
        SELECT v.version, count(*) AS samples
        FROM (SELECT m.version, m.model_type, m.status,
                     coalesce((SELECT max(j.cutoff) FROM @extschema@.training_jobs j
                               WHERE j.version = m.version AND j.kind = 'train'), m.created_at) AS cutoff
              FROM @extschema@.model_versions m) v
        JOIN gone g ON g.model_version_target = v.version
                    OR g.is_trained_on AND g.live_since <= v.cutoff AND v.status NOT IN ('training', 'failed')
                       AND @extschema@.tw_is_of_type(v.model_type, g.module_type)
        GROUP BY v.version
    )
    INSERT INTO @extschema@.erasure_models AS m (erasure_id, version, samples)
    SELECT erasure, l.version, l.samples FROM learned l
    ON CONFLICT (erasure_id, version) DO UPDATE SET samples = m.samples + excluded.samples;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_note_learned(bigint, bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_note_learned(bigint, bigint[]) IS
    'Adds the versions that learned from these samples to erasure_models; called before the samples are deleted. A '
    'sample that a later version left out (a near-twin of a test text, a label conflict) counts as learned';

CREATE VIEW @extschema@.forgotten_since AS
    WITH learned AS (
        SELECT m.version, m.erasure_id, m.samples FROM @extschema@.erasure_models m
        UNION ALL
        -- A training read its samples before they were erased, and made its version after that.
        SELECT j.version, e.id, NULL
        FROM @extschema@.training_jobs j
        JOIN @extschema@.erasures e ON j.started_at < coalesce(e.finished_at, 'infinity')
                                    AND coalesce(j.finished_at, 'infinity') > e.started_at
        WHERE j.kind = 'train' AND j.status = 'succeeded' AND e.counts ? 'training_samples'
          AND NOT EXISTS (SELECT FROM @extschema@.erasure_models m
                          WHERE m.erasure_id = e.id AND m.version = j.version)
    )
    SELECT v.version, v.model_type, v.status, count(*) AS erasures, sum(l.samples)::bigint AS samples,
           min(e.started_at) AS first_at, max(e.started_at) AS last_at
    FROM learned l
    JOIN @extschema@.model_versions v ON v.version = l.version
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
