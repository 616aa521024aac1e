-- The filter's table: every rule, and every threshold at, just above and just below.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
-- No random draw in this test.
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);

-- The neighbours of a double: its last bit one up or down.
CREATE FUNCTION pg_temp.neighbour(x double precision, step integer) RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE
    bytes bytea := float8send(x);
    bits bigint := ('x' || encode(bytes, 'hex'))::bit(64)::bigint + step;
    n double precision := power(2::double precision, (bits >> 52) - 1075);
BEGIN
    RETURN ((bits & ((1::bigint << 52) - 1)) | (1::bigint << 52))::double precision * n;
END $$;
SELECT pg_temp.neighbour(0.7, 0) = 0.7 AS same, pg_temp.neighbour(0.7, 1) > 0.7 AS above,
       pg_temp.neighbour(0.7, -1) < 0.7 AS below;

CREATE TEMP TABLE cases (n serial, what text, confidence double precision, provider text, intent text,
                         message text, type text);
INSERT INTO cases (what, confidence, provider, intent, message, type) VALUES
    -- rule 1
    ('image', 0.99, 'indicbert', 'intent.food.item.search', '[photo]', 'image'),
    ('blank', 0.99, 'indicbert', 'intent.food.item.search', E' \t\n', 'text'),
    ('empty', 0.99, 'indicbert', 'intent.food.item.search', '', 'text'),
    ('unicode blanks', 0.99, 'indicbert', 'intent.food.item.search', U&'\00A0\3000\200B\FEFF', 'text'),
    ('image without prediction', NULL, NULL, NULL, '[photo]', 'image'),
    -- rule 3
    ('no intent', 0.99, 'indicbert', NULL, 'hi', 'text'),
    ('blank intent', 0.99, 'indicbert', ' ', 'hi', 'text'),
    ('no confidence', NULL, 'indicbert', 'intent.general.greeting', 'hi', 'text'),
    ('neither', NULL, NULL, NULL, 'hi', 'text'),
    -- rule 4
    ('NaN', 'NaN', 'indicbert', 'intent.general.greeting', 'hi', 'text'),
    ('Infinity', 'Infinity', 'indicbert', 'intent.general.greeting', 'hi', 'text'),
    ('-Infinity', '-Infinity', 'indicbert', 'intent.general.greeting', 'hi', 'text'),
    ('-0.1', -0.1, 'indicbert', 'intent.general.greeting', 'hi', 'text'),
    ('1.0000001', 1.0000001, 'indicbert', 'intent.general.greeting', 'hi', 'text'),
    ('just above 1', pg_temp.neighbour(1, 1), 'indicbert', 'intent.general.greeting', 'hi', 'text'),
    ('1.7 of the llm', 1.7, 'llm', 'intent.general.greeting', 'hi', 'text'),
    -- rule 5
    ('llm, sure', 0.99, 'llm', 'intent.general.greeting', 'hi', 'text'),
    ('llm, unsure', 0.1, 'LLM', 'intent.general.greeting', 'hi', 'text'),
    ('llm, medium', 0.8, 'Llm', 'intent.general.greeting', 'hi', 'text'),
    -- rule 6
    ('0', 0, 'indicbert', 'intent.general.greeting', 'hi', 'text'),
    ('-0', '-0', 'indicbert', 'intent.general.greeting', 'hi', 'text'),
    ('just below 0.70', pg_temp.neighbour(0.7, -1), 'indicbert', 'intent.general.greeting', 'hi', 'text'),
    ('low, nobody', 0.5, NULL, 'intent.general.greeting', 'hi', 'text'),
    -- rule 9
    ('exactly 0.70', 0.7, 'indicbert', 'intent.general.greeting', 'hi', 'text'),
    ('just above 0.70', pg_temp.neighbour(0.7, 1), 'indicbert', 'intent.general.greeting', 'hi', 'text'),
    ('just below 0.85', pg_temp.neighbour(0.85, -1), 'indicbert', 'intent.general.greeting', 'hi', 'text'),
    ('exactly 0.85', 0.85, 'indicbert', 'intent.general.greeting', 'hi', 'text'),
    ('exactly 0.85, other', 0.85, 'rasa', 'intent.general.greeting', 'hi', 'text'),
    -- rules 7 and 8
    ('just above 0.85', pg_temp.neighbour(0.85, 1), 'indicbert', 'intent.general.greeting', 'hi', 'text'),
    ('real 0.85', 0.85::real, 'indicbert', 'intent.general.greeting', 'hi', 'text'),
    ('1', 1, 'indicbert', 'intent.general.greeting', 'hi', 'text'),
    ('IndicBERT', 0.9, 'IndicBERT', 'intent.general.greeting', 'hi', 'text'),
    ('INDICBERT', 0.9, 'INDICBERT', 'intent.general.greeting', 'hi', 'TEXT'),
    ('just above 0.85, other', pg_temp.neighbour(0.85, 1), 'rasa', 'intent.general.greeting', 'hi', 'text'),
    ('sure, nobody', 0.99, NULL, 'intent.general.greeting', 'hi', 'text'),
    ('sure, blank provider', 0.99, '', 'intent.general.greeting', 'hi', 'text'),
    ('dotless I is not i', 0.99, 'ındicbert', 'intent.general.greeting', 'hi', 'text'),
    ('longer name', 0.99, 'indicbert2', 'intent.general.greeting', 'hi', 'text');

