-- The time that a caller wants to be counted as now: an argument named "at" of whatever goes by the clock.

CREATE FUNCTION @extschema@.tw_check_time_argument(at timestamptz) RETURNS void
    LANGUAGE c VOLATILE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'tw_check_time_argument';
REVOKE ALL ON FUNCTION @extschema@.tw_check_time_argument(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_time_argument(timestamptz) IS
    'Raises 22023 for a time that is infinite, or yet to come while training_workflow.allow_future_times is off (a '
    'superuser''s setting, for tests and simulations)';
