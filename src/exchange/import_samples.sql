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
    'Reads training samples from data, by default JSONL: one object a line with text and intent, and optionally '
    'language, entities, module_id, module_type, expected_service, split (pins the text to train or test), '
    'label_source, quality_score and created_at (a future time counts as now). source is synthetic or manual; with '
    'ignore_unknown_keys, other keys and columns are skipped. format is auto, which recognises them all, jsonl, csv '
    '(with a header), fasttext, rasa (NLU YAML), huggingface, openai, spacy, prodigy, labelstudio (JSON) or '
    'dialogflow (usersays). columns names the keys or columns of the data, as {"text": "utterance"}; null leaves one '
    'empty, {"value": "..."} is for all samples, {"column": "label", "names": [...]} says what numbers stand for; '
    'NULL finds them by name. on_conflict says what happens where two people gave a text different intents: review '
    '(both wait for review), newest (the line''s replaces the stored one) or keep (the line is not stored). '
    'label_source (human or model; person, llm and machine mean these) is that of lines that do not say it. A '
    'person''s label beats a model''s, whatever the order. bad_lines is refuse, or skip to leave bad lines out. Texts '
    'are redacted like captured ones. Returns the number of lines that became live samples (inserted), were there '
    'already (existing), wait for review (conflicting), made a model''s label a person''s (upgraded), replaced a '
    'person''s label (replaced), were not stored because another label stands (kept), whose text has the split that '
    'they name (pinned) or keeps another one (not_pinned), and were bad (skipped); and the number of the import, for '
    'import_report(). A bad line fails the call, with its number: 22P02 for broken JSON, YAML or CSV, 54000 for JSON '
    'that is nested too deep, 22023 for invalid values and keys. Raises 22023 for other values of arguments, data of '
    'an unknown format, columns that mean nothing and names that are missing in it, 42703 for columns that a CSV does '
    'not have, 22004 for a NULL argument other than columns, 40001 where samples to change were changed concurrently, '
    '55P03 where one is locked for 5 seconds, or a training or import goes on for 10 seconds; 55000 where the '
    'extension is older than its library';
