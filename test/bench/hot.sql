-- Two years of conversations in the sizes that hot.sh measures, for a database that is thrown away.
--
-- The rows are as the filter, the audit and reviewers would have left them. 12 % are auto-approved and have their
-- sample, 3 % were reviewed, 2 % audited (among both), and `waiting` wait for a person, three in five of them among the
-- newest. The others, 85 %, are voice messages: models do not learn from them. A chatbot has more samples than that;
-- what is measured here is the table of conversations.

CREATE SCHEMA bench;
CREATE TABLE bench.times (n integer GENERATED ALWAYS AS IDENTITY, what text, value double precision, unit text);

CREATE PROCEDURE bench.switch_triggers(fire boolean)
    LANGUAGE plpgsql
AS $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT tgrelid::regclass AS relation, tgname, tgname = 'conversation_logs_filter' AS always FROM pg_trigger
             WHERE tgrelid IN ('conversation_logs'::regclass, 'training_samples'::regclass) LOOP
        EXECUTE format('ALTER TABLE %s %s TRIGGER %I', t.relation,
                       CASE WHEN NOT fire THEN 'DISABLE' WHEN t.always THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END,
                       t.tgname);
    END LOOP;
END
$$;

-- Marks the indexes as not ready, so that INSERT leaves them out; REINDEX builds them and marks them as ready.
CREATE PROCEDURE bench.leave_out_indexes()
    LANGUAGE sql
AS $$
    UPDATE pg_index SET indisready = false, indisvalid = false
    WHERE indrelid IN ('conversation_logs'::regclass, 'training_samples'::regclass, 'review_events'::regclass)
$$;