INSERT INTO conversation_logs (session_id, nlu_confidence, nlu_provider, nlu_intent, user_message, message_type)
    SELECT 'case ' || n, confidence, provider, intent, message, type FROM cases ORDER BY n;
SELECT k.what, c.review_status, c.review_priority AS priority, c.review_reason, c.is_training_candidate AS candidate
FROM cases k JOIN conversation_logs c ON c.session_id = 'case ' || k.n ORDER BY k.n;

-- The confidence is kept as it came.
SELECT nlu_confidence FROM conversation_logs WHERE review_reason = 'invalid confidence' ORDER BY id;

-- What is written besides the verdict.
SELECT filter_outcome = review_status AS outcome, filter_policy_id IS NOT NULL AS has_policy, is_audit,
       selection_probability, count(*)
FROM conversation_logs GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4;
SELECT count(*) FROM conversation_logs WHERE filtered_at IS NULL OR created_at IS NULL OR created_on IS NULL;
SELECT count(*) FROM conversation_logs WHERE (review_priority IS NOT NULL) <> (review_status = 'needs-review');

-- The same answer without a row, by the same code.
SELECT count(*) AS compared, count(*) FILTER (WHERE (d.review_status, d.review_priority, d.review_reason)
                               IS DISTINCT FROM (c.review_status, c.review_priority, c.review_reason)) AS different
FROM conversation_logs c, filter_decision(c.nlu_confidence, c.nlu_provider, c.nlu_intent, c.nlu_module_type) d
WHERE c.filter_outcome <> 'not-applicable';
SELECT * FROM filter_decision(0.85, 'indicbert', 'intent.food.item.search', 'food');
SELECT * FROM filter_decision(NULL, NULL, NULL, NULL);

-- Explicit NULLs get the defaults; days are those of the configured time zone.
SELECT set_training_setting('time_zone', 'Asia/Kolkata');
INSERT INTO conversation_logs (session_id, user_message, message_type, created_at) VALUES
    ('nulls', 'hi', NULL, NULL),
    ('late', 'hi', 'text', '2026-03-01 18:29:59.999999+00'),
    ('later', 'hi', 'text', '2026-03-01 18:30:00+00'),
    ('leap', 'hi', 'text', '2028-02-29 12:00:00+00'),
    ('ages ago', 'hi', 'text', '0044-03-15 12:00:00+00 BC'),
    ('never', 'hi', 'text', '-infinity'),
    ('for ever', 'hi', 'text', 'infinity');
SELECT session_id, message_type, created_on,
       created_on = (created_at AT TIME ZONE 'Asia/Kolkata')::date AS as_sql_says
FROM conversation_logs WHERE session_id IN ('late', 'later', 'leap', 'ages ago', 'never', 'for ever') ORDER BY id;
SELECT message_type, created_at = transaction_timestamp() AS now, review_reason
FROM conversation_logs WHERE session_id = 'nulls';
BEGIN;
INSERT INTO conversation_logs (session_id, user_message, message_type, created_at) VALUES ('nulls 2', 'hi', NULL, NULL);
SELECT message_type, created_at = transaction_timestamp() AS now,
       created_on = (transaction_timestamp() AT TIME ZONE 'Asia/Kolkata')::date AS day
