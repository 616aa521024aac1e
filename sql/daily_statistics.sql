-- Days that are over have their figures stored: what people say afterwards shows
-- at once, what came late or is gone with the next count.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;
SELECT setseed(0.42);

-- What the view has to say, counted in the plainest way.
CREATE VIEW plain AS
    SELECT c.created_on AS date, count(*) AS conversations,
           count(*) FILTER (WHERE coalesce(c.filter_outcome, c.review_status) = 'auto-approved') AS auto_approved,
           count(*) FILTER (WHERE coalesce(c.filter_outcome, c.review_status) = 'needs-review') AS needs_review,
           count(*) FILTER (WHERE c.review_status = 'needs-review' AND c.review_priority = 1) AS needs_review_high,
           count(*) FILTER (WHERE c.review_status = 'needs-review' AND c.review_priority = 2) AS needs_review_medium,
           count(*) FILTER (WHERE c.review_status = 'needs-review' AND c.review_priority = 3) AS needs_review_low,
           count(*) FILTER (WHERE coalesce(c.filter_outcome, c.review_status) = 'not-applicable') AS not_applicable,
           count(*) FILTER (WHERE c.is_audit) AS audited,
           count(*) FILTER (WHERE c.review_status = 'approved') AS approved,
           count(*) FILTER (WHERE c.review_status = 'rejected') AS rejected,
           count(*) FILTER (WHERE EXISTS (SELECT FROM training_samples s
                                          WHERE s.conversation_log_id = c.id)) AS promoted,
           avg(is_fallback_provider(c.nlu_provider, c.nlu_intent, c.nlu_module_type)::integer)
               FILTER (WHERE c.nlu_provider IS NOT NULL)::double precision AS fallback_rate,
           avg(c.nlu_processing_time_ms)::double precision AS avg_latency_ms,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY c.nlu_processing_time_ms) AS p50_latency_ms,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY c.nlu_processing_time_ms) AS p95_latency_ms,
           count(*) FILTER (WHERE lower(c.user_feedback) = 'positive') AS positive_feedback,
           count(*) FILTER (WHERE lower(c.user_feedback) = 'negative') AS negative_feedback,
           count(*) FILTER (WHERE c.user_feedback IS NOT NULL OR c.user_correction IS NOT NULL) AS feedback
    FROM conversation_logs c GROUP BY c.created_on;
-- Which days differ.
CREATE VIEW shown AS
    SELECT date, conversations, auto_approved, needs_review, needs_review_high, needs_review_medium, needs_review_low,
           not_applicable, audited, approved, rejected, promoted, fallback_rate, avg_latency_ms, p50_latency_ms,
           p95_latency_ms, positive_feedback, negative_feedback, feedback
    FROM daily_training_stats;
CREATE VIEW wrong AS
    SELECT 'view' AS who, v.* FROM (TABLE shown EXCEPT TABLE plain) v
    UNION ALL
    SELECT 'plain', p.* FROM (TABLE plain EXCEPT TABLE shown) p;
CREATE FUNCTION days(OUT stored bigint, OUT all_days bigint, OUT wrong bigint) LANGUAGE sql AS $$
    SELECT (SELECT count(*) FROM daily_statistics), (SELECT count(*) FROM daily_training_stats),
           (SELECT count(DISTINCT date) FROM wrong) $$;
CREATE PROCEDURE close_all(at timestamptz) LANGUAGE plpgsql AS $$
    DECLARE
        since CONSTANT timestamptz := clock_timestamp();
    BEGIN
        WHILE tw_close_days(at, 3, since) > 0 LOOP
            COMMIT;
        END LOOP;
    END $$;
