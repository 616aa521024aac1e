-- Redaction of personal data.

CREATE FUNCTION @extschema@.redact_pii(text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_redact_pii_text';
REVOKE ALL ON FUNCTION @extschema@.redact_pii(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.redact_pii(text) IS
    'The text with phone, payment card and Aadhaar numbers, PAN, GSTIN, e-mail addresses, UPI ids, coordinates and '
    'those of map links masked: digits become 0 and letters x; other characters and the number of characters stay. It '
    'reads no setting: redact and redact_locations say where the extension calls it, and how. Idempotent. NULL for a '
    'NULL. Raises no error of its own';

CREATE FUNCTION @extschema@.redact_pii(jsonb) RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_redact_pii_jsonb';
REVOKE ALL ON FUNCTION @extschema@.redact_pii(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.redact_pii(jsonb) IS
    'The document with its strings redacted as redact_pii(text) does; a number whose integer digits would be masked '
    'becomes 0, and so does one with decimals under the key lat, lng, lon, latitude, longitude or coordinates. Keys '
    'and other values stay. NULL for a NULL. Raises no error of its own';