FROM conversation_logs WHERE session_id = 'nulls 2';
COMMIT;
-- The first timestamps, west of Greenwich, and the last ones, east of it, have no local day that views could compute
-- with: it is kept within bounds.
SELECT set_training_setting('time_zone', 'America/New_York');
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, created_at)
VALUES ('first', 'hi', 'intent.food.item.search', 0.5, 'indicbert', '4714-11-24 00:00:00+00 BC');
SELECT set_training_setting('time_zone', 'Asia/Kolkata');
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, created_at)
VALUES ('last', 'hi', 'intent.food.item.search', 0.5, 'indicbert', '294276-12-31 23:59:59.999999+00');
SELECT created_on, created_on = created_on::text::date AS readable FROM conversation_logs
WHERE session_id IN ('first', 'last') ORDER BY id;
SELECT count(fix_conversation(id, 'intent.food.item.search')) FROM conversation_logs
WHERE session_id IN ('first', 'last');
SET client_min_messages = error;
SELECT unit, count(*) > 0 AS computed FROM unnest(ARRAY['day', 'week', 'month']) AS unit,
    live_accuracy('-infinity', 'infinity', ARRAY[unit]) GROUP BY unit ORDER BY unit;
CALL daily_training_capture();
SELECT count(*) > 0 AS computed FROM daily_training_stats;
SELECT count(*) > 0 AS computed FROM review_backlog;
SELECT count(*) > 0 AS computed FROM training_workflow_status();
RESET client_min_messages;
SELECT set_training_setting('time_zone', NULL);

-- Odd but storable: captured, and right.
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) VALUES
    ('large', repeat('mujhe pizza chahiye ', 52428), 'intent.food.item.search', 0.99, 'indicbert'),
    ('planes', U&'a\00E9\0939\4E2D\+01F600\+020000\+0E0001\+0F0000\+10FFFD', 'intent.food.item.search', 0.99,
     'indicbert');
SELECT c.session_id, length(c.user_message), octet_length(c.user_message), c.review_status,
       s.text = c.user_message AS same
FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id
WHERE c.session_id IN ('large', 'planes') ORDER BY c.id;
-- A long blank one, stored compressed and copied from there.
CREATE TEMP TABLE source AS SELECT repeat(' ', 1000000) AS message;
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT 'long blank', message, 'intent.food.item.search', 0.99, 'indicbert' FROM source;
SELECT review_status FROM conversation_logs WHERE session_id = 'long blank';

-- Only what SQL itself cannot store fails.
\set VERBOSITY terse
INSERT INTO conversation_logs (session_id, user_message) VALUES (NULL, 'hi');
INSERT INTO conversation_logs (session_id, user_message) VALUES ('s', NULL);
\set VERBOSITY default

-- The audit draw: always at rate 1, never at rate 0; an audited auto-approved row is promoted and queued.
UPDATE review_policies SET audit_rate_approved = 1, audit_rate_review = 1;
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) VALUES
    ('audit', 'hi', 'intent.general.greeting', 0.99, 'indicbert'),
    ('audit', 'hi', 'intent.general.greeting', 0.5, 'indicbert');
SELECT c.review_status, c.review_priority, c.review_reason, c.is_audit, c.selection_probability, s.label_source
FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id WHERE c.session_id = 'audit'
ORDER BY c.id;
-- And at the built-in rates about 5 and 10 in 100: outside these bounds once in more than a billion runs.
DELETE FROM review_policies;
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    SELECT 'draws', 'hi', 'intent.general.greeting', CASE i % 2 WHEN 0 THEN 0.99 ELSE 0.5 END, 'indicbert'
    FROM generate_series(1, 40000) AS i;
SELECT filter_outcome, selection_probability,
       avg(is_audit::integer) BETWEEN selection_probability - 0.013 AND selection_probability + 0.013 AS rate_is_right
FROM conversation_logs WHERE session_id = 'draws' GROUP BY 1, 2 ORDER BY 1;
