-- Redaction of personal data.

CREATE FUNCTION @extschema@.redact_pii(text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_redact_pii_text';
REVOKE ALL ON FUNCTION @extschema@.redact_pii(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.redact_pii(text) IS
    'The text with phone, payment card and Aadhaar numbers, PAN, e-mail addresses and UPI ids masked: digits become 0 '
    'and letters x; other characters and the number of characters stay. Idempotent. NULL for a NULL. Raises no error '
    'of its own';

CREATE FUNCTION @extschema@.redact_pii(jsonb) RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_redact_pii_jsonb';
REVOKE ALL ON FUNCTION @extschema@.redact_pii(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.redact_pii(jsonb) IS
    'The document with its strings redacted as redact_pii(text) does; a number whose integer digits would be masked '
    'becomes 0. Keys and other values stay. NULL for a NULL. Raises no error of its own';
