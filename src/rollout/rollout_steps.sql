-- The steps of a rollout: those listed in rollout_steps, or with auto those that fit the traffic.

CREATE FUNCTION @extschema@.tw_sessions_a_day(type text, at timestamptz, any_version boolean DEFAULT false)
    RETURNS double precision
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    -- Of messages that name a version of the type: a rollout counts no others. A young installation has fewer days.
    SELECT coalesce(count(DISTINCT (c.session_id, c.created_on))
                    / least(7, greatest(1, extract(epoch FROM tw_sessions_a_day.at
                                                              - min(c.created_at))::double precision / 86400)), 0)
    FROM @extschema@.conversation_logs c
    WHERE c.created_at >= tw_sessions_a_day.at - interval '7 days' AND c.created_at < tw_sessions_a_day.at
      -- The index is on days, which depend on the time zone.
      AND c.created_on BETWEEN (tw_sessions_a_day.at
                                - interval '9 days')::date AND (tw_sessions_a_day.at + interval '2 days')::date
      AND (any_version OR c.nlu_model_version IN (SELECT m.version FROM @extschema@.model_versions m
                                                  WHERE m.model_type = type));
END;
REVOKE ALL ON FUNCTION @extschema@.tw_sessions_a_day(text, timestamptz, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_sessions_a_day(text, timestamptz, boolean) IS
    'Sessions per day that named a version of a model type (or any version or none) in the seven days before a time, '
    'or since the first of them';

CREATE FUNCTION @extschema@.tw_fitting_steps(sessions double precision, units integer) RETURNS integer[]
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
-- At most one half: the production version needs its number of sessions as well.
RETURN CASE WHEN sessions * 0.10 >= units THEN '{10,10,25,50,100}'::integer[]
            WHEN sessions * 0.25 >= units THEN '{25,50,100}'::integer[]
            ELSE '{50,100}'::integer[] END;
REVOKE ALL ON FUNCTION @extschema@.tw_fitting_steps(double precision, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_fitting_steps(double precision, integer) IS
    'Steps, in percent, each of which gives the new version this many sessions within a day at this many sessions a '
    'day, as far as possible: the first is a tenth, else a quarter, else half';

CREATE FUNCTION @extschema@.tw_planned_steps(type text, at timestamptz, OUT steps integer[], OUT reason text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    setting CONSTANT text := @extschema@.training_setting('rollout_steps');
    units CONSTANT integer := @extschema@.training_setting('rollout_min_units');
    named CONSTANT double precision := @extschema@.tw_sessions_a_day(type, at, false);
    -- An application that begins to name versions only now has more sessions than that.
    sessions CONSTANT double precision := coalesce(nullif(named, 0), @extschema@.tw_sessions_a_day(type, at, true));
    first double precision;
    days numeric;
    -- The loss that a step can detect, from the minimum number of sessions of each version, nine in ten good.
    unseen CONSTANT numeric := (
        SELECT round(100 * q.minimum_detectable_loss::numeric)
        FROM (SELECT ARRAY[greatest(units, @extschema@.tw_measured_from())::double precision] AS n) x,
             LATERAL (SELECT ARRAY[x.n[1] * 0.9] AS y) z,
             LATERAL @extschema@.sequential_comparison(x.n, x.n, z.y, x.n, z.y, z.y, x.n, x.n, z.y, x.n, z.y, z.y,
                 @extschema@.training_setting('rollout_alpha')::double precision / 3, 0.02::double precision,
                     @extschema@.tw_measured_from(),
                 1::double precision) q);
BEGIN
    IF setting = 'auto' THEN
        steps := @extschema@.tw_fitting_steps(sessions, units);
        reason := format('auto, for %s sessions a day', round(sessions::numeric, 1));
    ELSE
        steps := string_to_array(setting, ',')::integer[];
        reason := format('set by rollout_steps; there are %s sessions a day', round(sessions::numeric, 1));
    END IF;
    first := sessions * least(steps[1], 100 - steps[1]) / 100.0;
    IF named = 0 THEN
        reason := reason || ': no conversation of the last seven days names a version of this type, and a rollout '
                            'counts no others (nlu_model_version, from assign_model_version)';
    ELSIF steps[1] = 100 THEN
        reason := reason || ': all of them at once, so that there is nothing to compare with';
    ELSE
        days := greatest(1, ceil(units / first));
        reason := reason || format(': a step at %s %% has %s sessions of each version (rollout_min_units) in %s',
                                   steps[1], units,
                                   CASE days WHEN 1 THEN 'a day' ELSE format('about %s days', days) END);
    END IF;
    IF sessions > 0 AND sessions < 20 AND first > 0 THEN
        reason := reason || format('. With fewer than 20 sessions a day it may not detect a loss soon: one of '
                                   'less than %s points is not detected in such a step, and a version that always '
                                   'fails is detected after about %s days', unseen,
                                   ceil(@extschema@.tw_measured_from() / first));
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_planned_steps(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_planned_steps(text, timestamptz) IS
    'The steps, in percent, of a rollout that starts now, and a text with their origin and limits';
