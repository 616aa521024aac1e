-- live_accuracy: the estimate from the audit, figure by figure. How often its
-- interval holds the truth: test/t/010_live_accuracy.pl.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET datestyle = 'ISO';

-- Nothing there: one row in all, none by group.
SELECT conversations, labels, accuracy, lower, upper, effective_labels, naive_accuracy, naive_labels, unclear_share,
       strata, reason FROM live_accuracy();
SELECT count(*) FROM live_accuracy(by => '{day}');
SELECT count(*) FROM live_accuracy_by_model;

-- What cannot be asked for, and what NULL means.
SELECT * FROM live_accuracy(by => '{colour}');
SELECT * FROM live_accuracy(by => '{intent,NULL}');
SELECT * FROM live_accuracy(by => '{day,week}');
SELECT * FROM live_accuracy(by => '{month,month}');
SELECT * FROM live_accuracy('2026-05-02', '2026-05-01');
SELECT conversations FROM live_accuracy(NULL, NULL, NULL);

-- Adds n conversations that look as if the filter had seen them, each with a verdict: approve, fix, same (fixed to the
-- same intent), wrong (no-such-intent), unclear, or NULL for none. Returns the number of the first.
CREATE FUNCTION add(n int, outcome text, rate double precision, audit boolean, verdict text, policy bigint DEFAULT NULL,
    intent text DEFAULT 'intent.food.item.search', module text DEFAULT NULL, version text DEFAULT NULL,
    at timestamptz DEFAULT '2026-05-01 12:00+00')
    RETURNS bigint LANGUAGE sql AS $$
    WITH added AS (
        INSERT INTO conversation_logs (session_id, phone_number, user_message, review_status, filter_outcome,
                                       filter_policy_id, is_audit,
            selection_probability, filtered_at, nlu_intent, nlu_module_type, nlu_model_version, created_at)
        SELECT 's', '+91 00000 00001', 'secret text', 'approved', outcome, policy, audit, rate,
               CASE WHEN outcome IS NOT NULL THEN now() END, intent, module, version, at
        FROM generate_series(1, n) RETURNING id
    ), judged AS (
        INSERT INTO review_events (conversation_log_id, action, reject_reason, intent, reviewer, calling_role)
        SELECT id, CASE verdict WHEN 'same' THEN 'fix' WHEN 'wrong' THEN 'reject' WHEN 'unclear' THEN 'reject'
                        ELSE verdict END,
               CASE verdict WHEN 'wrong' THEN 'no-such-intent' WHEN 'unclear' THEN 'unclear' END,
               CASE verdict WHEN 'approve' THEN intent WHEN 'same' THEN intent WHEN 'fix' THEN 'intent.other' END,
               'asha', 'asha'
        FROM added WHERE verdict IS NOT NULL
    )
    SELECT min(id) FROM added
$$;
CREATE FUNCTION start_again() RETURNS void LANGUAGE sql AS $$
    ALTER TABLE review_events DISABLE TRIGGER review_events_append_only_truncate;
    TRUNCATE conversation_logs, review_events;
    ALTER TABLE review_events ENABLE ALWAYS TRIGGER review_events_append_only_truncate;
$$;
-- To four digits.
CREATE VIEW figures AS
    SELECT a.conversations, a.labels, round(a.accuracy::numeric, 4) AS accuracy, round(a.lower::numeric, 4) AS lower,
           round(a.upper::numeric, 4) AS upper, round(a.effective_labels::numeric, 2) AS effective,
           round(a.naive_accuracy::numeric, 4) AS naive, a.naive_labels, round(a.unclear_share::numeric, 4) AS unclear
    FROM live_accuracy() a;

-- By hand: ten labels of one rate, eight right. s = 9/12, n = 12 (1.9600
-- / 2.2622)^2 = 9.01, Wilson's interval for 0.8 of 9.01.
BEGIN;
SELECT count(add(n, 'auto-approved', 0.05, true, v))
FROM (VALUES (6, 'approve'), (2, 'same'), (1, 'fix'), (1, 'wrong')) x (n, v);
SELECT * FROM figures;
-- Two strata of 200 and 100 conversations: 2/3 of 0.8 and 1/3 of 0.5. What nobody judged yet counts for the weight
-- alone, what was not audited for the naive figure alone, and "unclear" for neither: its share is 2/3 of 0 and 1/3 of
-- 2/12.
SELECT count(add(n, 'auto-approved', 0.05, a, NULL)) FROM (VALUES (20, true), (170, false)) x (n, a);
SELECT count(add(n, 'needs-review', 0.10, true, v))
FROM (VALUES (5, 'approve'), (5, 'fix'), (2, 'unclear'), (8, NULL)) x (n, v);
SELECT count(add(n, 'needs-review', 0.10, false, v))
FROM (VALUES (10, 'approve'), (30, 'wrong'), (5, 'unclear'), (35, NULL)) x (n, v);
SELECT * FROM figures;
SELECT jsonb_array_elements(strata) FROM live_accuracy();

