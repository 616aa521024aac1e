-- What to do next, and the sections of training_report() about answers, rollouts, versions and jobs: by hand.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET datestyle = 'ISO';
SET timezone = 'Asia/Kolkata';
SELECT count(set_training_setting('time_zone', 'UTC'));

-- The parts of a section in words, without its drawings.
CREATE FUNCTION words(html text) RETURNS text LANGUAGE sql AS $$
    SELECT btrim(regexp_replace(regexp_replace(regexp_replace(html, '<figure.*?</figure>', '', 'g'),
                                               '</?(tr|p|h2|h3|li|caption|thead)[^>]*>', E'\n', 'g'),
                                '</t[hd]><', ' | <', 'g'), E'\n')
$$;
CREATE FUNCTION said(html text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT btrim(l) FROM regexp_split_to_table(regexp_replace(words(html), '<[^>]*>', '', 'g'), E'\n') l
    WHERE l ~ '[^ |]'
$$;
-- What is running, and whether this server has pg_cron, is not the same everywhere.
CREATE VIEW steps AS
    SELECT rank, area, sentence, call FROM tw_next_steps_now('2026-05-31 12:00+00') WHERE area <> 'jobs';
CREATE VIEW measured AS
    SELECT rank, area, sentence, call FROM tw_next_steps('2026-05-01', '2026-05-30') WHERE rank >= 50;

-- Nothing there: nothing of it is called fine.
SELECT * FROM steps;
SELECT * FROM measured;
SELECT said(tw_report_calibration('2026-05-01', '2026-05-30'));
SELECT said(tw_report_intents('2026-05-01', '2026-05-30'));
SELECT said(tw_report_confusions('2026-05-01', '2026-05-30'));
SELECT said(tw_report_drift('2026-05-01', '2026-05-30'));
SELECT said(tw_report_rollouts('2026-05-01', '2026-05-30'));
SELECT said(tw_report_versions('2026-05-01', '2026-05-30'));

-- A failed job is named, also where the first row names another.
INSERT INTO job_runs (job_name, status, started_at, finished_at, error_code, error_message)
VALUES ('check_rollouts', 'failed', '2026-05-02 12:00+00', '2026-05-02 12:00+00', 'XX000', 'quotes 98765 43210'),
       ('daily_training_capture', 'failed', '2026-05-02 12:00+00', '2026-05-02 12:00+00', 'XX000', 'secret');
SELECT bool_or(sentence LIKE '%daily_training_capture%"failing"%') AS job,
       bool_or(sentence LIKE '%secret%' OR sentence LIKE '%98765%') AS message
FROM tw_step_of_jobs();
SELECT said(tw_report_jobs('2026-05-01', '2026-05-30')) LIKE 'daily_training_capture | failing | none known | '
    '2026-05-02 12:00 | % | 0 | 1' AS job ORDER BY 1 DESC LIMIT 1;
SELECT tw_report_jobs('2026-05-01', '2026-05-30') LIKE '%secret%' AS message;

-- Conversations as the filter would have made them.
CREATE FUNCTION add(n int, verdict text, provider text, confidence float, day date, intent text, correct text,
    priority int DEFAULT NULL, audit boolean DEFAULT true, message text DEFAULT 'call 98765 43210')
    RETURNS bigint LANGUAGE sql AS $$
    WITH added AS (
        INSERT INTO conversation_logs (session_id, user_message, review_status, filter_outcome, is_audit,
            selection_probability, filtered_at, nlu_intent, nlu_module_type, nlu_provider, nlu_confidence,
            review_priority, review_reason, created_at)
        SELECT day || intent || i, message, CASE WHEN priority IS NULL THEN 'approved' ELSE 'needs-review' END,
               'auto-approved', audit, 0.05, now(), intent, split_part(intent, '.', 1), provider, confidence, priority,
               CASE WHEN priority IS NOT NULL THEN 'low confidence' END, (day + time '12:00') AT TIME ZONE 'UTC'
        FROM generate_series(1, n) i RETURNING id, created_at
    ), judged AS (
        INSERT INTO review_events (conversation_log_id, action, reject_reason, intent, reviewer, calling_role,
                                   created_at)
        SELECT id, verdict, CASE verdict WHEN 'reject' THEN 'no-such-intent' END, correct, 'asha', 'asha', created_at
        FROM added WHERE verdict IS NOT NULL
    )
    SELECT count(*) FROM added
$$;

-- By hand: 40 answers of 0.95, of which 20 are right: an error of 45 points, by chance sqrt(2 / pi * 0.95 * 0.05 / 40)
-- = 2.7. 15 of the 40 are one confusion, 5 another; food.b was meant by 15 and never answered. In the 30 days before,
-- there were 120 of zoo.c alone.
SELECT add(20, 'approve', 'indicbert', 0.95, '2026-05-20', 'food.a', 'food.a'),
       add(15, 'fix', 'indicbert', 0.95, '2026-05-20', 'food.a', 'food.b'),
       add(5, 'reject', 'indicbert', 0.95, '2026-05-20', 'food.a', NULL),
       add(80, NULL, NULL, NULL, '2026-05-20', 'zoo.c', NULL, NULL, false),
       add(120, NULL, NULL, NULL, '2026-04-10', 'zoo.c', NULL, NULL, false);
SELECT * FROM measured;
SELECT said(tw_report_calibration('2026-05-01', '2026-05-30'));
SELECT said(tw_report_intents('2026-05-01', '2026-05-30'));
SELECT said(tw_report_confusions('2026-05-01', '2026-05-30'));
SELECT said(tw_report_drift('2026-05-01', '2026-05-30'));
INSERT INTO model_deployments (model_type, version, from_status, to_status, to_percentage, created_at)
VALUES ('router', 'router-v0.9.0', 'canary', 'production', 100, '2026-05-30 23:30+00'),
       ('router', 'router-v0.9.1', 'canary', 'production', 100, '2026-05-31 00:30+00');
SELECT substring(tw_report_drift('2026-05-01', '2026-05-30') FROM '[^.]*live in these[^.]*');

-- What waits: nothing is urgent before it has waited for two days, or for seven in the audit.
SELECT * FROM steps WHERE area IN ('capture', 'queue', 'audit', 'labels');
SELECT add(2, NULL, 'indicbert', 0.2, '2026-05-30', 'food.a', NULL, 1);
SELECT * FROM steps WHERE area IN ('capture', 'queue', 'audit', 'labels');
SELECT add(1, NULL, 'indicbert', 0.2, '2026-05-29', 'food.a', NULL, 1, false),
       add(1, NULL, 'indicbert', 0.2, '2026-05-24', 'zoo.c', NULL, 2);
INSERT INTO training_samples (text, intent, review_status, source, label_source, review_priority, review_reason,
    created_at)
VALUES ('x', 'food.a', 'pending', 'manual', 'human', 2, 'label conflict', '2026-05-30 12:00+00');
SELECT * FROM steps WHERE area IN ('capture', 'queue', 'audit', 'labels');

-- Times that are not finite, or of later, are no age, and do not hide that nothing comes.
SELECT add(1, NULL, 'indicbert', 0.2, '-infinity', 'food.a', NULL, 1), add(1, NULL, 'indicbert', 0.2, '2026-08-01',
           'food.a', NULL, 1), add(1, NULL, 'indicbert', 0.2, 'infinity', 'food.a', NULL, 1);
SELECT * FROM steps WHERE area IN ('capture', 'queue', 'audit');
SELECT sentence FROM tw_next_steps_now('2026-06-05 12:00+00') WHERE area = 'capture';
DELETE FROM conversation_logs WHERE NOT isfinite(created_on) OR created_on > '2026-07-01';

-- Versions, a rollout that was rolled back, one that would be, a training, erasures.
INSERT INTO model_versions (version, model_type, status, traffic_percentage, test_accuracy, test_accuracy_lower,
    test_accuracy_upper, test_samples, gate_decision, gate_reason, production_accuracy, production_accuracy_lower,
    production_accuracy_upper, created_at, deployed_at) VALUES
    ('router-v1.0.0', 'router', 'production', 95, 0.9, 0.8, 0.95, 100, 'passed', 'better', NULL, 0.4, 0.9,
     '2026-05-01 23:30+00', '2026-05-02 12:00+00'),
    ('router-v1.1.0', 'router', 'rolled-back', 0, 0.95, 0.9, 0.98, 100, NULL, NULL, 0.5, 0.4, 0.6,
     '2026-05-03 12:00+00', '2026-05-04 12:00+00'),
    ('router-v1.2.0', 'router', 'canary', 5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     '2026-05-05 12:00+00', '2026-05-06 12:00+00'),
    ('food-agent-v1.0.0', 'food-agent', 'candidate', 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     '2026-05-05 12:00+00', NULL);
INSERT INTO rollouts (model_type, version, previous_version, status, steps, alpha, margin, step_times, started_at,
    ended_at, end_reason) VALUES
    ('router', 'router-v1.1.0', 'router-v1.0.0', 'rolled-back', '{10,50}', 0.05, 0.01, '{2026-05-20 23:30+00}',
     '2026-05-20 23:30+00', '2026-05-25 12:00+00', 'failure rate 0.3 against 0.1'),
    ('router', 'router-v1.2.0', 'router-v1.0.0', 'running', '{5,50}', 0.05, 0.01, '{2026-05-10 12:00+00}',
     '2026-05-10 12:00+00', NULL, NULL);
INSERT INTO rollout_checks (rollout_id, model_type, version, step, traffic_percentage, verdict, reason, canary_units,
    production_units, metrics, checked_at)
SELECT r.id, 'router', r.version, 1, 10, v, 'why ' || v, 10, 90, format('[
    {"kind": "guardrail", "metric": "failure rate", "canary": 0.3, "production": 0.1, "difference": %s, "lower": -0.3,
     "upper": -0.1, "alpha": 0.01666},
    {"kind": "guardrail", "metric": "accuracy", "difference": null, "lower": null, "upper": null, "alpha": 0.01666},
    {"kind": "signal", "metric": "negative feedback", "difference": 0.7, "lower": 0.6, "upper": 0.8}]', d)::jsonb, at
FROM rollouts r, (VALUES ('hold', -0.111, '2026-05-21 12:00+00'::timestamptz), ('hold', -0.222, '2026-05-21 23:30+00'),
                         ('rollback', -0.2, '2026-05-22 00:30+00')) c (v, d, at);
SELECT * FROM steps WHERE area IN ('rollout', 'model');
-- One figure a day of the zone, the last; the canary fails more often, so it is below 0.
SELECT said(tw_report_rollouts('2026-05-22', '2026-05-30'));
SELECT m[1] AS looks FROM regexp_matches(regexp_replace(tw_report_rollout(1, 'v'),
    '<(title|desc|text|figcaption|strong|summary)[^>]*>.*?</(title|desc|text|figcaption|summary)>|<[^>]*>', ' ', 'g'),
    '(\d\d-\d\d \(\d\)\s+[-0-9. %]+)', 'g') m;
SELECT tw_report_rollout(1, 'v') ~ '70\.0' AS signals, tw_report_rollout(1, 'v') ~ '-22\.2 %' AS guardrails,
       substring(tw_report_rollout(1, 'v') FROM '<strong>([^<]*better[^<]*)</strong>') AS title;
SELECT said(tw_report_rollouts('2026-05-01', '2026-05-09'));
SELECT said(tw_report_versions('2026-05-01', '2026-05-30'));
INSERT INTO training_jobs (model_type, status, error_code, error_message, finished_at)
VALUES ('router', 'failed', 'XX000', 'quotes a sample', now());
INSERT INTO erasures (kind, mode, status, reason, requested_by, finished_at, session_secret)
VALUES ('retention', 'erase', 'finished', 'r', 'x', now(), NULL);
INSERT INTO erasure_models VALUES (1, 'router-v1.0.0', 1), (1, 'router-v1.1.0', 7);
INSERT INTO erasure_exports (erasure_id, export_id, location, status) VALUES (1, 1, 'x', 'pending');
SELECT * FROM steps WHERE area IN ('training', 'erasure');

-- Each call is one that the server understands.
CREATE FUNCTION is_understood(call text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF call LIKE 'CALL %()' THEN
        RETURN EXISTS (SELECT FROM pg_proc WHERE prokind = 'p' AND proname = substring(call, '^CALL (\w+)\(\)$'));
    END IF;
    EXECUTE format('CREATE PROCEDURE understood() LANGUAGE sql BEGIN ATOMIC %s; END', call);
    DROP PROCEDURE understood();
    RETURN true;
EXCEPTION WHEN undefined_function OR undefined_table OR undefined_column OR wrong_object_type OR syntax_error
    OR invalid_text_representation THEN
    RETURN false;
END
$$;
INSERT INTO paired_evaluations (model_type, challenger, live_version, first_id, scored_to, messages, disagreements,
    approved_rate) VALUES ('router', 'router-v1.3.0', 'router-v1.0.0', 1, 1, 100, 10, 0.1);
SELECT DISTINCT n.area, n.call, is_understood(n.call)
FROM (SELECT * FROM steps UNION ALL SELECT * FROM measured) n WHERE n.area <> 'capture' ORDER BY 1, 2;
SELECT is_understood('SELECT * FROM claim_reviews(''YOUR NAME'')') AS name, is_understood('SELECT labelstudio_sync()')
    AS procedure, is_understood('CALL labelstudio_sync()') AS call, is_understood('SELECT * FROM job_health') AS jobs;

-- The first section has at most twelve, and says how many more there are.
SELECT tw_report_steps('2026-05-01', '2026-05-30') ~ '<p class="lead">\d+ things wait for a person' AS counted;
SELECT cardinality(string_to_array(tw_report_steps('2026-05-01', '2026-05-30'), '<li>')) - 1 AS shown,
       tw_report_steps('2026-05-01', '2026-05-30') ~ '<p class="more">\d+ more are not shown' AS more;

-- What comes from outside: no element, attribute or reference of a section is made by it, and none of it is long.
\set evil '<script>alert(1)</script>"''><img src=x onerror=y>&nbsp;'
SELECT add(6, 'fix', :'evil' || repeat('p', 9999), 0.9, '2026-05-21', :'evil' || repeat('i', 9999), :'evil', NULL, true,
           :'evil' || chr(8238) || chr(1) || 'mail a@example.org'),
       add(200, NULL, 'llm', 0.5, '2026-05-21', :'evil', NULL, NULL, false);
UPDATE rollouts SET end_reason = :'evil' || repeat('r', 9999) WHERE status = 'rolled-back';
UPDATE model_versions SET gate_decision = 'failed', gate_reason = :'evil' || repeat('g', 9999)
WHERE version = 'food-agent-v1.0.0';
CREATE VIEW sections AS
    SELECT s.name, s.html FROM (VALUES
        ('steps', tw_report_steps('2026-05-01', '2026-05-30')),
        ('calibration', tw_report_calibration('2026-05-01', '2026-05-30')),
        ('intents', tw_report_intents('2026-05-01', '2026-05-30')),
        ('confusions', tw_report_confusions('2026-05-01', '2026-05-30')),
        ('drift', tw_report_drift('2026-05-01', '2026-05-30')),
        ('rollouts', tw_report_rollouts('2026-05-01', '2026-05-30')),
        ('versions', tw_report_versions('2026-05-01', '2026-05-30')),
        ('jobs', tw_report_jobs('2026-05-01', '2026-05-30'))) s (name, html);
SELECT name, html LIKE '%&lt;script&gt;%' AS has_it, html ~ '<script|<img|\u202E|\u0001|&nbsp;|a@example' AS is_it,
       octet_length(html) < 60000 AS is_short
FROM sections ORDER BY 1;
SELECT DISTINCT e[1] AS element FROM sections, regexp_matches(html, '<([a-z0-9]+)[ />]', 'g') e ORDER BY 1;
SELECT DISTINCT a[1] AS attribute
FROM sections, regexp_matches(html, '<[a-z0-9]+(?: [^>]*)?>', 'g') t, regexp_matches(t[1], ' ([a-zA-Z-]+)="', 'g') a
ORDER BY 1;

-- Whoever is limited to a module gets its conversations, and is told that versions have all of them.
UPDATE rollouts SET end_reason = 'failure rate 0.3 against 0.1' WHERE status = 'rolled-back';
CREATE ROLE regress_rt_zoo;
SELECT grant_training_role('regress_rt_zoo', 'analyst', '{zoo}');
CREATE FUNCTION seen_by(role text) RETURNS TABLE (what text, words text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', role);
    RETURN QUERY SELECT substring(s, '^([a-z]+)"'),
               regexp_replace(split_part(split_part(s, '<p class="lead">', 2), '</p>', 1), '<[^>]*>', '', 'g')
        FROM regexp_split_to_table(training_report('2026-05-01', '2026-05-30'), '<section id="') s
        WHERE s ~ '^(intents|confusions|versions|drift|calibration|rollouts)"';
    RETURN QUERY SELECT 'others', m[1]
        FROM regexp_matches(training_report('2026-05-01', '2026-05-30'), '(.{20}food\.[ab].{20})', 'g') m;
    RESET ROLE;
END
$$;
SELECT * FROM seen_by('regress_rt_zoo');
SET ROLE regress_rt_zoo;
SELECT tw_next_steps_now(now());
RESET ROLE;
SELECT revoke_training_role('regress_rt_zoo', 'analyst');
DROP OWNED BY regress_rt_zoo;
DROP ROLE regress_rt_zoo;
