-- Samples from a bad version: its own confident answers, which nobody has reviewed. From its rollback on they are
-- pending, so that no model learns from them; they are approved again when the version is live again. Below half of the
-- sessions there is no measurable effect.
--
-- A rollback must not fail, or wait, because of them: it takes back what it can in a subtransaction. check_rollouts()
-- takes back the rest for a day, and the daily job for a month: locked samples, those above the limit, all after an
-- error, and samples captured later.

CREATE FUNCTION @extschema@.tw_count_taken_back(bad text, more bigint) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE @extschema@.rollouts r SET samples_taken_back = greatest(0, coalesce(r.samples_taken_back, 0) + more)
    WHERE r.id = (SELECT max(x.id) FROM @extschema@.rollouts x
                  WHERE x.version = bad AND x.status = 'rolled-back'
                    AND (x.promoted_at IS NOT NULL OR x.steps[cardinality(x.step_times)] >= 50));
END;
REVOKE ALL ON FUNCTION @extschema@.tw_count_taken_back(text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_count_taken_back(text, bigint) IS
    'Adds to the number of samples in the last rollout of a version that was rolled back from half of the sessions or '
    'more';

CREATE FUNCTION @extschema@.tw_take_back_samples(bad text, max_samples bigint, OUT taken bigint, OUT locked bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
    -- The index is on days, which depend on the time zone.
    first_day CONSTANT date := (SELECT least(m.created_at, (SELECT min(d.created_at)
                                                            FROM @extschema@.model_deployments d WHERE d.version = bad))
                                FROM @extschema@.model_versions m WHERE m.version = bad) - interval '2 days';
    wanted bigint[];
BEGIN
    wanted := ARRAY(SELECT x.id
                    FROM @extschema@.conversation_logs c
                    JOIN @extschema@.training_samples x ON x.conversation_log_id = c.id
                    WHERE c.created_on >= first_day AND c.nlu_model_version = bad AND c.review_status = 'auto-approved'
                      AND x.review_status = 'approved' AND x.label_source = 'model'
                    -- Twice the limit, to find enough unlocked samples.
                    ORDER BY x.id LIMIT 2 * max_samples);
    UPDATE @extschema@.training_samples s
    SET review_status = 'pending', pending_reason = @extschema@.tw_rollback_reason(bad)
    WHERE s.id IN (SELECT x.id FROM @extschema@.training_samples x
                   WHERE x.id IN (SELECT unnest(wanted)) AND x.review_status = 'approved' AND x.label_source = 'model'
                   ORDER BY x.id LIMIT max_samples FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS taken = ROW_COUNT;
    PERFORM @extschema@.tw_count_taken_back(bad, taken) WHERE taken > 0;
    -- Below the limit, all remaining samples were locked by other sessions.
    locked := CASE WHEN coalesce(taken < max_samples, true) THEN cardinality(wanted) - taken ELSE 0 END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_take_back_samples(text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_take_back_samples(text, bigint) IS
    'Sets the samples that a version labelled itself, and that nobody has reviewed, to pending, at most max_samples '
    '(NULL: all), skipping locked ones; returns how many, and how many were locked';

CREATE FUNCTION @extschema@.tw_give_back_samples(good text, max_samples bigint, OUT given bigint, OUT locked bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    wanted bigint[];
BEGIN
    wanted := ARRAY(SELECT x.id FROM @extschema@.training_samples x
                    WHERE x.pending_reason = @extschema@.tw_rollback_reason(good) AND x.review_status = 'pending'
                        AND x.label_source = 'model'
                    ORDER BY x.id LIMIT 2 * max_samples);
    UPDATE @extschema@.training_samples s SET review_status = 'approved', pending_reason = NULL
    WHERE s.id IN (SELECT x.id FROM @extschema@.training_samples x
                   WHERE x.id IN (SELECT unnest(wanted))
                     AND x.pending_reason = @extschema@.tw_rollback_reason(good) AND x.review_status = 'pending'
                         AND x.label_source = 'model'
                   ORDER BY x.id LIMIT max_samples FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS given = ROW_COUNT;
    PERFORM @extschema@.tw_count_taken_back(good, - given) WHERE given > 0;
    locked := CASE WHEN coalesce(given < max_samples, true) THEN cardinality(wanted) - given ELSE 0 END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_give_back_samples(text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_give_back_samples(text, bigint) IS
    'Approves again the samples that were taken back with a version, at most max_samples (NULL: all), except those '
    'that a user has contradicted since and locked ones; returns how many, and how many were locked';

CREATE FUNCTION @extschema@.tw_settle_version(
    version text, max_samples bigint, OUT taken_back bigint, OUT given_back bigint,
    OUT locked bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    taken_back := 0;
    given_back := 0;
    IF @extschema@.tw_standing_rollback(version) IS NULL THEN
        SELECT g.given, g.locked INTO given_back, locked FROM @extschema@.tw_give_back_samples(version, max_samples) g;
    ELSE
        SELECT t.taken, t.locked INTO taken_back, locked FROM @extschema@.tw_take_back_samples(version, max_samples) t;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_settle_version(text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_settle_version(text, bigint) IS
    'Takes back the samples of a version that is rolled back, or approves those of any other again, at most '
    'max_samples; returns how many, and how many were locked';

CREATE FUNCTION @extschema@.tw_try_settling(version text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_settle_version(version, 20000::bigint);
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'the samples of "%" could not be taken back or given back: %',
        @extschema@.tw_excerpt(version), SQLERRM
        USING ERRCODE = SQLSTATE,
              HINT = 'check_rollouts() tries again with its next run, and the daily job each night.';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_try_settling(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_try_settling(text) IS
    'Takes back or approves the samples of a version whose sessions change, at most 20,000 in one statement; an error '
    'becomes a warning';

CREATE FUNCTION @extschema@.tw_unsettled_versions(at timestamptz, since interval) RETURNS SETOF text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- A conversation names the version that its session was given, possibly days ago.
    SELECT d.version
    FROM @extschema@.model_deployments d
    WHERE d.created_at > coalesce(at, clock_timestamp()) - since
      AND (d.to_status = 'rolled-back' OR d.to_status = 'production')
    GROUP BY d.version
    HAVING @extschema@.tw_standing_rollback(d.version) IS NOT NULL
        OR EXISTS (SELECT FROM @extschema@.training_samples s
                   WHERE s.pending_reason = @extschema@.tw_rollback_reason(d.version) AND s.review_status = 'pending');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_unsettled_versions(timestamptz, interval) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_unsettled_versions(timestamptz, interval) IS
    'The versions that were rolled back or went live within an interval before a time, and may have samples to take '
    'back or approve again';

CREATE FUNCTION @extschema@.tw_settle_samples(at timestamptz, since interval, max_samples bigint,
    OUT taken_back bigint, OUT given_back bigint, OUT locked bigint)
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce(sum(t.taken_back), 0)::bigint, coalesce(sum(t.given_back), 0)::bigint,
        coalesce(sum(t.locked), 0)::bigint
    FROM @extschema@.tw_unsettled_versions(tw_settle_samples.at, since) AS v (version)
    CROSS JOIN LATERAL @extschema@.tw_settle_version(v.version, max_samples) t;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_settle_samples(timestamptz, interval, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_settle_samples(timestamptz, interval, bigint) IS
    'Takes back samples that rollbacks within an interval before a time left, and approves those that reinstatements '
    'left, at most max_samples of each version; returns how many samples, and how many were locked';
