-- Which rows are a person's. What forgets a person and what shows what is stored of them find the same.

CREATE FUNCTION @extschema@.phone_digits(phone_number text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 5
    AS 'MODULE_PATHNAME', 'tw_phone_digits';
REVOKE ALL ON FUNCTION @extschema@.phone_digits(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.phone_digits(text) IS
    'The digits of phone_number, of any script, in ASCII, without a leading 00: what phone numbers are compared by. '
    'No country code is added. Empty if there is no digit, NULL for a NULL. Raises no error of its own';

CREATE FUNCTION @extschema@.tw_check_person(phone_number text, user_id text, session_id text[]) RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    blank CONSTANT text := CASE
        WHEN phone_number IS NOT NULL AND @extschema@.phone_digits(phone_number) = '' THEN 'phone_number'
        WHEN user_id IS NOT NULL AND @extschema@.tw_is_blank(user_id) THEN 'user_id'
        WHEN session_id IS NOT NULL AND (cardinality(session_id) = 0 OR EXISTS (
            SELECT FROM unnest(session_id) s WHERE @extschema@.tw_is_blank(s))) THEN 'session_id' END;
BEGIN
    IF num_nonnulls(phone_number, user_id, session_id) = 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'null_value_not_allowed',
            MESSAGE = 'no person is named',
            DETAIL = 'phone_number, user_id and session_id are all NULL.',
            HINT = 'Pass at least one of them.';
    END IF;
    IF blank IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('%s names no person', blank),
            DETAIL = CASE blank WHEN 'phone_number' THEN 'It has no digit.'
                                WHEN 'user_id' THEN 'It is blank, which would match everybody without one.'
                                ELSE 'It is empty, or one of its sessions is NULL or blank.' END,
            HINT = 'Pass a value that this person alone has, or NULL to find them by the others.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_check_person(text, text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_check_person(text, text, text[]) IS
    'Raises 22004 if no key of a person is given, and 22023 for a key that would match everybody: a phone number '
    'without digits, a blank user, a list of sessions that is empty or has a NULL or blank one';

-- EXECUTE reads the table with parallel workers, SELECT INTO does not.
CREATE FUNCTION @extschema@.tw_person_conversations(phone_number text, user_id text, session_id text[]) RETURNS bigint[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
    named bigint[];
    sessions text[];
    phones text[];
    users text[];
    unnamed bigint[];
BEGIN
    EXECUTE 'SELECT array_agg(c.id), '
            'array_agg(DISTINCT c.session_id) FILTER (WHERE NOT @extschema@.tw_is_blank(c.session_id)), '
            'array_agg(DISTINCT @extschema@.phone_digits(c.phone_number)) FILTER (WHERE c.phone_number IS NOT NULL), '
            'array_agg(DISTINCT c.user_id) FILTER (WHERE c.user_id IS NOT NULL) '
            'FROM @extschema@.conversation_logs c '
            'WHERE @extschema@.phone_digits(c.phone_number) = @extschema@.phone_digits($1) OR c.user_id = $2 '
            'OR c.session_id = ANY ($3)'
    INTO named, sessions, phones, users USING phone_number, user_id, session_id;
    IF named IS NULL THEN
        RETURN '{}';
    END IF;
    -- Of their sessions, rows that name nobody; none of a session in which another person has one. A blank session is
    -- none, and whatever is compared with no value at all (<> ALL of an empty array) is another.
    EXECUTE 'SELECT array_agg(c.id) FROM ('
            'SELECT l.id, l.id = ANY ($1) AS is_named, bool_or(l.id <> ALL ($1) AND ('
            'coalesce(@extschema@.phone_digits(l.phone_number), '''') <> '''' '
            'AND @extschema@.phone_digits(l.phone_number) <> ALL ($3) '
            'OR NOT @extschema@.tw_is_blank(l.user_id) AND l.user_id <> ALL ($4))) '
            'OVER (PARTITION BY l.session_id) AS has_other '
            'FROM @extschema@.conversation_logs l WHERE l.session_id = ANY ($2)) c '
            'WHERE c.has_other IS NOT TRUE AND NOT c.is_named'
    INTO unnamed USING named, coalesce(sessions, '{}'), coalesce(phones, '{}'), coalesce(users, '{}');
    RETURN named || coalesce(unnamed, '{}');
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_person_conversations(text, text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_person_conversations(text, text, text[]) IS
    'The conversations of a person: by phone number (digits are compared), user or session, and the other '
    'conversations of their sessions that name nobody, unless another person has one in that session';

CREATE FUNCTION @extschema@.tw_person_samples(conversations bigint[]) RETURNS bigint[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
    samples bigint[];
    texts text[];
    by_others bigint[];
BEGIN
    -- An import has a text as it came, or as it was masked.
    WITH said AS (
        SELECT c.user_message AS text, v.hash
        FROM @extschema@.conversation_logs c
        CROSS JOIN LATERAL (
            VALUES (@extschema@.text_hash(c.user_message)),
                   (@extschema@.text_hash(@extschema@.tw_sample_text(c.user_message)))) AS v (hash)
        WHERE c.id = ANY (conversations) AND NOT @extschema@.tw_is_blank(c.user_message)
        UNION
        SELECT s.text, s.text_hash FROM @extschema@.training_samples s WHERE s.conversation_log_id = ANY (conversations)
    )
    SELECT array_agg(DISTINCT s.id),
           array_agg(DISTINCT lower(btrim(d.text))) || array_agg(DISTINCT lower(btrim(s.text)))
    INTO samples, texts
    FROM @extschema@.training_samples s
    JOIN said d ON d.hash = s.text_hash
    WHERE s.conversation_log_id IS NULL;
    IF samples IS NULL THEN
        RETURN '{}';
    END IF;
    -- To normalise all messages would take longer than all the rest.
    EXECUTE 'SELECT array_agg(DISTINCT @extschema@.text_hash(c.user_message)) '
            '|| array_agg(DISTINCT @extschema@.text_hash(@extschema@.tw_sample_text(c.user_message))) '
            'FROM @extschema@.conversation_logs c WHERE lower(btrim(c.user_message)) = ANY ($1) AND c.id <> ALL ($2)'
    INTO by_others USING texts, conversations;
    RETURN ARRAY(
        SELECT s.id FROM @extschema@.training_samples s
        WHERE s.id = ANY (samples) AND s.text_hash <> ALL (coalesce(by_others, '{}'))
          AND NOT EXISTS (SELECT FROM @extschema@.training_samples o
                          WHERE o.text_hash = s.text_hash AND o.conversation_log_id <> ALL (conversations)));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_person_samples(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_person_samples(bigint[]) IS
    'The samples without a conversation that have the text of one of these conversations, which are those of a person; '
    'without texts that others wrote too, for those identify nobody';

CREATE FUNCTION @extschema@.tw_person_rows(
    phone_number text, user_id text, session_id text[], OUT relation text, OUT row_id bigint)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE ROWS 1000 SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    conversations bigint[];
BEGIN
    PERFORM @extschema@.tw_check_person(phone_number, user_id, session_id);
    conversations := @extschema@.tw_person_conversations(phone_number, user_id, session_id);
    RETURN QUERY
        SELECT 'conversation_logs', i FROM unnest(conversations) i
        UNION ALL
        SELECT 'training_samples', i FROM unnest(@extschema@.tw_person_samples(conversations)) i;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_person_rows(text, text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_person_rows(text, text, text[]) IS
    'The rows that forget_user() and export_user() begin with: conversations of the person, and samples without a '
    'conversation whose text is theirs. What hangs on them follows from their ids. Raises what tw_check_person() '
    'raises';
