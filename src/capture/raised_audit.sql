-- Audit rates during a rollout. Each step draws equally many conversations of the new and of the live version, and as
-- many a day as the first step: a higher percentage of the sessions gets a lower rate, so reviewers need no more time.

CREATE FUNCTION @extschema@.tw_audit_rollout(r @extschema@.rollouts) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    percentage CONSTANT integer := r.steps[cardinality(r.step_times)];
    drawn CONSTANT double precision := @extschema@.training_setting('rollout_audit_rate')::double precision
                                           * r.steps[1];
BEGIN
    INSERT INTO @extschema@.audited_versions AS a (model_version, audit_rate, since, reason)
    SELECT v.version, CASE WHEN drawn > 0 THEN least(1, drawn / v.percentage) END, r.started_at,
           format('rollout %s of %s', r.number, r.version)
    FROM (VALUES (r.version, percentage), (r.previous_version, 100 - percentage)) AS v (version, percentage)
    ON CONFLICT (model_version) DO UPDATE
        SET audit_rate = excluded.audit_rate, since = excluded.since, until = excluded.until, reason = excluded.reason;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_audit_rollout(@extschema@.rollouts) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_audit_rollout(@extschema@.rollouts) IS
    'Sets the audit rates of both versions for the current step of a rollout: rollout_audit_rate times the first '
    'step''s percentage of the sessions, divided by the version''s own percentage, at most 1';

CREATE FUNCTION @extschema@.tw_end_raised_audit(type text, at timestamptz, goes_on boolean) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF goes_on THEN
        -- Conversations drawn so far are still reviewed first.
        UPDATE @extschema@.audited_versions a SET audit_rate = NULL, until = greatest(at, a.since)
        WHERE a.until = 'infinity'
          AND a.model_version IN (SELECT m.version FROM @extschema@.model_versions m WHERE m.model_type = type);
    ELSE
        DELETE FROM @extschema@.audited_versions a
        WHERE a.model_version IN (SELECT m.version FROM @extschema@.model_versions m WHERE m.model_type = type);
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_end_raised_audit(text, timestamptz, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_end_raised_audit(text, timestamptz, boolean) IS
    'Ends the raised audit rates of a model type: the policies apply again. If goes_on (the rollout is still '
    'watched), conversations drawn so far are still reviewed first';
