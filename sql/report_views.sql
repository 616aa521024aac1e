-- intent_quality, intent_confusions, confidence_calibration and intent_drift: figure by figure, by hand.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET datestyle = 'ISO';
SELECT count(set_training_setting('time_zone', 'UTC'));
INSERT INTO review_policies (module_type, intent, fallback_providers) VALUES (NULL, NULL, '{llm}');

-- Nothing there: no row but the total of the drift, which says so.
SELECT (SELECT count(*) FROM intent_quality) AS quality, (SELECT count(*) FROM intent_confusions) AS confusions,
       (SELECT count(*) FROM confidence_calibration) AS calibration;
SELECT * FROM intent_drift;

-- Adds n conversations that look as if the filter had seen them, each with a verdict: approve, fix (to `correct`),
-- none (no-such-intent), unclear, or NULL. As many of a session follow each other as `each` says.
CREATE FUNCTION add(n int, outcome text, rate double precision, verdict text, intent text, correct text DEFAULT NULL,
    provider text DEFAULT 'bert', confidence double precision DEFAULT 0.9, at timestamptz DEFAULT '2026-05-10 12:00+00',
    each int DEFAULT 1, said text DEFAULT 'a message', policy bigint DEFAULT NULL, module text DEFAULT NULL)
    RETURNS bigint LANGUAGE sql AS $$
    WITH added AS (
        INSERT INTO conversation_logs (session_id, user_message, review_status, filter_outcome, filter_policy_id,
            is_audit, selection_probability, filtered_at, nlu_intent, nlu_confidence, nlu_provider, nlu_module_type,
            created_at)
        SELECT format('%s %s %s', intent, at, g / each), said, 'approved', outcome, policy,
               rate > 0 AND verdict IS NOT NULL,
               rate, CASE WHEN outcome IS NOT NULL THEN now() END, intent, confidence, provider, module, at
        FROM generate_series(0, n - 1) g RETURNING id
    ), judged AS (
        INSERT INTO review_events (conversation_log_id, action, reject_reason, intent, reviewer, calling_role)
        SELECT id, CASE WHEN verdict IN ('none', 'unclear') THEN 'reject' ELSE verdict END,
               CASE verdict WHEN 'none' THEN 'no-such-intent' WHEN 'unclear' THEN 'unclear' END,
               CASE verdict WHEN 'approve' THEN intent WHEN 'fix' THEN correct END, 'asha', 'asha'
        FROM added WHERE verdict <> 'waits'
    )
    SELECT count(*) FROM added
$$;
-- To four digits, of May 2026.
CREATE VIEW quality AS
    SELECT q.intent, q.conversations AS n, round(q.share::numeric, 4) AS share,
           round(q.fallback_rate::numeric, 4) AS fallback, round(q.mean_confidence::numeric, 4) AS confidence,
           q.negative_feedback AS negative, q.labels, round(q.accuracy::numeric, 4) AS accuracy,
           round(q.lower::numeric, 4) AS lower, round(q.upper::numeric, 4) AS upper,
           round(q.recall::numeric, 4) AS recall, q.recall_labels AS named, q.reason
    FROM tw_intent_quality('2026-05-01', '2026-05-31') q;
CREATE VIEW confusions AS
    SELECT q.intent, q.correct_intent AS correct, q.verdicts, round(q.share::numeric, 4) AS share,
           round(q.share_of_intent::numeric, 4) AS of_intent, cardinality(q.conversation_log_ids) AS ids, q.examples,
           q.reason
    FROM tw_intent_confusions('2026-05-01', '2026-05-31') q;
CREATE VIEW calibration AS
    SELECT q.provider, q.bin, q.confidence_from AS from, q.confidence_to AS to, q.conversations AS n, q.labels,
           round(q.mean_confidence::numeric, 4) AS confidence, round(q.accuracy::numeric, 4) AS accuracy,
           round(q.lower::numeric, 4) AS lower, round(q.upper::numeric, 4) AS upper, round(q.ece::numeric, 4) AS ece,
           round(q.ece_by_chance::numeric, 4) AS by_chance, q.reason
    FROM tw_confidence_calibration('2026-05-01', '2026-05-31') q;
CREATE VIEW drift AS
    SELECT q.intent, q.conversations AS now, q.conversations_before AS before, round(q.share::numeric, 4) AS share,
           round(q.share_before::numeric, 4) AS share_before, round(q.change::numeric, 4) AS change,
           round(q.divergence::numeric, 6) AS divergence, round(q.divergence_by_chance::numeric, 6) AS by_chance,
           round(q.chance::numeric, 4) AS chance, round(q.p_value::numeric, 6) AS p, q.reason
    FROM tw_intent_drift('2026-05-01', '2026-05-31') q;

