-- Why disagreements are asked about blindly, and why earlier verdicts do not count: two models that are equally good,
-- and people who are sometimes content with the answer that they see. Simulated; the draws are hashes, so that each run
-- is the same.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;
SET jit = off;
SET work_mem = '64MB';

CREATE FUNCTION draw(run integer, label integer, salt integer) RETURNS double precision LANGUAGE sql IMMUTABLE
RETURN (hashint8extended(run * 1000000::bigint + label * 100 + salt, 20) & 1073741823) / 1073741824.0::double precision;
-- A label: 1 the challenger's answer was chosen, -1 the live version's, 0 another. Of the disagreements each is right
-- in two fifths. One choice in twenty is made by chance. anchored is the share in which the live answer is taken
-- because it is seen.
CREATE FUNCTION labels(anchored double precision, share_seen double precision)
    RETURNS TABLE (run integer, label integer, x double precision) LANGUAGE sql AS $$
    SELECT r, n, CASE WHEN draw(r, n, 4) < share_seen AND draw(r, n, 1) < anchored THEN -1
                      WHEN draw(r, n, 2) < 0.05 THEN sign(draw(r, n, 3) - 0.5)
                      WHEN draw(r, n, 5) < 0.4 THEN 1 WHEN draw(r, n, 5) < 0.8 THEN -1 ELSE 0 END::double precision
    FROM generate_series(1, 250) r, generate_series(1, 150) n
$$;
-- The evidence that the challenger is worse after each label, by the formula of paired_evidence() carried on.
CREATE FUNCTION called_worse(anchored double precision, share_seen double precision) RETURNS numeric LANGUAGE sql AS $$
    WITH wealth AS (
        SELECT l.run, l.label, k,
               sum(ln(1 - k * 0.02::double precision * l.x)) OVER (PARTITION BY l.run, k ORDER BY l.label) AS log_wealth
        FROM labels(anchored, share_seen) l, generate_series(1, 49) k
    ), evidence AS (
        SELECT w.run, w.label, avg(exp(w.log_wealth)) AS e FROM wealth w GROUP BY w.run, w.label
    )
    SELECT round(100.0 * count(DISTINCT e.run) FILTER (WHERE e.e >= 20) / 250, 1) FROM evidence e
$$;
-- It is the same.
SELECT abs(paired_evidence(ARRAY(SELECT - x FROM labels(0.15, 1) WHERE run = 7 ORDER BY label))
           / (SELECT avg(exp(w)) FROM (SELECT sum(ln(1 - k * 0.02::double precision * x)) AS w
                                       FROM labels(0.15, 1), generate_series(1, 49) k
                                       WHERE run = 7 GROUP BY k) s) - 1) < 1e-9 AS same_formula;
-- Percent of equal challengers that are ever called worse: blindly at most 5 (and two standard errors); with 15 % who
-- take what they see six times as many at least; more than twice as many where half of the verdicts were given that
-- way, before the challenger existed.
SELECT blind <= 7.8 AS blind_keeps_its_promise, seen > 20 AND seen > 6 * blind AS anchored_ruins_it,
       half_seen > 2 * blind AS half_of_it_as_well
FROM (SELECT called_worse(0, 0) AS blind, called_worse(0.15, 1) AS seen, called_worse(0.15, 0.5) AS half_seen) s;

-- Both orders of the two suggestions come up, whichever model is whose,
-- and the order says nothing: of 400 each way about half.
SELECT register_model('router-v1.0.0', 'router', 'production') AS live,
       register_model('router-v1.1.0', 'router') AS challenger;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                               nlu_model_version)
    SELECT i, 's', 'message ' || i, 'intent.a.live', 0.5, 'indicbert', 'router-v1.0.0'
    FROM generate_series(1, 400) AS i;
INSERT INTO paired_answers SELECT 'router-v1.1.0', i, 'intent.a.challenger' FROM generate_series(1, 400) AS i;
SELECT set_training_setting('paired_max_labels', '400');
INSERT INTO paired_evaluations (id, model_type, challenger, live_version, first_id, scored_to, approved_rate)
VALUES (1, 'router', 'router-v1.1.0', 'router-v1.0.0', 0, 0, 1);
CALL run_training_jobs();
SELECT details -> 'messages scored' AS scored, details -> 'disagreements asked' AS asked FROM job_runs;
-- By chance beyond 120 and 280 less than once in 10^14.
SELECT count(*) AS asked,
       count(*) FILTER (WHERE suggestions[1] = 'intent.a.live') BETWEEN 120 AND 280 AS in_either_order
FROM blind_reviews;
SELECT count(*) AS shown FROM training_queue q
WHERE q.review_reason = 'model disagreement' AND (q.intent IS NOT NULL OR q.provider IS NOT NULL
                                                  OR q.module_type IS NOT NULL);
DROP FUNCTION called_worse, labels, draw;