CREATE FUNCTION capture(n integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO conversation_logs (session_id, user_message, message_type, nlu_intent, nlu_confidence, nlu_provider,
                                   nlu_module_type,
        nlu_processing_time_ms, user_feedback, created_at)
    SELECT 's' || g, 'message ' || g, CASE WHEN random() < 0.1 THEN 'image' ELSE 'text' END, 'intent.food.item.search',
           random() ^ 0.3,
           CASE WHEN random() < 0.1 THEN NULL WHEN random() < 0.2 THEN 'llm' ELSE 'indicbert' END, 'food',
           CASE WHEN random() < 0.9 THEN (random() * 100)::int END, CASE WHEN random() < 0.1 THEN 'Positive' END,
           timestamptz '2026-05-01 00:00+00' + g * 17 % 288 * interval '1 hour'
    FROM generate_series(1, n) g $$;
SELECT capture(400);
SELECT * FROM days();
-- Three days at a time, newest first; days that are not over are not stored.
SELECT tw_close_days('2026-05-10 02:00+00', 3, now());
SELECT date FROM daily_statistics ORDER BY date;
CALL close_all('2026-05-10 02:00+00');
SELECT * FROM days();
-- Closing once more, or as of an earlier day, changes nothing but the time that the figures are known to be of.
SELECT md5(string_agg((to_jsonb(s) - 'as_of')::text, ',' ORDER BY s.date)) AS before, max(s.as_of) AS as_of
FROM daily_statistics s \gset
CALL close_all('2026-05-10 02:00+00');
CALL close_all('2026-05-03 02:00+00');
SELECT md5(string_agg((to_jsonb(s) - 'as_of')::text, ',' ORDER BY s.date)) = :'before' AS unchanged,
       min(s.as_of) > :'as_of' AS later FROM daily_statistics s;
-- The view says how old a figure is.
SELECT count(*) AS days, count(*) FILTER (WHERE as_of = now()) AS counted_now,
       count(*) FILTER (WHERE as_of < now()) AS stored FROM daily_training_stats;
-- Days are closed in the time zone of the settings.
SELECT set_training_setting('time_zone', 'Asia/Kolkata');
CALL close_all('2026-05-11 20:00+00');
SELECT max(date) FROM daily_statistics;
SELECT set_training_setting('time_zone', NULL);
SELECT * FROM days();

CREATE FUNCTION one(condition text) RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        found bigint;
    BEGIN
        EXECUTE 'SELECT min(id) FROM conversation_logs WHERE created_on < ''2026-05-11'' AND ' || condition INTO found;
        RETURN found;
    END $$;
CREATE FUNCTION watch(happened text, change text) RETURNS TABLE (what text, wrong_days bigint) LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE change;
        RETURN QUERY SELECT happened, (SELECT count(DISTINCT date) FROM wrong);
    END $$;
\pset footer off

-- What people say shows at once.
SELECT * FROM watch('approve', $$SELECT approve_conversation(one('review_status = ''needs-review'''))$$);
SELECT * FROM watch('fix', $$SELECT fix_conversation(one('review_status = ''needs-review'''), 'intent.food.other')$$);
SELECT * FROM watch('reject', $$SELECT reject_conversation(one('review_status = ''needs-review'''), 'unclear')$$);
SELECT * FROM watch('another verdict', $$SELECT reject_conversation(one('review_status = ''approved'''), 'unclear')$$);
SELECT * FROM watch('the same again', $$SELECT approve_conversation(one('review_status = ''approved'''))$$);
SELECT * FROM watch('withdraw', $$SELECT withdraw_verdict(one('review_status = ''approved'''))$$);
SELECT * FROM watch('feedback', $$SELECT record_feedback(id, session_id, 'negative', 'no') FROM conversation_logs
    WHERE id = (SELECT one('review_status = ''auto-approved'' AND user_feedback IS NULL'))$$);
SELECT * FROM watch('feedback, otherwise', $$SELECT record_feedback(id, session_id, 'positive') FROM conversation_logs
    WHERE id = (SELECT one('user_feedback = ''negative'''))$$);
SELECT * FROM watch('feedback after that of the insert',
                    $$SELECT record_feedback(id, session_id, 'negative') FROM conversation_logs
    WHERE id = (SELECT one('user_feedback = ''Positive'''))$$);
SELECT *
FROM watch('feedback on what waits', $$SELECT record_feedback(id, session_id, 'negative') FROM conversation_logs
    WHERE id = (SELECT one('review_status = ''needs-review'' AND review_priority = 2'))$$);
SELECT * FROM watch('feedback taken away', $$UPDATE conversation_logs SET user_feedback = NULL, user_correction = NULL
    WHERE id = (SELECT one('user_feedback = ''negative'''))$$);
SELECT * FROM watch('feedback and a verdict',
                    $$SELECT record_feedback(id, session_id, 'negative', 'no'), approve_conversation(id)
    FROM conversation_logs WHERE id = (SELECT one('review_status = ''needs-review'' AND user_feedback IS NULL'))$$);
SELECT *
FROM watch('response: nothing to count', $$SELECT record_response(id, session_id, 'here you are') FROM conversation_logs
    WHERE id = (SELECT one('true'))$$);
SELECT * FROM days();
-- It is in the next count, and not counted twice.
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();
SELECT count(*) AS changes FROM tw_daily_changes();
SELECT * FROM watch('withdrawn after it was counted', $$SELECT withdraw_verdict(one('review_status = ''rejected'''))$$);
SELECT * FROM watch('fixed after it was counted',
                    $$SELECT fix_conversation(one('review_status = ''needs-review'''), 'intent.food.other')$$);
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();

-- What came late or is gone is in the next count.
SELECT * FROM watch('come late', $$SELECT capture(20)$$);
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();
SELECT * FROM watch('conversation deleted', $$DELETE FROM conversation_logs
                                              WHERE id = (SELECT one('review_status = ''auto-approved'''))$$);
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();
SELECT * FROM watch('a whole day deleted', $$DELETE FROM conversation_logs WHERE created_on = '2026-05-04'$$);
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();
SELECT * FROM watch('with a verdict of its own',
                    $$INSERT INTO conversation_logs (session_id, user_message, review_status, created_at)
    VALUES ('i', 'x', 'needs-review', '2026-05-02 12:00+00')$$);
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();

-- The sweep and imports have their days counted on the spot.
DELETE FROM training_samples WHERE conversation_log_id = (SELECT one('review_status = ''auto-approved'''));
SELECT recount_days('2026-05-01', '2026-05-31') > 0 AS forgotten;
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();
SELECT * FROM watch('swept', $$SELECT promote_missed_conversations('0')$$);
SELECT stored < all_days AS some_on_the_spot, wrong FROM days();
CREATE TABLE other_logs (id bigint PRIMARY KEY, session_id text, user_message text, created_at timestamptz);
INSERT INTO other_logs VALUES (1, 'o1', 'from before', '2026-05-03 12:00+00'),
                              (2, 'o2', 'from before, too', '2026-05-05 12:00+00');
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM watch('imported', $$SELECT import_conversations('other_logs')$$);
SELECT date FROM daily_training_stats v WHERE as_of = now() AND date < '2026-05-11' ORDER BY 1;
DROP TABLE other_logs;
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();

-- One gone, another come late: their number is the same. The last five weeks are counted every night.
SELECT * FROM watch('one for another', $$WITH gone AS (DELETE FROM conversation_logs
        WHERE id = (SELECT one('review_status = ''auto-approved''')) RETURNING created_at)
    INSERT INTO conversation_logs (session_id, user_message, created_at) SELECT 'l', ' ', created_at FROM gone$$);
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();
-- The clock was ahead when somebody said this, or when the days were counted: a run ends all the same.
BEGIN;
INSERT INTO review_events (conversation_log_id, action, from_status, to_status, reviewer, calling_role, created_at)
SELECT c.id, 'conflict', c.review_status, c.review_status, 'r', 'r', now() + interval '1 hour' FROM conversation_logs c;
UPDATE daily_statistics SET as_of = now() + interval '30 days', approved = approved + 1;
SELECT tw_close_days('2026-05-12 02:00+00', 30, now()) > 5 AS counted_again;
SELECT tw_close_days('2026-05-12 02:00+00', 30, now()) AS again;
SELECT * FROM days();
ROLLBACK;
-- Set back while the run goes on, it counts each day once all the same.
BEGIN;
SELECT tw_close_days('2026-05-12 02:00+00', 30, now() + interval '1 hour') > 5 AS counted_again;
SELECT tw_close_days('2026-05-12 02:00+00', 30, now() + interval '1 hour') AS again;
ROLLBACK;
-- A day that is not over is forgotten: the time zone was another when it was counted.
BEGIN;
UPDATE daily_statistics SET date = now()::date + 3 WHERE date = '2026-05-03';
SELECT tw_close_days('2026-05-12 02:00+00', 30, now()) AS counted;
SELECT count(*) FILTER (WHERE date > now()::date) AS to_come,
       count(*) FILTER (WHERE date = '2026-05-03') AS of_the_third
FROM daily_statistics;
ROLLBACK;

-- By hand, on a day older than five weeks of which nobody says anything, and then recount_days().
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, created_at)
VALUES ('h', 'hi', 'intent.food.item.search', 0.99, 'indicbert', '2026-03-01 12:00+00');
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();
SELECT * FROM watch('model corrected', $$UPDATE conversation_logs SET nlu_processing_time_ms = 5000
    WHERE session_id = 'h'$$);