-- The numbers of a part of the conversations, and what became of each. Of each 10,000 the same number fares alike.
CREATE FUNCTION bench.fates(first bigint, last bigint, size bigint, waiting bigint, ends timestamptz,
                            OUT id bigint, OUT r integer, OUT created_at timestamptz, OUT outcome text, OUT status text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT g, f.r, ends - interval '730 days' * (1 - g::double precision / size),
           CASE WHEN f.r < 1200 THEN 'auto-approved' WHEN f.r < 1500 OR f.waits THEN 'needs-review'
                ELSE 'not-applicable' END,
           CASE WHEN f.r < 150 THEN 'approved' WHEN f.r < 1200 THEN 'auto-approved' WHEN f.r < 1425 THEN 'approved'
                WHEN f.r < 1500 THEN 'rejected' WHEN f.waits THEN 'needs-review' ELSE 'not-applicable' END
    FROM generate_series(first, last) AS g
    CROSS JOIN LATERAL (SELECT (g * 7919 % 10000)::integer AS r,
                               g % greatest(size * 10 / (waiting * 4), 1) = 0
                               OR g > size - waiting * 12 / 10 AND g % 2 = 0 AS waits) f;
END;

CREATE PROCEDURE bench.fill(first bigint, last bigint, size bigint, waiting bigint, ends timestamptz)
    LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO conversation_logs (id, session_id, phone_number, user_message, message_type, message_language,
        nlu_intent, nlu_confidence, nlu_module_type, nlu_provider, nlu_model_version, nlu_processing_time_ms,
        routed_to, response_success, is_training_candidate, review_status, review_priority, review_reason,
        filter_outcome, is_audit, selection_probability, filtered_at, created_at, created_on)
    SELECT f.id, 's' || f.id / 4, '+9198' || lpad((f.id / 4 % 7000000)::text, 8, '0'),
           'Order ' || f.id || ' kahan hai, kab tak milega?',
           CASE f.outcome WHEN 'not-applicable' THEN 'audio' ELSE 'text' END, 'hinglish',
           (ARRAY['intent.food.order.track', 'intent.parcel.booking.create', 'intent.ride.driver.track',
                  'intent.shop.order.refund'])[1 + f.id % 4],
           CASE f.outcome WHEN 'needs-review' THEN 0.3 + (f.id % 541) / 1000.0 ELSE 0.86 + (f.id % 139) / 1000.0 END,
           (ARRAY['food', 'parcel', 'ride', 'shop'])[1 + f.id % 4], 'indicbert', 'router-v1.0.0', 8 + f.id % 40,
           'opensearch', true, f.status NOT IN ('rejected', 'not-applicable'), f.status,
           CASE f.status WHEN 'needs-review' THEN 1 + f.id % 2 END,
           CASE f.status WHEN 'needs-review' THEN 'low confidence' END,
           f.outcome, f.r < 150 OR f.r BETWEEN 1200 AND 1249,
           CASE f.outcome WHEN 'auto-approved' THEN 0.125 WHEN 'needs-review' THEN 0.1667 END,
           f.created_at, f.created_at, (f.created_at AT TIME ZONE 'UTC')::date
    FROM bench.fates(first, last, size, waiting, ends) f;

    INSERT INTO training_samples (conversation_log_id, text, text_hash, normalizer, intent, module_type, language,
        expected_service, review_status, label_source, reviewed_by, reviewed_at, source, split,
        selection_probability, quality_score, model_version_target, created_at)
    SELECT f.id, 'Order ' || f.id || ' kahan hai, kab tak milega?', hashint8extended(f.id, 1), 1,
           (ARRAY['intent.food.order.track', 'intent.parcel.booking.create', 'intent.ride.driver.track',
                  'intent.shop.order.refund'])[1 + f.id % 4],
           (ARRAY['food', 'parcel', 'ride', 'shop'])[1 + f.id % 4], 'hinglish', 'opensearch', 'approved',
           CASE f.status WHEN 'approved' THEN 'human' ELSE 'model' END,
           CASE f.status WHEN 'approved' THEN 'reviewer' END,
           CASE f.status WHEN 'approved' THEN f.created_at END, 'production', s.split,
           CASE f.outcome WHEN 'auto-approved' THEN 0.125 ELSE 0.1667 END, 1,
           CASE s.split WHEN 'train' THEN 'router-v1.0.0' END, f.created_at
    FROM bench.fates(first, last, size, waiting, ends) f
    CROSS JOIN LATERAL (SELECT CASE WHEN f.created_at > ends - interval '5 days' THEN NULL
                                    WHEN f.r < 150 AND f.r % 2 = 0 THEN 'test' ELSE 'train' END AS split) s
    WHERE f.status IN ('auto-approved', 'approved');

    INSERT INTO review_events (conversation_log_id, action, reject_reason, intent, from_status, to_status,
        review_priority, review_reason, reviewer, calling_role, created_at)
    SELECT f.id, CASE f.status WHEN 'approved' THEN 'approve' ELSE 'reject' END,
           CASE f.status WHEN 'rejected' THEN 'unclear' END,
           CASE f.status WHEN 'approved' THEN (ARRAY['intent.food.order.track', 'intent.parcel.booking.create',
               'intent.ride.driver.track', 'intent.shop.order.refund'])[1 + f.id % 4] END,
           f.outcome, f.status, CASE f.outcome WHEN 'auto-approved' THEN 2 ELSE 1 END,
           CASE f.outcome WHEN 'auto-approved' THEN 'audit' ELSE 'low confidence' END,
           'reviewer', 'reviewer', least(f.created_at + interval '6 hours', ends)
    FROM bench.fates(first, last, size, waiting, ends) f
    WHERE f.status IN ('approved', 'rejected');
END;

-- Rows as an application hands them in, in one INSERT; 12 % of them are promoted. Returns the milliseconds that this
-- backend had a processor for: others use the machine, too.
CREATE FUNCTION bench.capture(rows integer) RETURNS double precision
    LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    before CONSTANT double precision := split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::double precision;
BEGIN
    INSERT INTO conversation_logs (session_id, phone_number, user_message, nlu_intent, nlu_confidence, nlu_module_type,
                                   nlu_provider, nlu_model_version, nlu_processing_time_ms, routed_to)
    SELECT 's' || g / 4, '+9198' || lpad((g / 4)::text, 8, '0'), 'Order ' || md5(g::text) || ' kab tak milega?',
           'intent.food.order.track', CASE WHEN g % 100 < 12 THEN 0.9 ELSE 0.5 END, 'food', 'indicbert',
           'router-v1.0.0', 20, 'opensearch'
    FROM generate_series(1, rows) AS g;
    RETURN (split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::double precision - before) / 1e6;
END
$$;

-- Deletes the conversations of the oldest day and what belongs to them, a thousand in a transaction; says how many.
CREATE PROCEDURE bench.purge_oldest_day(INOUT deleted bigint)
    LANGUAGE plpgsql
AS $$
DECLARE
    ids bigint[] := ARRAY(SELECT c.id FROM conversation_logs c
                          WHERE c.created_on = (SELECT min(created_on) FROM conversation_logs) ORDER BY c.id);
    few bigint[];
BEGIN
    deleted := cardinality(ids);
    ALTER TABLE review_events DISABLE TRIGGER review_events_append_only;
    COMMIT;
    FOR n IN 0 .. deleted / 1000 LOOP
        few := ids[n * 1000 + 1 : n * 1000 + 1000];
        PERFORM FROM conversation_logs c WHERE c.id = ANY (few) ORDER BY c.id FOR UPDATE;
        DELETE FROM training_samples s WHERE s.conversation_log_id = ANY (few);
        DELETE FROM review_events e WHERE e.conversation_log_id = ANY (few);
        DELETE FROM conversation_logs c WHERE c.id = ANY (few);
        COMMIT;
    END LOOP;
    ALTER TABLE review_events ENABLE ALWAYS TRIGGER review_events_append_only;
    COMMIT;
END
$$;

-- The version that answered: as if it had been made live two years ago, and trained anew five days ago.
SET session_replication_role = replica;
INSERT INTO model_versions (version, model_type, status, traffic_percentage, created_at, deployed_at)
VALUES ('router-v1.0.0', 'router', 'production', 100, now() - interval '731 days', now() - interval '731 days');
INSERT INTO model_deployments (model_type, version, to_status, to_percentage, created_at)
VALUES ('router', 'router-v1.0.0', 'production', 100, now() - interval '731 days');
INSERT INTO training_jobs (model_type, status, version, cutoff, started_at, finished_at)
SELECT 'router', 'succeeded', 'router-v1.0.0', d.day, d.day, d.day
FROM (SELECT current_date::timestamp AT TIME ZONE 'UTC' - interval '5 days' AS day) d;
RESET session_replication_role;
