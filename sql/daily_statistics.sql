-- Days that are over have their figures stored; whatever happens to them afterwards, the view says what a plain count says.
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
           count(*) FILTER (WHERE EXISTS (SELECT FROM training_samples s WHERE s.conversation_log_id = c.id)) AS promoted,
           avg(is_fallback_provider(c.nlu_provider, c.nlu_intent, c.nlu_module_type)::integer)
               FILTER (WHERE c.nlu_provider IS NOT NULL)::double precision AS fallback_rate,
           avg(c.nlu_processing_time_ms)::double precision AS avg_latency_ms,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY c.nlu_processing_time_ms) AS p50_latency_ms,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY c.nlu_processing_time_ms) AS p95_latency_ms,
           count(*) FILTER (WHERE lower(c.user_feedback) = 'positive') AS positive_feedback,
           count(*) FILTER (WHERE lower(c.user_feedback) = 'negative') AS negative_feedback,
           count(*) FILTER (WHERE c.user_feedback IS NOT NULL OR c.user_correction IS NOT NULL) AS feedback
    FROM conversation_logs c GROUP BY c.created_on;
-- Which days differ: none may, ever.
CREATE VIEW wrong AS
    SELECT 'view' AS who, v.* FROM (TABLE daily_training_stats EXCEPT TABLE plain) v
    UNION ALL
    SELECT 'plain', p.* FROM (TABLE plain EXCEPT TABLE daily_training_stats) p;
-- Stored, with figures that hold, and counted on the spot.
CREATE FUNCTION days(OUT stored bigint, OUT holding bigint, OUT all_days bigint, OUT wrong bigint) LANGUAGE sql AS $$
    SELECT (SELECT count(*) FROM daily_statistics), (SELECT count(*) FROM tw_closed_days), (SELECT count(*) FROM daily_training_stats),
           (SELECT count(*) FROM wrong) $$;
CREATE PROCEDURE close_all(at timestamptz) LANGUAGE plpgsql AS $$
    BEGIN
        WHILE tw_close_days(at, 3) > 0 LOOP
            COMMIT;
        END LOOP;
    END $$;
CREATE FUNCTION capture(n integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO conversation_logs (session_id, user_message, message_type, nlu_intent, nlu_confidence, nlu_provider, nlu_module_type,
        nlu_processing_time_ms, user_feedback, created_at)
    SELECT 's' || g, 'message ' || g, CASE WHEN random() < 0.1 THEN 'image' ELSE 'text' END, 'intent.food.item.search', random() ^ 0.3,
           CASE WHEN random() < 0.1 THEN NULL WHEN random() < 0.2 THEN 'llm' ELSE 'indicbert' END, 'food',
           CASE WHEN random() < 0.9 THEN (random() * 100)::int END, CASE WHEN random() < 0.1 THEN 'Positive' END,
           timestamptz '2026-05-01 00:00+00' + g * 17 % 288 * interval '1 hour'
    FROM generate_series(1, n) g $$;

SELECT capture(400);
SELECT * FROM days();
-- The first steps announce the days, and note who may not have noticed. Then three days at a time, newest first.
SELECT tw_close_days('2026-05-10 02:00+00', 3);
SELECT tw_close_days('2026-05-10 02:00+00', 3);
SELECT tw_close_days('2026-05-10 02:00+00', 3);
SELECT date FROM daily_statistics ORDER BY date;
SELECT tw_close_days('2026-05-10 02:00+00');
SELECT tw_close_days('2026-05-10 02:00+00');
SELECT * FROM days();
-- Closing once more changes nothing; nor does closing as of an earlier day.
SELECT md5(string_agg(s::text, ',' ORDER BY s.date)) AS before FROM daily_statistics s \gset
SELECT tw_close_days('2026-05-10 02:00+00'), tw_close_days('2026-05-03 02:00+00');
SELECT md5(string_agg(s::text, ',' ORDER BY s.date)) = :'before' AS unchanged FROM daily_statistics s;
-- It closes days in the time zone of the settings.
SELECT set_training_setting('time_zone', 'Asia/Kolkata');
CALL close_all('2026-05-11 20:00+00');
SELECT closed_to FROM daily_statistics_closings;
SELECT set_training_setting('time_zone', NULL);
SELECT * FROM days();

-- Nothing is written down about days that are still to come.
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, created_at)
VALUES ('new', 'hi', 'intent.general.greeting', 0.99, 'indicbert', '2026-05-12 23:00+00'), ('new', 'hm', 'intent.general.greeting', 0.3, 'indicbert', '2026-05-12 23:00+00');
SELECT approve_conversation(max(id)) FROM conversation_logs WHERE session_id = 'new';
SELECT created_on, recount, approved, conversation_log_id IS NOT NULL AS of_a_sample, promoted FROM daily_statistics_changes;
SELECT * FROM days();
CALL close_all('2026-05-12 02:00+00');

