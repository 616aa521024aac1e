-- intents: what is known of each intent, on one line.
--
-- It reads the samples once, the test set and the queue, each by an index of its own, and one conversation for each
-- intent. It does not read conversation_logs as a whole: the newest conversation of an intent is the one with the
-- highest number that has a sample with it or waits with it. In a fleet, numbers are in order within a node alone, and
-- the last of these conversations counts.

CREATE FUNCTION @extschema@.tw_intents(
    OUT intent text, OUT live_samples bigint, OUT human_samples bigint, OUT model_samples bigint,
    OUT pending_samples bigint, OUT rejected_samples bigint, OUT waiting_conversations bigint, OUT policies bigint,
    OUT test_texts bigint, OUT accuracy double precision, OUT last_seen timestamptz, OUT aliases text[])
    RETURNS SETOF record
    LANGUAGE sql STABLE ROWS 100 SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    WITH fleet AS MATERIALIZED (
        SELECT @extschema@.tw_fleet_node() IS NOT NULL AS is_any
    ), sampled AS (
        -- Grouped by the stored name, which is cheap; the current name comes afterwards.
        SELECT s.intent AS name, count(*) FILTER (WHERE s.review_status = 'approved') AS live,
               count(*) FILTER (WHERE s.review_status = 'approved' AND s.label_source = 'human') AS human,
               count(*) FILTER (WHERE s.review_status = 'approved' AND s.label_source = 'model') AS model,
               count(*) FILTER (WHERE s.review_status = 'pending') AS pending,
               count(*) FILTER (WHERE s.review_status = 'rejected') AS rejected,
               max(s.conversation_log_id) FILTER (WHERE s.review_status <> 'rejected') AS newest
        FROM @extschema@.training_samples s
        WHERE @extschema@.tw_sees_module(s.module_type, s.intent)
        GROUP BY s.intent, CASE WHEN (SELECT f.is_any FROM fleet f) THEN s.conversation_log_id >> 43 END
    ), waiting AS (
        SELECT c.nlu_intent AS name, count(*) AS conversations, max(c.id) AS newest
        FROM @extschema@.conversation_logs c
        WHERE c.review_priority IS NOT NULL AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
        GROUP BY c.nlu_intent, CASE WHEN (SELECT f.is_any FROM fleet f) THEN c.id >> 43 END
    ), ruled AS (
        SELECT p.intent AS name, count(*) AS policies FROM @extschema@.review_policies p
        WHERE @extschema@.tw_sees_module(p.module_type, p.intent) GROUP BY p.intent
    ), named AS (
        SELECT @extschema@.tw_resolve_intent(n.name) AS intent, sum(n.live)::bigint AS live,
               sum(n.human)::bigint AS human, sum(n.model)::bigint AS model, sum(n.pending)::bigint AS pending,
               sum(n.rejected)::bigint AS rejected, sum(n.conversations)::bigint AS conversations,
               sum(n.policies)::bigint AS policies, array_agg(n.newest) AS newest
        FROM (SELECT s.name, s.live, s.human, s.model, s.pending, s.rejected, 0 AS conversations, 0 AS policies,
                     s.newest FROM sampled s
              UNION ALL SELECT w.name, 0, 0, 0, 0, 0, w.conversations, 0, w.newest FROM waiting w
              UNION ALL SELECT r.name, 0, 0, 0, 0, 0, 0, r.policies, NULL FROM ruled r
              UNION ALL SELECT a.intent, 0, 0, 0, 0, 0, 0, 0, NULL FROM @extschema@.intent_aliases a
              WHERE @extschema@.tw_sees_module(NULL::text, a.intent)) n
        WHERE NOT @extschema@.tw_is_blank(n.name)
        GROUP BY 1
    ), tested AS (
        SELECT t.intent, count(*) AS texts FROM @extschema@.model_test_set('router'::text) t GROUP BY t.intent
    ), scored AS (
        SELECT i.intent, i.recall
        FROM @extschema@.model_versions m
        CROSS JOIN LATERAL @extschema@.model_intent_scores(m.version, (
            SELECT e.evaluation_id FROM @extschema@.model_evaluations e WHERE e.version = m.version
            ORDER BY e.id DESC LIMIT 1)) i
        WHERE m.model_type = 'router' AND m.status = 'production'
    )
    SELECT n.intent, n.live, n.human, n.model, n.pending, n.rejected, n.conversations, n.policies,
           coalesce(t.texts, 0), s.recall,
           (SELECT max(c.created_at) FROM @extschema@.conversation_logs c
            WHERE c.id = ANY (ARRAY(SELECT max(i.id) FROM unnest(n.newest) AS i (id)
                                    GROUP BY CASE WHEN (SELECT f.is_any FROM fleet f) THEN i.id >> 43 END))),
           ARRAY(SELECT a.alias FROM @extschema@.intent_aliases a WHERE a.intent = n.intent
                 ORDER BY a.alias COLLATE "C")
    FROM named n
    LEFT JOIN tested t ON t.intent = n.intent
    LEFT JOIN scored s ON s.intent = n.intent;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_intents() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_intents() IS 'The rows of the view intents';

CREATE VIEW @extschema@.intents AS
    SELECT i.intent, i.live_samples, i.human_samples, i.model_samples, i.pending_samples, i.rejected_samples,
           i.waiting_conversations, i.policies, i.test_texts, i.accuracy, i.last_seen, i.aliases
    FROM @extschema@.tw_intents() i
    ORDER BY i.live_samples DESC, i.intent COLLATE "C";
REVOKE ALL ON TABLE @extschema@.intents FROM PUBLIC;
COMMENT ON VIEW @extschema@.intents IS
    'Each intent that a sample, a waiting conversation, a policy or a former name has, the most frequent ones first';
COMMENT ON COLUMN @extschema@.intents.intent IS 'The intent, by its current name';
COMMENT ON COLUMN @extschema@.intents.live_samples IS 'Number of live samples, which models may learn';
COMMENT ON COLUMN @extschema@.intents.human_samples IS 'Number of live samples that a person labelled';
COMMENT ON COLUMN @extschema@.intents.model_samples IS 'Number of live samples with a model''s label';
COMMENT ON COLUMN @extschema@.intents.pending_samples IS 'Number of samples that wait for a person';
COMMENT ON COLUMN @extschema@.intents.rejected_samples IS 'Number of rejected samples';
COMMENT ON COLUMN @extschema@.intents.waiting_conversations IS
    'Number of conversations in the review queue with this answer of the model';
COMMENT ON COLUMN @extschema@.intents.policies IS 'Number of review_policies for it';
COMMENT ON COLUMN @extschema@.intents.test_texts IS 'Number of its texts in the test set of the router';
COMMENT ON COLUMN @extschema@.intents.accuracy IS
    'Fraction of its test texts, weighted, that the live router got right in its last evaluation, 0 to 1; NULL = '
    'nothing is live, it was not evaluated, or none of the texts was of this intent';
COMMENT ON COLUMN @extschema@.intents.last_seen IS
    'created_at of the conversation with the highest number that has a sample with this intent, unless it was '
    'rejected, or waits for review with it; in a fleet the last one of those with the highest number of each node; '
    'NULL = none';
COMMENT ON COLUMN @extschema@.intents.aliases IS 'Its former names; {} = none';
