-- Receipts of erasures. What says who was forgotten is a salted hash that takes long to compute: the person, who knows
-- the key, can be shown the receipt, and who has the receipts cannot read a person from them.

CREATE FUNCTION @extschema@.tw_key_hash(key text, salt bytea, iterations integer) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100000 SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_key_hash';
REVOKE ALL ON FUNCTION @extschema@.tw_key_hash(text, bytea, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_key_hash(text, bytea, integer) IS
    'PBKDF2 with HMAC-SHA-256 (RFC 8018) of a key, in hexadecimal digits';

CREATE FUNCTION @extschema@.tw_key_hashes(phone_number text, user_id text, session_id text[], salt bytea) RETURNS jsonb
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
-- There are few phone numbers, and often few users: trying them all must take long. Sessions are random.
RETURN jsonb_strip_nulls(jsonb_build_object(
    'phone_number', CASE WHEN phone_number IS NOT NULL THEN jsonb_build_array(
        @extschema@.tw_key_hash(@extschema@.phone_digits(phone_number), salt, 100000)) END,
    'user_id', CASE WHEN user_id IS NOT NULL THEN jsonb_build_array(
        @extschema@.tw_key_hash(user_id, salt, 100000)) END,
    'session_id', CASE WHEN session_id IS NOT NULL THEN (
        SELECT jsonb_agg(h.hash ORDER BY h.hash COLLATE "C")
        FROM (SELECT DISTINCT @extschema@.tw_key_hash(s, salt, 1000) AS hash FROM unnest(session_id) s) h) END));
REVOKE ALL ON FUNCTION @extschema@.tw_key_hashes(text, text, text[], bytea) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_key_hashes(text, text, text[], bytea) IS
    'The hashes of the keys of a person, as erasures.key_hashes has them';

CREATE FUNCTION @extschema@.tw_finish_erasure(erasure bigint) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    e @extschema@.erasures;
    receipt bigint;
BEGIN
    SELECT * INTO STRICT e FROM @extschema@.erasures x WHERE x.id = erasure FOR UPDATE;
    -- Another session may have done the rest.
    IF e.status = 'finished' THEN
        RETURN (SELECT r.id FROM @extschema@.erasure_receipts r WHERE r.erasure_id = erasure);
    END IF;
    IF EXISTS (SELECT FROM @extschema@.erasure_rows r WHERE r.erasure_id = erasure) THEN
        RETURN NULL;
    END IF;
    UPDATE @extschema@.erasures x SET status = 'finished', finished_at = clock_timestamp(), session_secret = NULL
    WHERE x.id = erasure;
    INSERT INTO @extschema@.erasure_receipts (erasure_id, kind, mode, reason, requested_by, session_role, key_salt,
        key_hashes, counts, models, exports, labelstudio_tasks, started_at)
    SELECT e.id, e.kind, e.mode, e.reason, e.requested_by, e.session_role, e.key_salt, e.key_hashes, e.counts,
           coalesce((SELECT jsonb_object_agg(m.version, m.samples) FROM @extschema@.erasure_models m
                     WHERE m.erasure_id = e.id), '{}'),
           coalesce((SELECT jsonb_agg(jsonb_build_object('export', x.export_id, 'location', x.location,
                                                         'status', x.status) ORDER BY x.export_id)
                     FROM @extschema@.erasure_exports x WHERE x.erasure_id = e.id), '[]'),
           (SELECT count(*) FROM @extschema@.labelstudio_erasures l WHERE l.erasure_id = e.id), e.started_at
    RETURNING id INTO receipt;
    RETURN receipt;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_finish_erasure(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_finish_erasure(bigint) IS
    'Ends an erasure that has nothing left to do and writes its receipt; returns the number of the receipt, also of an '
    'erasure that was ended before, and NULL while rows are left';

CREATE FUNCTION @extschema@.receipts_of(
    phone_number text DEFAULT NULL, user_id text DEFAULT NULL, session_id text[] DEFAULT NULL)
    RETURNS SETOF @extschema@.erasure_receipts
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1 SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_check_person(phone_number, user_id, session_id);
    RETURN QUERY
        SELECT r.* FROM @extschema@.erasure_receipts r
        WHERE r.kind = 'person'
          AND EXISTS (SELECT FROM jsonb_each(@extschema@.tw_key_hashes(
                          CASE WHEN r.key_hashes ? 'phone_number' THEN phone_number END,
                          CASE WHEN r.key_hashes ? 'user_id' THEN user_id END,
                          CASE WHEN r.key_hashes ? 'session_id' THEN session_id END, r.key_salt)) k
                      CROSS JOIN LATERAL jsonb_array_elements_text(k.value) AS h (hash)
                      WHERE r.key_hashes -> k.key ? h.hash)
        ORDER BY r.id;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.receipts_of(text, text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.receipts_of(text, text, text[]) IS
    'The receipts of the erasures of a person, oldest first: those made with the same phone_number (its digits count), '
    'the same user_id, or one of the sessions session_id. Takes about a tenth of a second for each receipt, so that '
    'nobody finds persons by trial. Raises 22004 if all arguments are NULL, 22023 for a blank one';