-- Not ours: imported without a draw, with nothing to learn from.
SELECT add(50, NULL, NULL, NULL, 'approve') > 0, add(50, 'not-applicable', NULL, false, 'fix') > 0;
-- Events that are no verdicts.
INSERT INTO review_events (conversation_log_id, action, reviewer, calling_role)
    SELECT id, action, 'user', 'chat' FROM conversation_logs, unnest(ARRAY['feedback', 'conflict']) action
    WHERE filter_outcome IS NOT NULL;
SELECT * FROM figures;
-- The newest verdict stands, whatever time it carries: an approval becomes
-- wrong, then unclear, then right by a fix to the same.
CREATE TEMP TABLE changed AS SELECT min(conversation_log_id) AS id FROM review_events WHERE action = 'approve';
INSERT INTO review_events (conversation_log_id, action, intent, reviewer, calling_role, created_at)
SELECT id, 'fix', 'intent.other', 'r', 'r', '2020-01-01' FROM changed;
SELECT labels, accuracy, naive FROM figures;
INSERT INTO review_events (conversation_log_id, action, reject_reason, reviewer, calling_role)
SELECT id, 'reject', 'unclear', 'r', 'r' FROM changed;
SELECT labels, accuracy, naive FROM figures;
INSERT INTO review_events (conversation_log_id, action, intent, reviewer, calling_role)
SELECT id, 'fix', 'intent.food.item.search', 'r', 'r' FROM changed;
SELECT labels, accuracy, naive FROM figures;
-- Fixing what had no prediction is no agreement with it.
SELECT add(1, 'needs-review', 0.10, true, 'fix', intent => NULL) > 0;
SELECT labels, accuracy, naive FROM figures;
ROLLBACK;

-- Rates that changed, in strata that a policy made: against the formulas, row by row.
BEGIN;
SELECT count(add(n, o, r, true, v, p)) FROM (VALUES
    (7, 'auto-approved', 0.05, 'approve', NULL), (1, 'auto-approved', 0.05, 'fix', NULL),
    (30, 'auto-approved', 0.2, 'approve', NULL), (5, 'auto-approved', 0.2, 'fix', NULL),
    (6, 'auto-approved', 0.5, 'approve', 3), (9, 'auto-approved', 0.125, 'approve', 3),
    (8, 'needs-review', 0.1, 'approve', NULL), (4, 'needs-review', 0.3, 'wrong', NULL),
    (3, 'needs-review', 1, 'wrong', NULL)) x (n, o, r, v, p);
SELECT count(add(n, o, 0.1, false, NULL, p))
FROM (VALUES (500, 'auto-approved', NULL), (150, 'auto-approved', 3), (200, 'needs-review', NULL)) x (n, o, p);
CREATE TEMP VIEW by_rows AS
    WITH label AS (
        SELECT c.filter_outcome || coalesce(c.filter_policy_id, 0) AS h, 1 / c.selection_probability AS w,
               (e.action = 'approve')::int AS y
        FROM conversation_logs c JOIN review_events e ON e.conversation_log_id = c.id
    ), typical AS (
        SELECT h, sum(w * w) / sum(w) AS w FROM label GROUP BY h
    ), more AS (
        SELECT * FROM label UNION ALL SELECT h, w, y FROM typical, (VALUES (0), (1)) x (y)
    ), smooth AS (
        SELECT h, sum(w * y) / sum(w) AS s FROM more GROUP BY h
    ), per_stratum AS (
        SELECT h, (SELECT sum(w * y) / sum(w) FROM label l WHERE l.h = s.h) AS p, s.s,
               (SELECT sum((w * (y - s.s)) ^ 2) / sum(w) ^ 2 FROM more m WHERE m.h = s.h) AS v,
               (SELECT count(*)::float8 FROM conversation_logs c
                WHERE c.filter_outcome || coalesce(c.filter_policy_id, 0) = s.h)
                   / (SELECT count(*) FROM conversation_logs) AS weight
        FROM smooth s
    ), total AS (
        SELECT sum(weight * p) AS p, sum(weight * s) AS s, sum(weight ^ 2 * v) AS v,
               (SELECT count(*) FROM label) - count(*) AS freedom FROM per_stratum
    )
    -- Student's quantile of 70 degrees of freedom, from a table.
    SELECT p, freedom, s * (1 - s) / v * (1.959963985 / 1.994437112) ^ 2 AS n FROM total;
