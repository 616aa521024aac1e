-- import_training_samples(): labelled texts from outside.

CREATE FUNCTION @extschema@.import_training_samples(
    data text, source text DEFAULT 'synthetic', ignore_unknown_keys boolean DEFAULT false, format text DEFAULT 'auto',
    on_conflict text DEFAULT 'review', label_source text DEFAULT 'human', bad_lines text DEFAULT 'refuse',
    columns jsonb DEFAULT NULL,
    OUT inserted bigint, OUT existing bigint, OUT conflicting bigint, OUT upgraded bigint, OUT replaced bigint,
    OUT kept bigint, OUT pinned bigint, OUT not_pinned bigint, OUT skipped bigint, OUT import_id bigint)
    LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'tw_import_training_samples';
REVOKE ALL ON FUNCTION @extschema@.import_training_samples(text, text, boolean, text, text, text, text, jsonb)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.import_training_samples(text, text, boolean, text, text, text, text, jsonb) IS
    'Reads training samples from data, which is JSONL: one object a line with text and intent, and optionally '
    'language, entities, module_id, module_type, expected_service, split (pins the text to train or test), '
    'label_source, quality_score and created_at (a future time counts as now). source is synthetic or manual; with '
    'ignore_unknown_keys, other keys are skipped. format is auto or jsonl; columns is NULL. Texts are redacted like '
    'captured ones. Returns the number of lines '
    'that became live samples; that exist already with the same text and intent; and that name another intent than a '
    'live sample of the same text, which wait as pending. A bad line fails the call, with its number: 22P02 for broken '
    'JSON, 54000 for JSON that is nested too deep, 22023 for invalid values and keys and for a text that would change '
    'its split; with bad_lines skip, such lines are left out and counted (skipped). Raises 22023 for another source, '
    '22004 for a NULL argument, 40001 where a sample that a line pins was '
    'changed concurrently, 55P03 where one is locked for 5 seconds';
