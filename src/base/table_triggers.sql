-- Trigger functions that several tables share.

CREATE FUNCTION @extschema@.tw_append_only() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_append_only';
REVOKE ALL ON FUNCTION @extschema@.tw_append_only() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_append_only() IS
    'Trigger: refuses UPDATE, DELETE and TRUNCATE of an append-only table; raises 55000 '
    '(object_not_in_prerequisite_state)';

CREATE FUNCTION @extschema@.tw_touch_updated_at() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_touch_updated_at';
REVOKE ALL ON FUNCTION @extschema@.tw_touch_updated_at() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_touch_updated_at() IS
    'Trigger on UPDATE: sets updated_at to the start of the transaction and, if the table has it, updated_by to the '
    'login role';

CREATE FUNCTION @extschema@.tw_invalidate_cache() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_invalidate_cache';
REVOKE ALL ON FUNCTION @extschema@.tw_invalidate_cache() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_invalidate_cache() IS
    'Trigger: invalidates every backend''s cache of the table once the change commits';
