-- The modules that the caller may see: what grant_training_role() with modules limits. Views and functions with the
-- owner's rights, and the policy of training_samples, ask it of every row.
--
-- Both functions may be called by everybody, as the policy of a table runs with the rights of whoever reads it. They
-- answer about the caller alone.

CREATE FUNCTION @extschema@.tw_sees_module_support(internal) RETURNS internal
    LANGUAGE c STRICT
    AS 'MODULE_PATHNAME', 'tw_sees_module_support';
REVOKE ALL ON FUNCTION @extschema@.tw_sees_module_support(internal) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_sees_module_support(internal) IS
    'Tells the planner that tw_sees_module() and tw_sees_all_modules() are true for every row, as they are where no '
    'role is limited';

CREATE FUNCTION @extschema@.tw_sees_all_modules() RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE SUPPORT @extschema@.tw_sees_module_support
    AS 'MODULE_PATHNAME', 'tw_sees_all_modules';
COMMENT ON FUNCTION @extschema@.tw_sees_all_modules() IS
    'Whether the caller (the role of SET ROLE, else the login role) sees all modules';

CREATE FUNCTION @extschema@.tw_sees_module(module_type text, intent text) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE CALLED ON NULL INPUT SUPPORT @extschema@.tw_sees_module_support
    AS 'MODULE_PATHNAME', 'tw_sees_module';
COMMENT ON FUNCTION @extschema@.tw_sees_module(text, text) IS
    'Whether the caller (the role of SET ROLE, else the login role) sees conversations and samples of the module that '
    'tw_module_type() gives';