SELECT * FROM watch('sample deleted', $$DELETE FROM training_samples
    WHERE conversation_log_id = (SELECT id FROM conversation_logs WHERE session_id = 'h')$$);
CALL close_all('2026-05-12 02:00+00');
SELECT wrong AS still_wrong FROM days();
SELECT recount_days('2026-06-01') AS none, recount_days(NULL, '2026-03-01') AS one;
SELECT * FROM days();
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();
SELECT recount_days() > 5 AS all_of_them;
CALL close_all('2026-05-12 02:00+00');
DELETE FROM conversation_logs WHERE session_id = 'h';
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();

-- Rolled back, nothing has happened.
BEGIN;
SELECT * FROM watch('in a transaction', $$SELECT approve_conversation(one('review_status = ''needs-review'''))$$);
ROLLBACK;
SELECT * FROM days();

-- As replication brings it.
SET session_replication_role = replica;
SELECT * FROM watch(
    'applied',
    $$INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, created_at)
    VALUES ('a', 'x', 'intent.food.item.search', 0.99, 'indicbert', '2026-05-02 12:00+00')$$);
-- The publisher's figures do not come beside our own.
DELETE FROM daily_statistics WHERE date = '2026-05-03';
UPDATE daily_statistics SET conversations = 0;
RESET session_replication_role;
SELECT count(*) FILTER (WHERE date = '2026-05-03') AS there, min(conversations) > 0 AS unchanged FROM daily_statistics;
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();
SELECT * FROM watch('filtered late', $$SELECT promote_missed_conversations('0')$$);
CALL close_all('2026-05-12 02:00+00');

