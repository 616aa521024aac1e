-- review_policies: the triggers that check changes and invalidate caches.

CREATE FUNCTION @extschema@.tw_policy_lock() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_policy_lock';
REVOKE ALL ON FUNCTION @extschema@.tw_policy_lock() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_policy_lock() IS
    'Trigger: lets one transaction at a time change policies, so that two changes that are valid alone cannot '
    'contradict each other';

CREATE FUNCTION @extschema@.tw_policy_check_row() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_policy_check_row';
REVOKE ALL ON FUNCTION @extschema@.tw_policy_check_row() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_policy_check_row() IS
    'Trigger: refuses a policy with invalid values (22023), and a second policy for the same scope (23505)';

CREATE FUNCTION @extschema@.tw_policy_check_all() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_policy_check_all';
REVOKE ALL ON FUNCTION @extschema@.tw_policy_check_all() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_policy_check_all() IS
    'Trigger: refuses a change after which review_below would be above approve_above for a module and intent (22023)';

CREATE TRIGGER review_policies_lock BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.review_policies
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_policy_lock();
CREATE TRIGGER review_policies_check_row BEFORE INSERT OR UPDATE ON @extschema@.review_policies
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_policy_check_row();
CREATE TRIGGER review_policies_check_all AFTER INSERT OR UPDATE OR DELETE ON @extschema@.review_policies
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_policy_check_all();
CREATE TRIGGER review_policies_touch BEFORE UPDATE ON @extschema@.review_policies
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_touch_updated_at();

-- ENABLE ALWAYS, and one trigger a row: logical replication fires neither ordinary nor statement-level triggers.
CREATE TRIGGER review_policies_invalidate AFTER INSERT OR UPDATE OR DELETE ON @extschema@.review_policies
    FOR EACH ROW EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
CREATE TRIGGER review_policies_invalidate_truncate AFTER TRUNCATE ON @extschema@.review_policies
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.tw_invalidate_cache();
ALTER TABLE @extschema@.review_policies ENABLE ALWAYS TRIGGER review_policies_invalidate;
ALTER TABLE @extschema@.review_policies ENABLE ALWAYS TRIGGER review_policies_invalidate_truncate;
