-- Faster growth of test sets that are too small: until a model type has min_test_samples, the audit draws half of the
-- daily review capacity (review_budget_per_day), from all versions and filter outcomes. The other half is for the
-- queue: audited samples are for testing and not for training, so at most every other conversation is drawn. Equal
-- rates waste the fewest labels, because samples of equal weight count most. Each row stores its rate, so that earlier
-- estimates stay valid.

CREATE FUNCTION @extschema@.tw_effective_test_samples(model_type text) RETURNS double precision
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce(sum(t.weight) ^ 2 / nullif(sum(t.weight ^ 2), 0), 0)
    FROM @extschema@.model_test_set(tw_effective_test_samples.model_type) t;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_effective_test_samples(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_effective_test_samples(text) IS
    'Number of equally weighted test samples that would be as precise as the test samples of a model type (Kish, '
    'Survey Sampling, 1965)';

CREATE FUNCTION @extschema@.tw_audit_by_budget(at timestamptz, OUT audit_rate double precision, OUT reason text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
    now CONSTANT timestamptz := coalesce(at, clock_timestamp());
    budget CONSTANT integer := @extschema@.training_setting('review_budget_per_day');
    wanted CONSTANT integer := @extschema@.training_setting('min_test_samples');
    short text;
    a_day double precision;
BEGIN
    SELECT string_agg(format('%s has %s of %s', x.model_type, floor(x.effective), wanted), ', ' ORDER BY x.model_type)
    INTO short
    FROM (SELECT m.model_type, @extschema@.tw_effective_test_samples(m.model_type) AS effective
          FROM @extschema@.model_versions m WHERE m.status = 'production') x
    WHERE x.effective < wanted;
    -- Mean of the last seven days, or of the days since the first of them; the last day if it had more, since its
    -- conversations have to be reviewed.
    SELECT greatest(count(*) / greatest(1, extract(epoch FROM now - min(c.created_at))::double precision / 86400),
                    count(*) FILTER (WHERE c.created_at >= now - interval '1 day'))
    INTO a_day
    FROM @extschema@.conversation_logs c
    WHERE c.created_at >= now - interval '7 days' AND c.created_at < now
      -- The index is on days, whose time zone may differ.
      AND c.created_on BETWEEN (now - interval '9 days')::date AND (now + interval '2 days')::date
      AND c.filter_outcome <> 'not-applicable';
    IF short IS NOT NULL AND budget > 0 AND a_day > 0 THEN
        audit_rate := least(0.5, budget / 2.0::double precision / a_day);
        reason := format('too few test samples: %s', short);
        INSERT INTO @extschema@.audited_versions AS a (model_version, audit_rate, since, until, reason)
        VALUES ('*', tw_audit_by_budget.audit_rate, now, now, tw_audit_by_budget.reason)
        ON CONFLICT (model_version) DO UPDATE SET audit_rate = excluded.audit_rate, reason = excluded.reason;
    ELSE
        DELETE FROM @extschema@.audited_versions a WHERE a.model_version = '*';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_audit_by_budget(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_audit_by_budget(timestamptz) IS
    'Raises the audit rate of all conversations to what half of the review budget allows (at most 0.5) while a live '
    'model type has too few test samples, and lowers it again afterwards; returns the rate, or NULLs';