-- Two strata. Of the first, 100 conversations, ten labels with a weight of 10 each; of the second, 20 conversations,
-- ten labels with a weight of 2 each. "unclear" counts for the size of its stratum alone.
BEGIN;
SELECT sum(add(n, 'auto-approved', 0.1, v, i, c, 'bert', p)) AS auto_approved FROM (VALUES
    (5, 'approve', 'order', NULL, 0.97), (3, 'approve', 'order', NULL, 0.85), (1, 'fix', 'order', 'cancel', 0.85),
    (1, 'approve', 'cancel', NULL, 0.85), (70, NULL, 'order', NULL, 0.97), (20, NULL, 'cancel', NULL, 0.85)
    ) x (n, v, i, c, p);
SELECT sum(add(n, 'needs-review', 0.5, v, i, c, r, p)) AS needs_review FROM (VALUES
    (4, 'approve', 'cancel', NULL, 'llm', 0.45), (3, 'fix', 'cancel', 'order', 'llm', 0.45),
    (2, 'none', 'order', NULL, 'bert', 0.65), (1, 'fix', NULL, 'order', 'llm', 0.45),
    (2, 'unclear', 'cancel', NULL, 'llm', 0.45), (5, NULL, 'order', NULL, 'bert', 0.65),
    (3, NULL, NULL, NULL, 'llm', 0.45)) x (n, v, i, c, r, p);
UPDATE conversation_logs SET user_feedback = 'Negative'
WHERE id IN (SELECT conversation_log_id FROM review_events WHERE reject_reason = 'unclear');
-- order: 79 + 7 conversations of 116 with an intent. Precision (8 * 10) / (9 * 10 + 2 * 2), of the effective size
-- 94^2 / (9 * 100 + 2 * 4) = 9.73; recall 80 / (80 + 3 * 2 + 1 * 2). cancel: 21 + 9; (10 + 4 * 2) / (10 + 7 * 2) of the
-- size 24^2 / (100 + 7 * 4) = 4.5; recall 18 / (18 + 10).
SELECT * FROM quality;
-- Of 120: 10, 3 * 2, 2 * 2 and 1 * 2; of the answers with the intent 94, 24, 94 and 2.
SELECT * FROM confusions;
-- Bands of bert: 75 at 0.97, 5 of 5 right; 25 at 0.85, 4 of 5 right; 7 at 0.65 with 2 labels. ECE (75 * 0.03 +
-- 25 * 0.05) / 100; by chance (75 sqrt(2 / pi 0.97 * 0.03 / 5) + 25 sqrt(2 / pi 0.85 * 0.15 / 5)) / 100. llm: 4 of 8
-- right at 0.45; |0.5 - 0.45|, and sqrt(2 / pi 0.45 * 0.55 / 8).
SELECT * FROM calibration;

-- Other days, not applicable ones and those that no draw was made for do not count.
SELECT add(50, 'auto-approved', 0.1, 'fix', 'order', 'cancel', at => '2026-04-30 23:59+00') AS before,
       add(50, 'auto-approved', 0.1, 'fix', 'order', 'cancel', at => '2026-06-01 00:00+00') AS after,
       add(50, 'not-applicable', NULL, NULL, 'order') AS not_applicable,
       add(50, NULL, NULL, 'fix', 'order', 'x') AS no_draw;
SELECT intent, n, labels, accuracy, recall, named FROM quality;
SELECT provider, n, labels, ece FROM calibration WHERE bin IS NULL;

-- The newest verdict stands: the five surest become wrong, unclear, withdrawn, right by a fix to the same, right.
CREATE TEMP TABLE sure AS
    SELECT id, row_number() OVER (ORDER BY id) AS n FROM conversation_logs
    WHERE nlu_confidence = 0.97 AND is_audit AND created_on = '2026-05-10';
INSERT INTO review_events (conversation_log_id, action, intent, reviewer, calling_role)
SELECT id, 'fix', 'cancel', 'r', 'r' FROM sure;
SELECT intent, labels, accuracy, recall, named FROM quality;
INSERT INTO review_events (conversation_log_id, action, reject_reason, intent, reviewer, calling_role)
SELECT id, a, r, i, 'r', 'r' FROM sure JOIN (VALUES (1, 'reject', 'unclear', NULL), (2, 'withdraw', NULL, NULL),
    (3, 'fix', NULL, 'order'), (4, 'approve', NULL, 'order')) v (n, a, r, i) USING (n);
SELECT intent, labels, accuracy, recall, named FROM quality;
-- The feedback of a user is no verdict.
INSERT INTO review_events (conversation_log_id, action, reviewer, calling_role)
SELECT id, 'feedback', 'user', 'chat' FROM sure;
SELECT intent, labels, accuracy FROM quality;
ROLLBACK;

