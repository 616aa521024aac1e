-- review_policies: what its triggers look at, and the caches that they empty.

CREATE FUNCTION @extschema@.tw_policy_lock() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_policy_lock';
REVOKE ALL ON FUNCTION @extschema@.tw_policy_lock() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_policy_lock() IS
    'Trigger: lets one transaction at a time change policies, so that two changes that are fine alone cannot '
    'contradict each other';

CREATE FUNCTION @extschema@.tw_policy_check_row() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_policy_check_row';
REVOKE ALL ON FUNCTION @extschema@.tw_policy_check_row() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_policy_check_row() IS
    'Trigger: refuses a policy whose own values cannot be right (22023), or that exists already (23505)';

CREATE FUNCTION @extschema@.tw_policy_check_all() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'tw_policy_check_all';
REVOKE ALL ON FUNCTION @extschema@.tw_policy_check_all() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_policy_check_all() IS
    'Trigger: refuses a change after which some module and intent would inherit review_below above '
    'approve_above (22023)';

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
