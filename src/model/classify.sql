-- Serving: the intent of a text, from the live version of a model type or from a version that is named.

CREATE FUNCTION @extschema@.classify_intent(
    text text, model_type text DEFAULT 'router', version text DEFAULT NULL,
    OUT intent text, OUT confidence double precision, OUT module_type text, OUT model_version text, OUT reason text)
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 100
    AS 'MODULE_PATHNAME', 'tw_classify_intent';
REVOKE ALL ON FUNCTION @extschema@.classify_intent(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.classify_intent(text, text, text) IS
    'The most likely intent of a text, its probability (0 to 1, calibrated by temperature scaling: Guo et al., ICML '
    '2017), the intent''s module, and the version that answered: the live one of model_type (router, or '
    '<module>-agent), or the version that is named (NULL: the live one). reason is NULL where there is an answer. '
    'Without one the intent is NULL, and reason says why: no live version (of model_type: the application goes on, and '
    'what it captures waits for review), no known feature (in the text; confidence is then 0), or no text (NULL). Only '
    'the first 16 kB of a text count. A model is loaded once a session, and checked against its checksum. Raises 22004 '
    'for a NULL model_type, 42704 for one that no version can have and for a version that is unknown or of another '
    'type, 55000 for a version that is not stored in the database, XX001 (data_corrupted) for a damaged artifact, '
    '0A000 for an artifact of a newer format';

CREATE FUNCTION @extschema@.classify_intents(
    text text, k integer DEFAULT 3, model_type text DEFAULT 'router', version text DEFAULT NULL,
    OUT rank integer, OUT intent text, OUT confidence double precision, OUT module_type text, OUT model_version text,
    OUT reason text)
    RETURNS SETOF record
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE COST 100 ROWS 3
    AS 'MODULE_PATHNAME', 'tw_classify_intents';
REVOKE ALL ON FUNCTION @extschema@.classify_intents(text, integer, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.classify_intents(text, integer, text, text) IS
    'The k most likely intents of a text, best first, with the columns of classify_intent(), which explains model_type '
    'and version; where there is no answer, one row with a reason and without a rank. Raises 22023 for a k below 1, '
    'and what classify_intent() raises';
