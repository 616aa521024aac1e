-- The role that calls a SECURITY DEFINER function, and the person behind a shared role.

-- By its OID: the setting "role" keeps the name given to SET ROLE, which another role may have by now.
CREATE FUNCTION @extschema@.tw_calling_role_id() RETURNS oid
    LANGUAGE c STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_calling_role_id';
REVOKE ALL ON FUNCTION @extschema@.tw_calling_role_id() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_calling_role_id() IS
    'OID of the role that the caller acts as (SET ROLE, else the login role), also within SECURITY DEFINER functions';

CREATE FUNCTION @extschema@.tw_calling_role() RETURNS name
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN pg_get_userbyid(@extschema@.tw_calling_role_id());
REVOKE ALL ON FUNCTION @extschema@.tw_calling_role() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_calling_role() IS 'Name of the role that the caller acts as';

CREATE FUNCTION @extschema@.tw_is_operator() RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN has_function_privilege(@extschema@.tw_calling_role_id(),
                              '@extschema@.set_training_setting(text, text)'::regprocedure, 'EXECUTE');
REVOKE ALL ON FUNCTION @extschema@.tw_is_operator() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_operator() IS
    'Whether the caller has the rights of an operator (superusers and the owner have them)';

CREATE FUNCTION @extschema@.tw_reviewer(reviewer text) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF reviewer IS NULL THEN
        RETURN @extschema@.tw_calling_role();
    END IF;
    IF @extschema@.tw_is_blank(reviewer) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'reviewer must not be blank',
            HINT = 'Name the person, or pass NULL for your own role.';
    END IF;
    IF NOT @extschema@.tw_is_operator() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = 'permission denied to act for another reviewer',
            DETAIL = format('Role "%s" is not an operator.', @extschema@.tw_calling_role()),
            HINT = 'Leave the reviewer out to act as your own role.';
    END IF;
    RETURN reviewer;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_reviewer(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_reviewer(text) IS
    'The person that a verdict or claim belongs to: the argument, or the calling role if it is NULL. Raises 42501 if a '
    'caller who is not an operator names another reviewer';