-- Each kind of change shows at once, and only some need a new count.
CREATE FUNCTION one(condition text) RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        found bigint;
    BEGIN
        EXECUTE 'SELECT min(id) FROM conversation_logs WHERE created_on < ''2026-05-11'' AND ' || condition INTO found;
        RETURN found;
    END $$;
CREATE FUNCTION watch(happened text, change text) RETURNS TABLE (what text, changes bigint, recounts bigint, wrong bigint) LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE change;
        RETURN QUERY SELECT happened, (SELECT count(*) FROM daily_statistics_changes c WHERE NOT c.recount),
            (SELECT count(*) FROM daily_statistics_changes c WHERE c.recount), (SELECT count(*) FROM wrong);
    END $$;
\pset footer off
SELECT * FROM watch('approve', $$SELECT approve_conversation(one('review_status = ''needs-review'''))$$);
SELECT * FROM watch('fix', $$SELECT fix_conversation(one('review_status = ''needs-review'''), 'intent.food.other')$$);
SELECT * FROM watch('reject', $$SELECT reject_conversation(one('review_status = ''needs-review'''), 'unclear')$$);
SELECT * FROM watch('another verdict', $$SELECT reject_conversation(one('review_status = ''approved'''), 'unclear')$$);
SELECT * FROM watch('the same again', $$SELECT approve_conversation(one('review_status = ''approved'''))$$);
SELECT * FROM watch('withdraw', $$SELECT withdraw_verdict(one('review_status = ''approved'''))$$);
SELECT * FROM watch('feedback', $$SELECT record_feedback(id, session_id, 'negative', 'no') FROM conversation_logs WHERE id = one('review_status = ''auto-approved''')$$);
SELECT * FROM watch('feedback on what waits', $$SELECT record_feedback(id, session_id, 'negative') FROM conversation_logs WHERE id = one('review_status = ''needs-review'' AND review_priority = 2')$$);
SELECT * FROM watch('response: nothing to count', $$SELECT record_response(id, session_id, 'here you are') FROM conversation_logs WHERE id = one('true')$$);
SELECT * FROM watch('sample deleted', $$DELETE FROM training_samples WHERE conversation_log_id = one('review_status = ''auto-approved''')$$);
SELECT * FROM watch('swept', $$SELECT promote_missed_conversations('0')$$);
SELECT * FROM watch('sample of an unknown conversation', $$INSERT INTO training_samples (conversation_log_id, text, intent) VALUES (1000000, 'x', 'y')$$);
SELECT * FROM watch('sample moved', $$UPDATE training_samples SET conversation_log_id = one('review_status = ''not-applicable''') WHERE conversation_log_id = 1000000$$);
SELECT * FROM watch('sample moved to none', $$UPDATE training_samples SET conversation_log_id = NULL WHERE conversation_log_id = one('review_status = ''not-applicable''')$$);
SELECT * FROM watch('model corrected: counted anew', $$UPDATE conversation_logs SET nlu_processing_time_ms = 5000 WHERE id = one('true')$$);
SELECT * FROM days();
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();
SELECT count(*) AS changes FROM daily_statistics_changes;
SELECT * FROM watch('come late', $$SELECT capture(20)$$);
SELECT * FROM watch('imported with a verdict', $$INSERT INTO conversation_logs (session_id, user_message, review_status, created_at) VALUES ('i', 'x', 'needs-review', '2026-05-02 12:00+00')$$);
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM watch('its verdict is its outcome', $$UPDATE conversation_logs SET review_status = 'approved', review_priority = NULL WHERE session_id = 'i'$$);
SELECT * FROM watch('conversation deleted', $$DELETE FROM conversation_logs WHERE id = one('review_status = ''auto-approved''')$$);
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();
SELECT * FROM watch('a whole day deleted', $$DELETE FROM conversation_logs WHERE created_on = '2026-05-04'$$);
SELECT * FROM days();
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();

