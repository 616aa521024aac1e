-- What a bad version taught: its own confident answers, which nobody has looked at. They wait from its rollback on, so that no model
-- learns from them, and count again when the version answers again. Below half of the sessions there is nothing to see (measured).
--
-- A rollback does not wait for whoever holds such a sample at that moment, and answers of the version may still be captured after
-- it: the daily job makes up for both.

CREATE FUNCTION @extschema@.tw_rollback_reason(version text) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN version || ' was rolled back';
REVOKE ALL ON FUNCTION @extschema@.tw_rollback_reason(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_rollback_reason(text) IS 'pending_reason of the samples that were taken back with a version';

CREATE FUNCTION @extschema@.tw_count_taken_back(bad text, more bigint) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE @extschema@.rollouts r SET samples_taken_back = greatest(0, coalesce(r.samples_taken_back, 0) + more)
    WHERE r.id = (SELECT max(x.id) FROM @extschema@.rollouts x WHERE x.version = bad AND x.status = 'rolled-back');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_count_taken_back(text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_count_taken_back(text, bigint) IS 'Adds to the count in the last rollout of a version that was rolled back';

CREATE FUNCTION @extschema@.tw_take_back_samples(bad text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
    -- The index knows days, of whatever time zone.
    first_day CONSTANT date := (SELECT least(m.created_at, (SELECT min(d.created_at) FROM @extschema@.model_deployments d WHERE d.version = bad))
                                FROM @extschema@.model_versions m WHERE m.version = bad) - interval '2 days';
    taken bigint;
BEGIN
    UPDATE @extschema@.training_samples s SET review_status = 'pending', pending_reason = @extschema@.tw_rollback_reason(bad)
    WHERE s.id IN (SELECT x.id
                   FROM @extschema@.conversation_logs c JOIN @extschema@.training_samples x ON x.conversation_log_id = c.id
                   WHERE c.created_on >= first_day AND c.nlu_model_version = bad AND c.review_status = 'auto-approved'
                     AND x.review_status = 'approved' AND x.label_source = 'model'
                   ORDER BY x.id FOR UPDATE OF x SKIP LOCKED);
    GET DIAGNOSTICS taken = ROW_COUNT;
    PERFORM @extschema@.tw_count_taken_back(bad, taken);
    RETURN taken;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_take_back_samples(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_take_back_samples(text) IS
    'Sets the samples that a version labelled itself, and that nobody has looked at, to pending, and returns how many; those that somebody holds are left to the daily job';

CREATE FUNCTION @extschema@.tw_give_back_samples(good text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    given bigint;
BEGIN
    UPDATE @extschema@.training_samples s SET review_status = 'approved', pending_reason = NULL
    WHERE s.id IN (SELECT x.id FROM @extschema@.training_samples x
                   WHERE x.pending_reason = @extschema@.tw_rollback_reason(good) AND x.review_status = 'pending' AND x.label_source = 'model'
                   ORDER BY x.id FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS given = ROW_COUNT;
    PERFORM @extschema@.tw_count_taken_back(good, - given) WHERE given > 0;
    RETURN given;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_give_back_samples(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_give_back_samples(text) IS
    'Approves again the samples that were taken back with a version, except what a user contradicted meanwhile, and returns how many';

CREATE FUNCTION @extschema@.tw_settle_samples(OUT taken_back bigint, OUT given_back bigint)
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- A conversation names the version that its session was given, be it weeks ago: only days are looked at in which one may still do so.
    SELECT (SELECT coalesce(sum(@extschema@.tw_take_back_samples(m.version)), 0)::bigint
            FROM @extschema@.model_versions m
            CROSS JOIN LATERAL (SELECT d.to_status, d.from_percentage FROM @extschema@.model_deployments d
                                WHERE d.model_type = m.model_type AND d.version = m.version ORDER BY d.id DESC LIMIT 1) last
            WHERE m.status = 'rolled-back' AND m.retired_at > now() - interval '30 days' AND last.to_status = 'rolled-back' AND last.from_percentage >= 50),
           (SELECT coalesce(sum(@extschema@.tw_give_back_samples(m.version)), 0)::bigint
            FROM @extschema@.model_versions m WHERE m.status = 'production');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_settle_samples() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_settle_samples() IS
    'Takes back what rollbacks of the last 30 days left, and gives back what reinstatements left; returns how many samples';