-- By their current names: the model's answer, and what people said. What was a confusion is none.
BEGIN;
SELECT sum(add(n, 'auto-approved', 0.1, v, i, c)) FROM (VALUES (5, 'approve', 'order', NULL),
    (5, 'fix', 'order', 'order.new'), (5, 'fix', 'order.new', 'cancel'), (5, 'approve', 'cancel', NULL)) x (n, v, i, c);
SELECT intent, n, labels, accuracy, recall, named FROM quality;
SELECT intent, correct, verdicts, share FROM confusions;
INSERT INTO intent_aliases (alias, intent, made_by, reviewer) VALUES ('order', 'order.new', 'rename', 'x');
SELECT intent, n, labels, accuracy, recall, named FROM quality;
SELECT intent, correct, verdicts, share FROM confusions;
SELECT intent, now, before FROM drift;
ROLLBACK;

-- What no label can know: a stratum without an audit, one with fewer than five labels, and what retention deleted. An
-- intent that people named and no answer had has its row.
BEGIN;
SELECT add(6, 'auto-approved', 0.1, 'approve', 'order'), add(44, 'auto-approved', 0.1, NULL, 'order'),
       add(30, 'auto-approved', 0, NULL, 'order', policy => 7),
       add(4, 'needs-review', 0.1, 'fix', 'order', 'new thing'),
       add(16, 'needs-review', 0.1, 'waits', 'order');
SELECT intent, n, share, labels, accuracy, recall, named, reason FROM quality;
SELECT intent, correct, verdicts, share, reason FROM confusions;
SELECT provider, bin, n, labels, accuracy, reason FROM calibration;
SELECT add(1, 'needs-review', 0.1, 'approve', 'order');
SELECT intent, labels, accuracy, reason FROM quality;
SELECT tw_close_days('2026-06-01', 40, now()) AS stored;
UPDATE daily_statistics SET deleted = 12 WHERE date = '2026-05-10';
SELECT intent, reason FROM quality;
SELECT reason FROM drift WHERE intent IS NULL;
ROLLBACK;

-- Messages are redacted whatever the setting says, before they are cut; markup stays as it is, for the page to escape.
BEGIN;
SELECT count(set_training_setting('redact', 'false'));
SELECT add(1, 'needs-review', 1, 'fix', 'a', 'b', said => '<script>alert(1)</script> call +91 98765 43210'),
       add(1, 'needs-review', 1, 'fix', 'a', 'b', said => repeat('x', 190) || ' 98765 43210'),
       add(1, 'needs-review', 1, 'fix', 'a', 'b', said => repeat('98765 43210 ', 600)),
       add(1, 'needs-review', 1, 'fix', 'a', 'b', said => '');
SELECT q.verdicts, e.n, i.id = (max(i.id) OVER () - e.n + 1) AS newest_first, length(e.example) AS length,
       left(e.example, 60) AS start, right(e.example, 12) AS end
FROM tw_intent_confusions('2026-05-01', '2026-05-31') q
CROSS JOIN LATERAL unnest(q.examples) WITH ORDINALITY e (example, n)
JOIN LATERAL unnest(q.conversation_log_ids) WITH ORDINALITY i (id, n) ON i.n = e.n ORDER BY e.n;
ROLLBACK;

-- Bands: their ends, and what has none.
SELECT p, tw_confidence_bin(p) AS bin
FROM unnest('{0,0.1,0.3,0.5999999,0.6,0.7,0.9,1,1.0000001,-0.1,NaN,Infinity,NULL}'::float8[]) p;

-- Drift, each message a session of its own. p = 0.6, 0.4 of 200; q = 0.4, 0.6 of 200; m = 0.5, 0.5. D = 0.6 log2 1.2 +
-- 0.4 log2 0.8 = 0.029049. By chance (1 / 200 + 1 / 200) / (8 ln 2) = 0.001803, a share of 0.0621. Chi-square 16.108
-- with one degree of freedom.
BEGIN;
SELECT add(120, 'auto-approved', 0.1, NULL, 'a'), add(80, 'auto-approved', 0.1, NULL, 'b'),
       add(80, 'auto-approved', 0.1, NULL, 'a', at => '2026-04-20 12:00+00'),
       add(120, 'auto-approved', 0.1, NULL, 'b', at => '2026-04-20 12:00+00');
SELECT * FROM drift;
-- Outside the two periods, which are of 31 days each: 31 March is the first day of the one before.
SELECT add(9, 'auto-approved', 0.1, NULL, 'a', at => '2026-03-30 23:59+00'),
       add(9, 'auto-approved', 0.1, NULL, 'a', at => '2026-06-01 00:00+00');