-- Rolled back, nothing has happened.
BEGIN;
SAVEPOINT a;
SELECT * FROM watch('late, in a savepoint', $$INSERT INTO conversation_logs (session_id, user_message, created_at) VALUES ('r', 'x', '2026-05-02 12:00+00')$$);
ROLLBACK TO a;
SELECT * FROM watch('late again', $$INSERT INTO conversation_logs (session_id, user_message, created_at) VALUES ('r', 'x', '2026-05-02 12:00+00')$$);
SELECT * FROM watch('once a statement and day is enough', $$INSERT INTO conversation_logs (session_id, user_message, created_at) SELECT 'r', 'x', '2026-05-02 12:00+00' FROM generate_series(1, 1000)$$);
ROLLBACK;
SELECT * FROM days();

-- Closed in the middle of a transaction that goes on.
BEGIN;
SELECT * FROM watch('late', $$INSERT INTO conversation_logs (session_id, user_message, created_at) VALUES ('r', 'x', '2026-05-02 12:00+00')$$);
SELECT tw_close_days('2026-05-12 02:00+00');
SELECT * FROM watch('late again', $$INSERT INTO conversation_logs (session_id, user_message, created_at) VALUES ('r', 'x', '2026-05-02 12:00+00')$$);
ROLLBACK;
SELECT * FROM days();

-- As replication brings it.
SET session_replication_role = replica;
SELECT * FROM watch('applied', $$INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, created_at) VALUES ('a', 'x', 'intent.food.item.search', 0.99, 'indicbert', '2026-05-02 12:00+00')$$);
SELECT tw_close_days('2026-05-12 02:00+00');
RESET session_replication_role;
CALL close_all('2026-05-12 02:00+00');
SET session_replication_role = replica;
SELECT * FROM watch('applied update', $$UPDATE conversation_logs SET user_feedback = 'positive' WHERE session_id = 'a'$$);
RESET session_replication_role;
SELECT * FROM watch('filtered late', $$SELECT promote_missed_conversations('0')$$);
CALL close_all('2026-05-12 02:00+00');

-- Naming another fallback changes past days: they are counted on the spot until they are stored anew; back again, the old figures hold.
INSERT INTO review_policies (fallback_providers) VALUES ('{indicbert}');
SELECT * FROM days();
DELETE FROM review_policies;
SELECT * FROM days();
INSERT INTO review_policies (fallback_providers, module_type) VALUES ('{indicbert}', 'food');
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();
UPDATE review_policies SET approve_above = 0.99, note = 'no matter';
SELECT * FROM days();

DELETE FROM review_policies;
CALL close_all('2026-05-12 02:00+00');

-- A conversation that a promotion brings, in a trigger of somebody's, is no excuse for a verdict in another.
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
    BEGIN
        PERFORM approve_conversation(one('review_status = ''needs-review'' AND NOT EXISTS (SELECT FROM training_samples s WHERE s.conversation_log_id = conversation_logs.id)'));
        RETURN NULL;
    END $$;
CREATE TRIGGER meddle AFTER INSERT ON training_samples FOR EACH ROW WHEN (NEW.text = 'meddle') EXECUTE FUNCTION meddle();
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, nlu_module_type)
VALUES ('m', 'meddle', 'intent.food.item.search', 0.999, 'indicbert', 'food');
SELECT count(*) FILTER (WHERE promoted = 1) AS samples, sum(approved) AS approved FROM daily_statistics_changes;
SELECT * FROM days();
DROP TRIGGER meddle ON training_samples;

-- Anything, in any order.
DO $$
DECLARE
    picked bigint;
    done integer := 0;
