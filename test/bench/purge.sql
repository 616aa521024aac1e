-- A chatbot in a steady state, for purge.sh: days are captured, judged and purged one after another, some time ago.

CREATE SCHEMA bench;
CREATE TABLE bench.days (
    day integer PRIMARY KEY, at timestamptz, captured bigint, deleted bigint, kept bigint, milliseconds numeric,
    longest_batch_ms numeric, dead bigint, vacuumed boolean DEFAULT false, rows bigint, log_mb numeric,
    log_index_mb numeric, sample_mb numeric, sample_index_mb numeric, event_mb numeric, chain_mb numeric);
-- One in a hundred is drawn for the audit.
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0.01, 0.01);

-- Three in a hundred are sent to people, ten in a hundred have nothing to learn from. One in fifty gets feedback.
CREATE PROCEDURE bench.capture_day(morning timestamptz, n bigint) LANGUAGE sql AS $$
    INSERT INTO conversation_logs (session_id, phone_number, user_id, user_message, message_type, message_language,
        nlu_intent, nlu_confidence, nlu_module_id, nlu_module_type, nlu_provider, nlu_model_version, nlu_entities,
        nlu_tone, nlu_processing_time_ms, routed_to, response_text, response_success, created_at)
    SELECT 's' || g / 4, '+9100' || g, 'u' || g / 40, 'Message ' || g || ': ' || md5(random()::text) || ' milega kya?',
           CASE WHEN g % 10 = 0 THEN 'image' ELSE 'text' END, 'hinglish', 'intent.food.action.number_' || g % 15,
           CASE WHEN g % 33 = 0 THEN 0.5 ELSE 0.95 END, 4, 'food', 'indicbert', 'router-v1.4.2',
           '{"city": "Pune", "area": "Kothrud", "dish": "veg pizza"}', 'neutral', 25, 'opensearch',
           'Kothrud mein 12 jagah veg pizza milta hai.', true, morning + interval '20 hours' * g / n
    FROM generate_series(1, n) g
$$;
CREATE PROCEDURE bench.judge() LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[];
BEGIN
    ids := ARRAY(SELECT c.id FROM conversation_logs c WHERE c.review_priority IS NOT NULL ORDER BY c.id);
    PERFORM approve_conversations(ids);
END $$;

CREATE VIEW bench.sizes AS
    SELECT round(pg_table_size('conversation_logs') / 1048576.0, 1) AS log_mb,
           round(pg_indexes_size('conversation_logs') / 1048576.0, 1) AS log_index_mb,
           round(pg_table_size('training_samples') / 1048576.0, 1) AS sample_mb,
           round(pg_indexes_size('training_samples') / 1048576.0, 1) AS sample_index_mb,
           round(pg_total_relation_size('review_events') / 1048576.0, 1) AS event_mb,
           round(pg_total_relation_size('audit_chain') / 1048576.0, 1) AS chain_mb;

CREATE PROCEDURE bench.note(number integer, at timestamptz, n bigint) LANGUAGE sql AS $$
    INSERT INTO bench.days
    SELECT number, at, n, coalesce((r.details ->> 'conversations deleted')::bigint, 0),
           (SELECT sum(e.value::bigint) FROM jsonb_each_text(r.details) e WHERE e.key LIKE 'kept: %'),
           round(1000 * extract(epoch FROM r.finished_at - r.started_at)),
           (r.details ->> 'longest batch ms')::numeric, pg_stat_get_dead_tuples('conversation_logs'::regclass), false,
           pg_stat_get_live_tuples('conversation_logs'::regclass), s.*
    FROM job_runs r, bench.sizes s
    WHERE r.job_name = 'purge_conversations' AND r.status = 'succeeded' ORDER BY r.id DESC LIMIT 1
$$;

CREATE TABLE bench.throughput (round integer, purging boolean, tps numeric, average_ms numeric, purged bigint,
                               PRIMARY KEY (round, purging));
