-- SQL functions of the filter: its decision without a row.

CREATE FUNCTION @extschema@.filter_decision(
    confidence double precision, provider text, intent text, module_type text,
    OUT review_status text, OUT review_priority smallint, OUT review_reason text,
    OUT review_below double precision, OUT approve_above double precision,
    OUT audit_rate double precision, OUT filter_policy_id bigint)
    LANGUAGE c STABLE PARALLEL SAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'tw_filter_decision';
REVOKE ALL ON FUNCTION @extschema@.filter_decision(double precision, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.filter_decision(double precision, text, text, text) IS
    'The decision of the filter about a text message with this prediction: confidence (valid from 0 to 1), provider, '
    'intent and module_type (NULL or empty: the second part of the intent), with NULLs treated as capture does. '
    'Returns status, priority and reason, the thresholds and audit rate in force, and the most specific policy behind '
    'them (NULL = the built-in policy). Raises no error of its own';

CREATE FUNCTION @extschema@.is_fallback_provider(provider text, intent text, module_type text) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE CALLED ON NULL INPUT
    AS 'MODULE_PATHNAME', 'tw_is_fallback_provider';
REVOKE ALL ON FUNCTION @extschema@.is_fallback_provider(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.is_fallback_provider(text, text, text) IS
    'Whether the policy for module_type (NULL or empty: the second part of the intent) and intent counts the provider '
    'as a fallback (built-in: llm); false for a NULL provider. Raises no error of its own';