BEGIN
    FOR i IN 1..400 LOOP
        picked := (SELECT c.id FROM conversation_logs c WHERE c.review_status <> 'not-applicable' ORDER BY random() LIMIT 1);
        BEGIN
            CASE (random() * 9)::int
                WHEN 0 THEN PERFORM capture(3);
                WHEN 1 THEN PERFORM approve_conversation(picked);
                WHEN 2 THEN PERFORM fix_conversation(picked, 'intent.food.x');
                WHEN 3 THEN PERFORM reject_conversation(picked, 'unclear');
                WHEN 4 THEN PERFORM record_feedback(picked, c.session_id, (ARRAY['positive', 'negative'])[1 + i % 2]) FROM conversation_logs c WHERE c.id = picked;
                WHEN 5 THEN DELETE FROM training_samples s WHERE s.conversation_log_id = picked;
                WHEN 6 THEN DELETE FROM conversation_logs c WHERE c.id = picked AND random() < 0.3;
                WHEN 7 THEN PERFORM promote_missed_conversations('0');
                WHEN 8 THEN UPDATE conversation_logs c SET nlu_provider = 'llm' WHERE c.id = picked AND random() < 0.2;
                ELSE PERFORM withdraw_verdict(picked);
            END CASE;
            IF random() < 0.1 THEN
                RAISE EXCEPTION 'no';
            END IF;
            done := done + 1;
        EXCEPTION WHEN raise_exception OR object_not_in_prerequisite_state THEN
            NULL;
        END;
        IF i % 40 = 0 THEN -- before the changes are taken in
            IF EXISTS (SELECT FROM wrong) THEN
                RAISE WARNING 'wrong after % changes', i;
            END IF;
            PERFORM tw_close_days('2026-05-12 02:00+00', 2);
        END IF;
    END LOOP;
    IF done < 200 THEN
        RAISE WARNING 'only % changes', done;
    END IF;
END $$;
SELECT count(*) AS wrong FROM wrong;
CALL close_all('2026-05-12 02:00+00');
SELECT stored = holding AS all_hold, wrong FROM days();
SELECT count(*) AS changes FROM daily_statistics_changes;

-- The comparison is one that can fail.
BEGIN;
UPDATE daily_statistics SET promoted = promoted + 1 WHERE date = '2026-05-03';
SELECT who, date FROM wrong ORDER BY who;
ROLLBACK;

-- TRUNCATE, of samples and of everything.
TRUNCATE training_samples;
SELECT holding, wrong FROM days();
CALL close_all('2026-05-12 02:00+00');
SELECT stored = holding AS all_hold, wrong FROM days();
TRUNCATE conversation_logs;
SELECT stored > 0 AS stored, holding, all_days, wrong FROM days();
CALL close_all('2026-05-12 02:00+00');
SELECT * FROM days();
-- Days without end.
INSERT INTO conversation_logs (session_id, user_message, created_at) VALUES ('e', 'x', '-infinity'), ('e', 'x', 'infinity');
CALL close_all('2026-05-12 02:00+00');
SELECT date, conversations FROM daily_training_stats;
SELECT date FROM daily_statistics;

SELECT tw_close_days(most => 0);
SELECT tw_close_days('infinity');
-- In the transaction that announced them nothing can be stored.
BEGIN;
SELECT tw_close_days('2026-06-01 02:00+00'), tw_close_days('2026-06-01 02:00+00') AS again;
ROLLBACK;
-- Nor under a snapshot that may be older than what is stored; the daily job takes care of that, whatever the default is.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT tw_close_days('2026-06-01 02:00+00');
ROLLBACK;
SET default_transaction_isolation = 'serializable';
CALL daily_training_capture(at => '2026-06-01 02:00+00');
RESET default_transaction_isolation;
SELECT status, error_code, details -> 'parts' ->> 'statistics' AS statistics FROM job_runs WHERE job_name = 'daily_training_capture';
DROP VIEW wrong, plain CASCADE;
DROP FUNCTION days, capture, one, watch, meddle;
DROP PROCEDURE close_all;
DELETE FROM conversation_logs;
