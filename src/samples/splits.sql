-- Splits: the first training run that sees a text decides, once for all its samples, whether it is for training or for
-- testing.

CREATE INDEX training_samples_test_split_idx ON @extschema@.training_samples (text_hash) WHERE split = 'test';

-- Rules for texts that no run has seen yet, in this order. A text keeps the split that any of its samples has. A text
-- seen 20 times or more is for training ("hi" must be learnable). A text with an unreviewed audited conversation stays
-- undecided, because the order of reviews is not random. A hashed half of the texts of audited, human-labelled rows is
-- for testing, except near-twins of texts that were seen 20 times or that a model has learned: the live model would
-- know them by heart, and its successor could not learn them. Texts that differ in digits only are near-twins if they
-- have an intent in common. All others are for training.
CREATE FUNCTION @extschema@.tw_new_splits(OUT text_hash bigint, OUT split text) RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH undecided AS MATERIALIZED (
        SELECT DISTINCT s.text_hash FROM @extschema@.training_samples s
        WHERE s.split IS NULL AND s.review_status = 'approved'
    ), seen AS MATERIALIZED (
        SELECT s.text_hash, min(@extschema@.tw_model_text(s.text)) FILTER (WHERE s.review_status = 'approved') AS text,
               coalesce(array_agg(DISTINCT s.intent) FILTER (WHERE s.review_status = 'approved'), '{}') AS intents,
               count(*) FILTER (WHERE s.review_status = 'approved') AS times,
               CASE WHEN bool_or(s.split = 'test') THEN 'test' ELSE min(s.split) END AS known,
               -- A label that an import confirmed is a person's, but the audit has yet to judge the conversation.
               coalesce(bool_or(s.review_status = 'approved' AND s.label_source = 'human' AND c.is_audit
                                AND c.review_status = 'approved'), false) AS audited,
               coalesce(bool_or(s.review_status = 'approved' AND c.is_audit
                                AND (s.label_source = 'model' OR c.review_status <> 'approved')), false) AS awaited
        FROM @extschema@.training_samples s
        LEFT JOIN @extschema@.conversation_logs c ON c.id = s.conversation_log_id
        WHERE s.text_hash IN (SELECT u.text_hash FROM undecided u)
        GROUP BY s.text_hash
    ), wanted AS (
        SELECT n.text_hash, n.text, n.intents,
               CASE WHEN n.known IS NOT NULL THEN n.known
                    WHEN n.times >= 20 OR n.text_hash & 1 = 0 THEN 'train'
                    WHEN n.audited THEN 'test'
                    WHEN NOT n.awaited THEN 'train' END AS split,
               n.known IS NULL AS is_new
        FROM seen n
    ), heads AS (
        SELECT coalesce(array_agg(h.text), '{}') AS texts, coalesce(array_agg(h.intent), '{}') AS intents
        FROM (SELECT x.text, unnest(x.intents) AS intent
              FROM (SELECT min(@extschema@.tw_model_text(s.text)) AS text, array_agg(DISTINCT s.intent) AS intents
                    FROM @extschema@.training_samples s
                    WHERE s.review_status = 'approved'
                    GROUP BY s.text_hash
                    HAVING (count(*) >= 20 OR bool_or(s.model_version_target IS NOT NULL))
                      AND NOT coalesce(bool_or(s.split = 'test'), false)) x) h
    ), wanted_tests AS MATERIALIZED (
        SELECT w.text_hash, w.text, i.intent FROM wanted w, unnest(w.intents) AS i (intent)
        WHERE w.is_new AND w.split = 'test'
    ), tested AS (
        SELECT coalesce(array_agg(t.text), '{}') AS texts, coalesce(array_agg(t.intent), '{}') AS intents
        FROM wanted_tests t
    ), twins AS (
        SELECT n.text_hash
        FROM tested t, heads h, @extschema@.tw_texts_with_twins(t.texts, t.intents, h.texts, h.intents) x
        JOIN wanted_tests n ON n.text = x.candidate
    )
    SELECT w.text_hash, CASE WHEN w.text_hash IN (SELECT x.text_hash FROM twins x) THEN 'train' ELSE w.split END
    FROM wanted w
    WHERE w.split IS NOT NULL;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_new_splits() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_new_splits() IS
    'The split (train or test) of each live text with samples that have no split, except texts whose audit is not '
    'finished';

CREATE FUNCTION @extschema@.tw_decide_splits(OUT decided bigint, OUT locked bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    hashes bigint[];
    splits text[];
    wanted bigint;
    held bigint[];
BEGIN
    -- Two concurrent runs, or a run and an import that pins a text, could see different parts of its history.
    PERFORM @extschema@.tw_lock('splits'::text, 0::bigint);
    SELECT array_agg(n.text_hash), array_agg(n.split) INTO hashes, splits FROM @extschema@.tw_new_splits() n;
    -- Samples are locked in the same order everywhere. Locked samples are left to the next call, which gives them the
    -- split of their text.
    SELECT count(*) INTO wanted FROM @extschema@.training_samples s
    WHERE s.split IS NULL AND s.review_status = 'approved' AND s.text_hash IN (SELECT unnest(hashes));
    held := ARRAY(SELECT s.id FROM @extschema@.training_samples s
                  WHERE s.split IS NULL AND s.review_status = 'approved' AND s.text_hash IN (SELECT unnest(hashes))
                  ORDER BY s.id FOR NO KEY UPDATE SKIP LOCKED);
    UPDATE @extschema@.training_samples s SET split = n.split
    FROM unnest(hashes, splits) AS n (text_hash, split)
    WHERE s.id IN (SELECT unnest(held)) AND s.text_hash = n.text_hash AND s.split IS NULL
        AND s.review_status = 'approved';
    GET DIAGNOSTICS decided = ROW_COUNT;
    locked := greatest(0, wanted - decided);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_decide_splits() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_decide_splits() IS
    'Stores the split of every live sample that has none; returns how many were stored and how many were locked. A '
    'stored split never changes';
