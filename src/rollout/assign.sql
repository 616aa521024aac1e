-- The version of a model that a session gets, with a canary and without.

CREATE FUNCTION @extschema@.assign_model_version(model_type text, unit_id text) RETURNS text
    LANGUAGE c STABLE CALLED ON NULL INPUT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_assign_model_version';
REVOKE ALL ON FUNCTION @extschema@.assign_model_version(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.assign_model_version(text, text) IS
    'The version of model_type that answers the unit unit_id (the session): the canary where there is one and the '
    'unit''s rollout_bucket() is below 100 times its traffic_percentage, the production version otherwise. A unit '
    'keeps its version until the percentage changes, and raising it takes no unit out of the canary. Any text is a '
    'unit, the empty one as well, compared byte by byte. A change of model_versions counts in every session from its '
    'commit on, in open transactions too. NULL where nothing of the type is live (no version yet, candidates only, or '
    'all rolled back): the application then keeps its own model, or captures without an answer, as classify_intent() '
    'with a NULL version does. Raises 22004 for a NULL, 42704 for a name that no model type can have';

CREATE FUNCTION @extschema@.rollout_bucket(version text, unit_id text) RETURNS integer
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'tw_rollout_bucket';
REVOKE ALL ON FUNCTION @extschema@.rollout_bucket(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.rollout_bucket(text, text) IS
    'The bucket, 0 to 9999, of a unit in the rollout of a version (of any name, known or not): the canary answers the '
    'unit while it has more than bucket / 100 percent of the traffic. A version that is rolled out again after a '
    'rollback gets new buckets: its second rollout is rollout_bucket(''router-v1.1.0#2'', ...), see number in '
    'rollout_status. The formula never changes: mix(mix(fnv(unit_id)) XOR mix(fnv(version))) modulo 10000 in unsigned '
    '64 bits, where fnv is FNV-1a over the bytes in UTF-8 and mix the finaliser of MurmurHash3. NULL for a NULL. '
    'Raises no error of its own';
