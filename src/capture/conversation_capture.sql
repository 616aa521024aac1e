-- conversation_capture: conversation_logs as an application sees it, for clients that name or return every column.

CREATE FUNCTION @extschema@.tw_refuse_to_read_capture() RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'insufficient_privilege',
        MESSAGE = 'conversation_capture can be inserted into, not read or changed',
        DETAIL = 'A conversation that was inserted and committed is stored, also where a client reads it again after '
                 'the commit and ends here: do not insert it again.',
        HINT = 'Keep what INSERT ... RETURNING gave (in SQLAlchemy: expire_on_commit=False). What comes later is added '
               'by record_response(id, session_id, ...) and record_feedback(id, session_id, ...).';
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_refuse_to_read_capture() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_refuse_to_read_capture() IS
    'Raises 42501. The condition of conversation_capture: IMMUTABLE, so that the planner calls it before anything is '
    'read or changed';

-- An INSERT into a view does not evaluate its condition, and RETURNING shows the new row alone. So whatever a client
-- does by default captures, and nobody can read what others wrote. Row security on the table would refuse COPY.
CREATE VIEW @extschema@.conversation_capture WITH (security_barrier) AS
SELECT c.id, c.session_id, c.phone_number, c.user_id, c.user_message, c.message_type, c.message_language, c.nlu_intent,
       c.nlu_confidence, c.nlu_module_id, c.nlu_module_type, c.nlu_provider, c.nlu_model_version, c.nlu_entities,
       c.nlu_tone, c.nlu_processing_time_ms, c.routed_to, c.response_text, c.response_success, c.user_feedback,
       c.user_correction, c.backend_reference, c.metadata, c.created_at,
       c.idempotency_key
FROM @extschema@.conversation_logs c
WHERE @extschema@.tw_refuse_to_read_capture();
REVOKE ALL ON TABLE @extschema@.conversation_capture FROM PUBLIC;
COMMENT ON VIEW @extschema@.conversation_capture IS
    'Where applications insert conversations whose client names or returns every column: the columns of '
    'conversation_logs that an application fills. It can be inserted into and not read: SELECT, UPDATE and DELETE '
    'raise 42501. COPY goes into conversation_logs';

-- What the columns mean stands at the table.
DO $comments$
DECLARE
    c record;
BEGIN
    FOR c IN
        SELECT v.attname AS name, col_description(t.attrelid, t.attnum) AS comment
        FROM pg_attribute v
        JOIN pg_attribute t ON t.attrelid = '@extschema@.conversation_logs'::regclass AND t.attname = v.attname
        WHERE v.attrelid = '@extschema@.conversation_capture'::regclass AND v.attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN @extschema@.conversation_capture.%I IS %L', c.name, c.comment);
    END LOOP;
END
$comments$;
