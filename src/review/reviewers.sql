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

-- For rows that name a conversation or sample without its module. Not a subquery of the views, which would keep them
-- from parallel plans.
CREATE FUNCTION @extschema@.tw_sees_conversation(conversation bigint) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT @extschema@.tw_sees_all_modules()
        OR EXISTS (SELECT FROM @extschema@.conversation_logs c
                   WHERE c.id = conversation AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent));
END;
REVOKE ALL ON FUNCTION @extschema@.tw_sees_conversation(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_sees_conversation(bigint) IS
    'Whether the caller sees the conversation, by its module; false for one that does not exist, unless all are seen';

CREATE FUNCTION @extschema@.tw_sees_sample(sample bigint) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT @extschema@.tw_sees_all_modules()
        OR EXISTS (SELECT FROM @extschema@.training_samples s
                   WHERE s.id = sample AND @extschema@.tw_sees_module(s.module_type, s.intent));
END;
REVOKE ALL ON FUNCTION @extschema@.tw_sees_sample(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_sees_sample(bigint) IS
    'Whether the caller sees the sample, by its module; false for one that does not exist, unless all are seen';