SELECT b.freedom, round(a.accuracy::numeric, 4) AS accuracy, abs(a.accuracy - b.p) < 1e-12 AS same_accuracy,
       abs(a.effective_labels / b.n - 1) < 1e-6 AS same_n,
       abs((b.p - a.lower) ^ 2 - 1.959963985 ^ 2 * a.lower * (1 - a.lower) / b.n) < 1e-6 AS same_lower,
       abs((b.p - a.upper) ^ 2 - 1.959963985 ^ 2 * a.upper * (1 - a.upper) / b.n) < 1e-6 AS same_upper
FROM live_accuracy() a, by_rows b;
ROLLBACK;

-- All right, all wrong: an interval all the same. Everything audited at rate 1 is no exception.
BEGIN;
SELECT add(5, 'auto-approved', 0.05, true, 'approve') > 0;
SELECT * FROM figures;
SELECT add(100, 'auto-approved', 0.05, true, 'approve') > 0;
SELECT * FROM figures;
SELECT start_again();
SELECT add(40, 'needs-review', 1, true, 'wrong') > 0;
SELECT * FROM figures;
ROLLBACK;

-- Too few labels: no estimate, but bounds that hold whatever the others are, and the reason.
BEGIN;
SELECT count(add(n, o, r, a, v, p)) FROM (VALUES
    (40, 'auto-approved', 0.05, true, 'approve', NULL), (760, 'auto-approved', 0.05, false, NULL, NULL),
    (4, 'needs-review', 0.1, true, 'approve', NULL), (1, 'needs-review', 0.1, true, 'unclear', NULL),
    (1, 'needs-review', 0.1, true, NULL, NULL), (94, 'needs-review', 0.1, false, 'approve', NULL),
    (100, 'auto-approved', 0, false, 'approve', 7)) x (n, o, r, a, v, p);
SELECT * FROM figures;
SELECT reason FROM live_accuracy();
SELECT add(1, 'needs-review', 0.1, true, 'approve') > 0;
SELECT reason FROM live_accuracy();
-- A rate whose weight would be infinite is as good as none.
SELECT add(18, 'auto-approved', 1e-320, true, 'approve', 7) > 0;
SELECT labels, accuracy, reason FROM live_accuracy();
-- The heaviest five of many.
SELECT count(add(g, 'needs-review', 0.1, false, NULL, g)) FROM generate_series(11, 18) g;
SELECT reason FROM live_accuracy();
-- None known at all.
SELECT start_again();
SELECT add(3, 'needs-review', 0.1, true, 'approve') > 0;
SELECT * FROM figures;
SELECT reason FROM live_accuracy();
ROLLBACK;

-- Groups and periods.
BEGIN;
SELECT count(add(10, 'auto-approved', 0.05, true, v, intent => i, module => m, version => r, at => t)) FROM (VALUES
    ('approve', 'intent.food.item.search', 'food', 'router-v1.0.0', timestamptz '2026-05-03 23:59:59+00'),
    ('fix', 'intent.food.item.search', '', 'router-v1.1.0', '2026-05-04 00:00+00'),
    ('approve', 'intent.food.order.cancel', NULL, 'router-v1.1.0', '2026-05-10 12:00+00'),
    ('approve', 'intent.parcel.track', 'logistics', NULL, '2026-06-01 12:00+00'),
    ('fix', NULL, NULL, NULL, '2026-06-01 12:00+00'),
    ('approve', 'x', NULL, 'router-v1.0.0', 'infinity')) x (v, i, m, r, t);
SELECT model_version, conversations, labels, accuracy FROM live_accuracy(by => '{model_version}');
SELECT module_type, conversations, round(accuracy::numeric, 4) AS accuracy FROM live_accuracy(by => '{module_type}');
SELECT intent, conversations, round(accuracy::numeric, 4) AS accuracy FROM live_accuracy(by => '{intent}');
SELECT period, conversations, round(accuracy::numeric, 4) AS accuracy FROM live_accuracy(by => '{day}');
SELECT period, conversations, round(accuracy::numeric, 4) AS accuracy FROM live_accuracy(by => '{week}');
SELECT period, conversations, round(accuracy::numeric, 4) AS accuracy FROM live_accuracy(by => '{month}');
SELECT period, model_version, module_type, intent, conversations, accuracy
FROM live_accuracy('2026-05-04', '2026-06-01', '{intent,month,module_type,model_version}');
-- Both ends belong to the period.
SELECT f, t, conversations FROM (VALUES (NULL, '2026-05-03'::date), ('2026-05-04', '2026-05-04'), ('2026-05-04', NULL),
                                        ('2026-07-01', '2026-07-02')) x (f, t), live_accuracy(f::date, t);