-- Naming another fallback changes past days with the next count.
INSERT INTO review_policies (fallback_providers) VALUES ('{indicbert}');
SELECT wrong > 5 AS by_the_old_rules FROM days();
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();
UPDATE review_policies SET approve_above = 0.99, note = 'no matter';
DELETE FROM review_policies;
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();

-- Verdicts, feedback, sweeps, in any order: never wrong before the count nor after it.
DO $$
DECLARE
    picked bigint;
    done integer := 0;
BEGIN
    FOR i IN 1..400 LOOP
        picked := (SELECT c.id FROM conversation_logs c WHERE c.review_status <> 'not-applicable'
                   ORDER BY random() LIMIT 1);
        BEGIN
            CASE (random() * 6)::int
                WHEN 0 THEN PERFORM withdraw_verdict(picked);
                WHEN 1 THEN PERFORM approve_conversation(picked);
                WHEN 2 THEN PERFORM fix_conversation(picked, 'intent.food.x');
                WHEN 3 THEN PERFORM reject_conversation(picked, 'unclear');
                WHEN 4 THEN PERFORM promote_missed_conversations('0');
                WHEN 5 THEN UPDATE conversation_logs c SET user_feedback = NULL WHERE c.id = picked;
                ELSE PERFORM record_feedback(picked, c.session_id, (ARRAY['positive', 'negative'])[1 + i % 2])
            FROM conversation_logs c WHERE c.id = picked;
            END CASE;
            IF random() < 0.1 THEN
                RAISE EXCEPTION 'no';
            END IF;
            done := done + 1;
        EXCEPTION WHEN raise_exception OR object_not_in_prerequisite_state THEN
            NULL;
        END;
        IF i % 40 = 0 AND EXISTS (SELECT FROM wrong) THEN
            RAISE WARNING 'wrong after % changes', i;
        END IF;
    END LOOP;
    IF done < 200 THEN
        RAISE WARNING 'only % changes', done;
    END IF;
