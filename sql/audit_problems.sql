-- What an interval cannot show: verdicts that are wrong, rows that were skipped, an audit that is no random sample of
-- itself. live_accuracy() says each of them.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET datestyle = 'ISO';

-- 600 audited conversations of a month, 20 a day; the model is right about 510 of them: about all where its confidence
-- is above 0.95, less often below.
CREATE TABLE truth AS
    SELECT n AS id,
           timestamptz '2026-06-01 00:00+00' + (n - 1) / 20 * interval '1 day' + n % 20 * interval '1 hour' AS at,
           0.75 + (n * 7919 % 600) / 2400.0 AS confidence,
           n * 7919 % 600 >= 480 OR n * 7919 % 600 % 16 >= 3 AS is_right
    FROM generate_series(1, 600) n;
SELECT count(*), count(*) FILTER (WHERE is_right) AS is_right FROM truth;
INSERT INTO conversation_logs (id, session_id, user_message, review_status, filter_outcome, is_audit,
                               selection_probability, filtered_at, nlu_intent, nlu_confidence, nlu_provider, created_at)
    OVERRIDING SYSTEM VALUE
    SELECT id, 's', 'x', 'approved', 'needs-review', true, 0.1, at, 'food', confidence, 'indicbert', at FROM truth;
-- Gives the verdicts of those that the condition lets through: right, wrong, unclear or none.
CREATE FUNCTION review(verdict text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    ALTER TABLE review_events DISABLE TRIGGER review_events_append_only_truncate;
    TRUNCATE review_events, second_opinions;
    ALTER TABLE review_events ENABLE ALWAYS TRIGGER review_events_append_only_truncate;
    EXECUTE format('INSERT INTO review_events (id, conversation_log_id, action, reject_reason, intent, reviewer,
                                               calling_role)
        SELECT id, id, CASE v WHEN ''right'' THEN ''approve'' WHEN ''wrong'' THEN ''fix'' ELSE ''reject'' END,
               CASE v WHEN ''unclear'' THEN ''unclear'' END,
               CASE v WHEN ''right'' THEN ''food'' WHEN ''wrong'' THEN ''drinks'' END, ''asha'', ''asha''
        FROM (SELECT id, row_number() OVER (PARTITION BY is_right ORDER BY id) AS n, %s AS v
              FROM (SELECT *, row_number() OVER (PARTITION BY is_right ORDER BY id) AS n,
                           row_number() OVER (ORDER BY confidence DESC, id) AS place FROM truth) truth) x
        WHERE v IS NOT NULL', verdict);
END
$$;
-- Second opinions on a fifth of them, by a person who is always right.
CREATE FUNCTION ask() RETURNS void LANGUAGE sql AS $$
    INSERT INTO second_opinions (conversation_log_id, status, rate, first_event, first_reviewer, first_label,
                                 second_event, second_reviewer, second_label, agrees, settled_at)
        SELECT id, CASE WHEN label = right_label THEN 'agreed' ELSE 'settled' END, 0.2, id, 'asha', label, id + 1000,
               'binod', right_label, label = right_label, now()
        FROM (SELECT t.id, e.intent AS label, CASE WHEN t.is_right THEN 'food' ELSE 'drinks' END AS right_label
              FROM truth t JOIN review_events e ON e.id = t.id
              WHERE e.intent IS NOT NULL AND (t.id * t.id * 31 + t.id * 7) % 97 < 20) x
$$;
CREATE VIEW said AS
    SELECT labels, round(accuracy::numeric, 3) AS accuracy, round(lower::numeric, 3) AS lower,
           round(upper::numeric, 3) AS upper, round(unlabelled_share::numeric, 3) AS unlabelled,
           round(accuracy_low::numeric, 3) AS low, round(accuracy_high::numeric, 3) AS high, second_opinions AS pairs,
           round(verdict_error::numeric, 3) AS error, round(verdict_error_upper::numeric, 3) AS error_upper, reason
    FROM live_accuracy();

-- Nothing wrong: nothing said. A few unclear ones belong to life.
SELECT review($$CASE WHEN id % 50 = 0 THEN 'unclear' WHEN is_right THEN 'right' ELSE 'wrong' END$$);
SELECT * FROM said;
SELECT ask();
SELECT * FROM said;
-- 1. A reviewer errs in 5 % of the verdicts.
SELECT review($$CASE WHEN is_right <> (id % 20 = 3) THEN 'right' ELSE 'wrong' END$$);
SELECT ask();
SELECT * FROM said;
-- 2. A quarter of the wrong answers is approved.
SELECT review($$CASE WHEN is_right OR n % 4 = 1 THEN 'right' ELSE 'wrong' END$$);
SELECT ask();
SELECT * FROM said;
-- 3. 40 % of the wrong ones are unclear, or skipped: the truth is between the bounds.
SELECT review($$CASE WHEN is_right THEN 'right' WHEN n % 5 < 2 THEN 'unclear' ELSE 'wrong' END$$);
SELECT * FROM said;
SELECT review($$CASE WHEN is_right THEN 'right' WHEN n % 5 >= 2 THEN 'wrong' END$$);
SELECT * FROM said;
-- 4. The surest two thirds are reviewed first.
SELECT review($$CASE WHEN place <= 400 THEN CASE WHEN is_right THEN 'right' ELSE 'wrong' END END$$);
SELECT * FROM said;
-- The surest nine tenths and a bit.
SELECT review($$CASE WHEN place <= 546 THEN CASE WHEN is_right THEN 'right' ELSE 'wrong' END END$$);
SELECT * FROM said;
-- Two days of the month are left out.
SELECT review($$CASE WHEN id NOT BETWEEN 221 AND 260 THEN CASE WHEN is_right THEN 'right' ELSE 'wrong' END END$$);
SELECT * FROM said;
-- In order of arrival, nine tenths and a bit are done: that is how it should be. At a half, that alone is said.
SELECT review($$CASE WHEN id <= 546 THEN CASE WHEN is_right THEN 'right' ELSE 'wrong' END END$$);
SELECT * FROM said;
SELECT review($$CASE WHEN id <= 300 THEN CASE WHEN is_right THEN 'right' ELSE 'wrong' END END$$);
SELECT * FROM said;
-- At random, the same.
SELECT review($$CASE WHEN id * 31 % 600 >= 50 THEN CASE WHEN is_right THEN 'right' ELSE 'wrong' END END$$);
SELECT * FROM said;
-- A row drawn for a second opinion at a quarter of the rate weighs four times as much.
SELECT review($$CASE WHEN is_right THEN 'right' ELSE 'wrong' END$$);
INSERT INTO second_opinions (conversation_log_id, status, rate, first_event, first_reviewer, first_label,
                             second_event, second_reviewer, second_label, agrees, settled_at)
    SELECT n, 'agreed', CASE WHEN n <= 4 THEN 0.1 ELSE 0.4 END, n, 'asha', 'food', n + 1000, 'binod', 'food', n <> 1,
           now()
    FROM generate_series(1, 20) n;
SELECT pairs, error, round(1 - sqrt(1 - 10 / 80.0), 3) AS by_hand FROM said;

DROP VIEW said;
DROP FUNCTION review(text), ask();
DROP TABLE truth;