SELECT intent, conversations, labels FROM live_accuracy('2026-05-04', '2026-05-04', '{intent}');
-- Each group has strata and weights of its own.
SELECT module_type, s ->> 'weight' AS weight, s ->> 'labelled' AS labelled
FROM live_accuracy(by => '{module_type}'), jsonb_array_elements(strata) s;
-- The last thirty days, in the time zone of the settings.
SELECT add(10, 'auto-approved', 0.05, true, 'approve', version => 'router-v2.0.0', at => now()) > 0,
       add(10, 'auto-approved', 0.05, true, 'fix', version => 'router-v2.0.0', at => now() - interval '31 days') > 0;
SELECT model_version, module_type, conversations, labels, accuracy FROM live_accuracy_by_model
WHERE model_version = 'router-v2.0.0';

-- Whoever may call it sees figures and neither texts nor the tables.
CREATE ROLE regress_tw_figures;
SET ROLE regress_tw_figures;
SAVEPOINT a;
SELECT accuracy FROM live_accuracy();
ROLLBACK TO a;
SELECT tw_check_accuracy_request(NULL, NULL, '{}');
ROLLBACK TO a;
RESET ROLE;
GRANT EXECUTE ON FUNCTION live_accuracy(date, date, text[]) TO regress_tw_figures;
SET ROLE regress_tw_figures;
SELECT conversations, labels FROM live_accuracy('2026-05-01', '2026-05-31');
SELECT count(*) FROM live_accuracy(by => '{intent,model_version,module_type,day}') a WHERE a::text ~ 'secret|\+91';
-- A path of the caller's own changes nothing.
CREATE FUNCTION pg_temp.round(numeric, integer) RETURNS numeric LANGUAGE sql AS 'SELECT 42.0';
SET LOCAL search_path = pg_temp, public, pg_catalog;
SELECT conversations, labels, accuracy FROM live_accuracy('2026-05-04', '2026-05-04');
ROLLBACK;

-- Reviewers get what a rollout waits for first. Its conversations, 9 in 10 right, are judged while another bot's, 1 in
-- 2 right, still wait: what is judged so far is no sample of all, and no figure pretends that.
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL training_workflow.allow_future_times = on;
SELECT register_model('router-v1.0.0', 'router', 'production') IS NOT NULL AS live,
       register_model('router-v1.1.0', 'router') IS NOT NULL AS candidate;
SELECT traffic_percentage FROM start_rollout('router-v1.1.0', 'a trial', '2106-06-01');
SELECT add(45, 'auto-approved', 1, true, 'approve', version => 'router-v1.0.0', at => '2106-06-02') > 0,
       add(5, 'auto-approved', 1, true, 'fix', version => 'router-v1.1.0', at => '2106-06-02') > 0,
       add(50, 'auto-approved', 1, true, NULL, version => 'parcel-agent-v1', at => '2106-06-02') > 0;
SELECT labels, accuracy, lower < 0.5 AND upper > 0.9 AS is_wide, reason FROM live_accuracy('2106-06-02', '2106-06-02');
-- Half of those that wait, right and wrong alike.
SELECT sum(CASE WHEN n <= 10 THEN approve_conversation(id) WHEN n <= 20 THEN fix_conversation(id, 'intent.other') END)
FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM conversation_logs
      WHERE nlu_model_version = 'parcel-agent-v1') x WHERE n <= 20;
SELECT labels, round(accuracy::numeric, 4) AS accuracy, jsonb_path_query_array(strata, '$[*].rolled_out') AS apart,
       reason FROM live_accuracy('2106-06-02', '2106-06-02');
-- Where a part has fewer than five audited conversations they stay one stratum.
SELECT labels, jsonb_array_length(strata) AS strata FROM live_accuracy('2106-06-02', '2106-06-02', '{model_version}')
ORDER BY model_version;
ROLLBACK;

DROP VIEW figures;
DROP FUNCTION start_again(), add(int, text, double precision, boolean, text, bigint, text, text, text, timestamptz);