SELECT now, before FROM drift;
SELECT add(9, 'auto-approved', 0.1, NULL, 'c', at => '2026-03-31 00:00+00');
SELECT intent, now, before, share, share_before, change, divergence > 0 AS is_apart FROM drift;
ROLLBACK;
-- The same in sessions of four messages with one intent: a design effect of 4, four times as much by chance, and a
-- statistic of 4.027.
BEGIN;
SELECT add(120, 'auto-approved', 0.1, NULL, 'a', each => 4), add(80, 'auto-approved', 0.1, NULL, 'b', each => 4),
       add(80, 'auto-approved', 0.1, NULL, 'a', each => 4, at => '2026-04-20 12:00+00'),
       add(120, 'auto-approved', 0.1, NULL, 'b', each => 4, at => '2026-04-20 12:00+00');
SELECT * FROM drift;
ROLLBACK;
-- Nothing changed; one intent; too few; nothing now; nothing before.
BEGIN;
SELECT add(100, 'auto-approved', 0.1, NULL, 'a', at => at), add(50, 'auto-approved', 0.1, NULL, 'b', at => at)
FROM unnest('{2026-04-20 12:00+00,2026-05-10 12:00+00}'::timestamptz[]) at;
SELECT * FROM drift;
DELETE FROM conversation_logs WHERE nlu_intent = 'b';
SELECT * FROM drift;
DELETE FROM conversation_logs WHERE created_on < '2026-05-01';
SELECT * FROM drift;
DELETE FROM conversation_logs;
SELECT add(100, 'auto-approved', 0.1, NULL, 'a', at => '2026-04-20 12:00+00');
SELECT intent, now, before, share, share_before, divergence, reason FROM drift;
ROLLBACK;
BEGIN;
SELECT add(99, 'auto-approved', 0.1, NULL, 'a', at => at), add(1, 'auto-approved', 0.1, NULL, 'b', at => at)
FROM unnest('{2026-04-20 12:00+00,2026-05-10 12:00+00}'::timestamptz[]) at;
SELECT p, reason FROM drift WHERE intent IS NULL;
DELETE FROM conversation_logs WHERE nlu_intent = 'b' AND created_on > '2026-05-01';
SELECT p, reason FROM drift WHERE intent IS NULL;
ROLLBACK;

-- Tails of the chi-square distribution, from its tables.
SELECT f AS freedom, x AS statistic, round(tw_chi_square_p(x, f)::numeric, 4) AS p
FROM (VALUES (1, 3.841459), (1, 6.634897), (2, 5.991465), (10, 18.307038), (10, 3.940299), (100, 124.342113),
    (100, 70.064895), (1000, 1074.679449), (10000, 10233.748891), (1, 0), (5, 1e9), (0, 1), (-1, 1), (1, 'NaN'),
    (3, -2)) v (f, x);

-- The views are the last 30 days, today included, and the 30 days before those.
BEGIN;
SELECT add(1, 'auto-approved', 0.1, NULL, 'a', at => (now() AT TIME ZONE 'UTC')::date - d + time '00:00') AS added
FROM unnest('{0,29,30,59,60}'::int[]) d;
SELECT (SELECT conversations FROM intent_quality) AS quality,
       (SELECT conversations FROM confidence_calibration WHERE bin IS NULL) AS calibration;
SELECT conversations, conversations_before FROM intent_drift;
ROLLBACK;

-- A role that is limited to a module: its conversations alone, and no recall, as answers of other modules miss it.
BEGIN;
SELECT add(5, 'auto-approved', 0.1, 'approve', m || '.order', module => m, at => now()) AS added,
       add(5, 'auto-approved', 0.1, 'fix', m || '.order', m || '.cancel', module => m, provider => m, at => now())
FROM unnest('{food,parcel}'::text[]) m;
CREATE ROLE regress_views_all;
CREATE ROLE regress_views_food;
CREATE ROLE regress_views_none;
SELECT grant_training_role('regress_views_all', 'analyst');
SELECT grant_training_role('regress_views_food', 'analyst', '{food}');
SET ROLE regress_views_all;
SELECT intent, conversations, labels, accuracy, recall, recall_labels, reason FROM intent_quality;
SELECT intent, correct_intent, share FROM intent_confusions;
SELECT provider, bin, conversations, labels, accuracy FROM confidence_calibration;
SELECT intent, conversations, share FROM intent_drift;
SET ROLE regress_views_food;
SELECT intent, conversations, labels, accuracy, recall, recall_labels, reason FROM intent_quality;
SELECT intent, correct_intent, share FROM intent_confusions;
SELECT provider, bin, conversations, labels, accuracy FROM confidence_calibration;
SELECT intent, conversations, share FROM intent_drift;
SET ROLE regress_views_none;
SELECT * FROM intent_confusions;
ROLLBACK;
DROP VIEW quality, confusions, calibration, drift;
DROP FUNCTION add;
