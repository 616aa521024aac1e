-- import_training_samples(): labelled texts from outside.

CREATE FUNCTION @extschema@.import_training_samples(
    data text, source text DEFAULT 'synthetic', ignore_unknown_keys boolean DEFAULT false,
    OUT inserted bigint, OUT existing bigint, OUT conflicting bigint)
    LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_import_training_samples';
REVOKE ALL ON FUNCTION @extschema@.import_training_samples(text, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.import_training_samples(text, text, boolean) IS
    'Reads training samples from JSONL: one object a line with text and intent, and perhaps language, entities, '
    'module_id, module_type, expected_service, split (pins the text to train or test), label_source, quality_score and '
    'created_at (one in the future counts as now). Texts are redacted as captured ones are. Returns how many lines '
    'became live samples; how many were there already, with the same text and intent; and how many name another intent '
    'than a live sample of the same text, which wait as pending. A bad line refuses the call and is named: 22P02 for '
    'broken JSON, 22023 for values and keys that do not fit and for a text that would change their split. Raises 22004 '
    'for a NULL argument, 40001 where a sample changed meanwhile that a line pins';
