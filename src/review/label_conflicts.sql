-- One text, one live intent: where live samples disagree, or one that waits because it contradicts them, a reviewer
-- decides.

-- Of all samples: an import, and whoever looks for a person's texts, asks for the others too.
CREATE INDEX training_samples_text_hash_idx ON @extschema@.training_samples (text_hash);

CREATE VIEW @extschema@.label_conflicts WITH (security_barrier) AS
    WITH disputed AS (
        SELECT s.text_hash
        FROM @extschema@.training_samples s
        WHERE s.review_status = 'approved' AND s.text_hash IS NOT NULL
          AND @extschema@.tw_sees_module(s.module_type, s.intent)
        GROUP BY s.text_hash
        HAVING min(s.intent COLLATE "C") <> max(s.intent COLLATE "C")
        UNION
        SELECT s.text_hash
        FROM @extschema@.training_samples s
        WHERE s.review_priority IS NOT NULL AND s.review_reason = 'label conflict' AND s.review_status = 'pending'
          AND @extschema@.tw_sees_module(s.module_type, s.intent)
    ), sides AS (
        -- Grouped by the text as well, because two texts can have the same hash.
        SELECT s.text_hash, @extschema@.normalize_text(s.text) AS normalized_text, s.intent, count(*) AS samples,
               count(*) FILTER (WHERE s.review_status = 'pending') AS waiting,
               count(*) FILTER (WHERE s.label_source = 'human') AS human, min(s.text) AS example,
               (array_agg(s.conversation_log_id
                          ORDER BY s.id) FILTER (WHERE s.conversation_log_id IS NOT NULL))[1:10] AS conversations,
               (array_agg(s.id ORDER BY s.id) FILTER (WHERE s.conversation_log_id IS NULL))[1:10] AS sample_ids
        FROM (SELECT l.* FROM @extschema@.training_samples l
              WHERE l.review_status = 'approved' AND l.text_hash IN (SELECT d.text_hash FROM disputed d)
              UNION ALL
              SELECT w.* FROM @extschema@.training_samples w
              WHERE w.review_priority IS NOT NULL AND w.review_reason = 'label conflict'
                AND w.review_status = 'pending') s
        WHERE @extschema@.tw_sees_module(s.module_type, s.intent)
        GROUP BY s.text_hash, @extschema@.normalize_text(s.text), s.intent
    )
    SELECT v.normalized_text, min(v.example) AS example, v.text_hash,
           count(*) AS intents, sum(v.samples)::bigint AS samples, sum(v.human)::bigint AS human_labels,
           count(*) FILTER (WHERE v.human > 0) = 1 AS settled,
           CASE WHEN count(*) FILTER (WHERE v.human > 0) = 1
                THEN max(v.intent) FILTER (WHERE v.human > 0) END AS settled_intent,
           jsonb_agg(jsonb_build_object('intent', @extschema@.tw_cut_text(v.intent, 1000), 'samples', v.samples,
                                        'human', v.human,
                                        'conversations', to_jsonb(v.conversations))
                     || jsonb_strip_nulls(jsonb_build_object('waiting', nullif(v.waiting, 0), 'sample_ids',
                                                             to_jsonb(v.sample_ids)))
                                        ORDER BY v.human DESC, v.samples DESC, v.intent) AS sides
    FROM sides v
    GROUP BY v.text_hash, v.normalized_text
    HAVING count(*) > 1
    ORDER BY settled, samples DESC, v.normalized_text;
REVOKE ALL ON TABLE @extschema@.label_conflicts FROM PUBLIC;
COMMENT ON VIEW @extschema@.label_conflicts IS
    'Texts whose samples carry different intents, unsettled ones first: live samples, and those without a conversation '
    'that wait because they contradict them. Their unreviewed samples are not trained on';
COMMENT ON COLUMN @extschema@.label_conflicts.normalized_text IS 'The text, normalised';
COMMENT ON COLUMN @extschema@.label_conflicts.example IS 'The text as one sample has it';
COMMENT ON COLUMN @extschema@.label_conflicts.text_hash IS 'Hash of the normalised text';
COMMENT ON COLUMN @extschema@.label_conflicts.intents IS 'Number of different intents';
COMMENT ON COLUMN @extschema@.label_conflicts.samples IS 'Number of samples, live or waiting';
COMMENT ON COLUMN @extschema@.label_conflicts.human_labels IS
    'Number of those that a person labelled';
COMMENT ON COLUMN @extschema@.label_conflicts.settled IS
    'Whether all labels given by people name one intent, and there is at least one';
COMMENT ON COLUMN @extschema@.label_conflicts.settled_intent IS 'The intent that people gave; NULL if not settled';
COMMENT ON COLUMN @extschema@.label_conflicts.sides IS
    'For each intent: number of samples, how many of them people labelled, and the ids of the '
    'first ten conversations; where there are some, how many wait (waiting), and the ids of the first ten samples '
    'without a conversation (sample_ids)';

