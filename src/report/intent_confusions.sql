-- intent_confusions: which intents the model takes for which, by the labels of people.

CREATE FUNCTION @extschema@.tw_intent_confusions(
    from_date date, to_date date,
    OUT intent text, OUT correct_intent text, OUT verdicts bigint, OUT share double precision,
    OUT share_of_intent double precision, OUT conversation_log_ids bigint[], OUT examples text[], OUT reason text)
    RETURNS SETOF record
    LANGUAGE sql STABLE ROWS 100 SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
BEGIN ATOMIC
    WITH counted AS MATERIALIZED (
        SELECT c.* FROM @extschema@.tw_answer_counts(tw_intent_confusions.from_date, tw_intent_confusions.to_date) c
    ), strata AS (
        SELECT jsonb_agg(jsonb_build_object('filter_outcome', s.filter_outcome, 'filter_policy_id', s.filter_policy_id,
                                            'conversations', s.n)) AS sizes
        FROM (SELECT c.filter_outcome, c.filter_policy_id, sum(c.conversations) AS n FROM counted c
              WHERE c.can_be_drawn GROUP BY c.filter_outcome, c.filter_policy_id) s
    ), label AS MATERIALIZED (
        SELECT l.* FROM strata s,
            @extschema@.tw_labels(tw_intent_confusions.from_date, tw_intent_confusions.to_date, s.sizes) l
    ), gap AS (
        SELECT @extschema@.tw_label_gaps(tw_intent_confusions.from_date, tw_intent_confusions.to_date,
                   sum(c.conversations), sum(c.conversations) FILTER (WHERE NOT c.can_be_drawn),
                   (SELECT sum(l.weight) FROM label l WHERE NOT l.is_thin)) AS reason
        FROM counted c
    ), pair AS (
        SELECT l.intent, l.correct_intent, count(*) AS verdicts, sum(l.weight) AS w,
               (array_agg(l.conversation_log_id ORDER BY l.conversation_log_id DESC))[1:3] AS ids
        FROM label l WHERE NOT l.is_right GROUP BY l.intent, l.correct_intent
    )
    SELECT p.intent, p.correct_intent, p.verdicts, p.w / (SELECT sum(l.weight) FROM label l),
           p.w / (SELECT sum(l.weight) FROM label l WHERE l.intent IS NOT DISTINCT FROM p.intent), p.ids,
           -- Not the setting redact: what analysts read is always redacted. More than is shown is redacted, so that no
           -- number is cut where it would not be recognised.
           ARRAY(SELECT left(@extschema@.redact_pii(left(c.user_message, 10000)), 200)
                 FROM @extschema@.conversation_logs c WHERE c.id = ANY (p.ids) ORDER BY c.id DESC),
           nullif(concat_ws('; ', CASE WHEN p.verdicts < 5 THEN 'fewer than 5 verdicts: the shares are rough' END,
                            g.reason), '')
    FROM pair p, gap g
    ORDER BY 4 DESC, p.verdicts DESC, p.intent COLLATE "C", p.correct_intent COLLATE "C";
END;
REVOKE ALL ON FUNCTION @extschema@.tw_intent_confusions(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_intent_confusions(date, date) IS
    'The rows of the view intent_confusions, of another period (both days included)';

CREATE VIEW @extschema@.intent_confusions AS
    SELECT q.intent, q.correct_intent, q.verdicts, q.share, q.share_of_intent, q.conversation_log_ids, q.examples,
           q.reason
    FROM (SELECT (now() AT TIME ZONE @extschema@.training_setting('time_zone'))::date AS today) t
    CROSS JOIN LATERAL @extschema@.tw_intent_confusions(t.today - @extschema@.tw_accuracy_window() + 1, t.today) q;
REVOKE ALL ON TABLE @extschema@.intent_confusions FROM PUBLIC;
COMMENT ON VIEW @extschema@.intent_confusions IS
    'Each pair of an answer of the model and the intent that people said instead, in the last 30 days, estimated from '
    'the audit; the most frequent first';
COMMENT ON COLUMN @extschema@.intent_confusions.intent IS
    'The model''s answer, by its current name; NULL = it gave none';
COMMENT ON COLUMN @extschema@.intent_confusions.correct_intent IS
    'The intent that people said, by its current name; NULL = there is no such intent (rejected as no-such-intent)';
COMMENT ON COLUMN @extschema@.intent_confusions.verdicts IS 'Number of audited conversations with these two';
COMMENT ON COLUMN @extschema@.intent_confusions.share IS
    'Estimated fraction of all conversations that have these two, 0 to 1';
COMMENT ON COLUMN @extschema@.intent_confusions.share_of_intent IS
    'Estimated fraction of the conversations answered with intent that have these two, 0 to 1';
COMMENT ON COLUMN @extschema@.intent_confusions.conversation_log_ids IS 'The newest of these conversations, up to 3';
COMMENT ON COLUMN @extschema@.intent_confusions.examples IS
    'Their messages, redacted, at most 200 characters of each; an empty text where a person was forgotten';
COMMENT ON COLUMN @extschema@.intent_confusions.reason IS
    'Why the shares may be off by more than chance, or what no label can know; NULL = nothing known';
