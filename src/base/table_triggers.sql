-- Trigger functions that several tables share.

CREATE FUNCTION @extschema@.tw_append_only() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_append_only';
REVOKE ALL ON FUNCTION @extschema@.tw_append_only() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_append_only() IS
    'Trigger: refuses UPDATE, DELETE and TRUNCATE of a table that only grows; raises 55000 '
    '(object_not_in_prerequisite_state)';

CREATE FUNCTION @extschema@.tw_touch_updated_at() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_touch_updated_at';
REVOKE ALL ON FUNCTION @extschema@.tw_touch_updated_at() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_touch_updated_at() IS
    'Trigger: sets updated_at, and updated_by where there is one, whenever a row is updated';

CREATE FUNCTION @extschema@.tw_invalidate_cache() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_invalidate_cache';
REVOKE ALL ON FUNCTION @extschema@.tw_invalidate_cache() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_invalidate_cache() IS
    'Trigger: tells every backend, when the change commits, to forget what it has cached of the table';
