-- The module of a conversation, the model types that learn from a module, and whether models can learn from a message.

CREATE FUNCTION @extschema@.intent_module_type(intent text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_intent_module_type';
REVOKE ALL ON FUNCTION @extschema@.intent_module_type(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.intent_module_type(text) IS
    'The module of a dotted intent, its second part: food for intent.food.item.search; NULL if there is none. Raises '
    'no error of its own';

CREATE FUNCTION @extschema@.tw_module_type(module_type text, intent text) RETURNS text
    LANGUAGE c IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'tw_module_type';
REVOKE ALL ON FUNCTION @extschema@.tw_module_type(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_module_type(text, text) IS
    'The module of a conversation: its nlu_module_type, or intent_module_type(nlu_intent) if that is NULL or empty; '
    'NULL = no module';

-- No SET search_path: it would prevent inlining.
CREATE FUNCTION @extschema@.tw_is_of_type(model_type text, module_type text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN model_type = 'router' OR module_type || '-agent' = model_type;
REVOKE ALL ON FUNCTION @extschema@.tw_is_of_type(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_of_type(text, text) IS
    'Whether a model type learns from a module: the router learns from all modules and from conversations without '
    'one, an agent from its own module';

CREATE FUNCTION @extschema@.tw_is_learnable(message_type text, user_message text) RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'tw_is_learnable';
REVOKE ALL ON FUNCTION @extschema@.tw_is_learnable(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_learnable(text, text) IS
    'Whether models can learn from a message: it is a text message (type NULL, or text in upper or lower case) and '
    'not blank';

-- No SET search_path: it would prevent inlining. The limit is that of an integer. Far above it, the sums of squares
-- that avg() computes overflow.
CREATE FUNCTION @extschema@.tw_latency_ms(processing_time_ms double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN processing_time_ms BETWEEN 0 AND 2147483647 THEN processing_time_ms END;
REVOKE ALL ON FUNCTION @extschema@.tw_latency_ms(double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_latency_ms(double precision) IS
    'What figures count of nlu_processing_time_ms: values from 0 to 2147483647; NULL for others, NaN and infinity';
