-- The check of the argument "at" (the time that counts as now) of functions that depend on the clock.

CREATE FUNCTION @extschema@.tw_check_time_argument(at timestamptz) RETURNS void
    LANGUAGE c VOLATILE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'tw_check_time_argument';
REVOKE ALL ON FUNCTION @extschema@.tw_check_time_argument(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_time_argument(timestamptz) IS
    'Raises 22023 for an infinite time, and for a time in the future while training_workflow.allow_future_times is '
    'off (a superuser''s setting, for tests and simulations). NULL passes';