END $$;
SELECT count(*) AS wrong FROM wrong;
CALL close_all('2026-05-12 02:00+00');
SELECT count(*) AS wrong FROM wrong;

-- The comparison is one that can fail.
BEGIN;
UPDATE daily_statistics SET promoted = promoted + 1 WHERE date = '2026-05-03';
SELECT who, date FROM wrong ORDER BY who;
ROLLBACK;

-- The first count of a night takes in what was said in the week before
-- the last one, by a transaction that was open then.
BEGIN;
UPDATE daily_statistics SET approved = approved + 1, as_of = now() - interval '13 hours';
INSERT INTO review_events (conversation_log_id, action, intent, from_status, to_status, reviewer,
                           calling_role, created_at)
SELECT c.id, 'approve', 'x', c.review_status, c.review_status, 'r', 'r', now() - interval '14 hours'
FROM conversation_logs c WHERE c.created_on = '2026-05-06' LIMIT 1;
SELECT tw_close_days('2026-05-12 02:00+00', 30, now()) > 0 AS counted;
SELECT count(*) AS wrong FROM wrong WHERE date = '2026-05-06';
ROLLBACK;

-- TRUNCATE.
TRUNCATE conversation_logs;
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();
-- Days without end, and no day at all.
INSERT INTO conversation_logs (session_id, user_message, created_at)
VALUES ('e', 'x', '-infinity'), ('e', 'x', 'infinity');
ALTER TABLE conversation_logs DISABLE TRIGGER USER;
INSERT INTO conversation_logs (session_id, user_message) VALUES ('e', 'x');
ALTER TABLE conversation_logs ENABLE TRIGGER USER;
ALTER TABLE conversation_logs ENABLE ALWAYS TRIGGER conversation_logs_filter;
CALL close_all('2026-05-12 02:00+00');
SELECT date, conversations FROM daily_training_stats;
SELECT date FROM daily_statistics;

SELECT tw_close_days(NULL, 0, now());
SELECT tw_close_days('infinity', 30, now());
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT tw_close_days('2026-06-01 02:00+00', 30, now());
ROLLBACK;
-- The daily job does it, whatever the default isolation level is.
INSERT INTO conversation_logs (session_id, user_message, created_at) VALUES ('d', 'x', '2026-05-30 12:00+00');
SET default_transaction_isolation = 'serializable';
CALL daily_training_capture(at => '2026-06-01 02:00+00');
RESET default_transaction_isolation;
SELECT status, error_code, details -> 'parts' ->> 'statistics' AS statistics FROM job_runs
WHERE job_name = 'daily_training_capture';
SELECT date, conversations FROM daily_statistics;
DROP VIEW wrong, shown, plain CASCADE;
DROP FUNCTION days, capture, one, watch;
DROP PROCEDURE close_all;
DELETE FROM conversation_logs;
