-- Reviewers and analysts who are limited to modules. Every text of two modules has the module's own word in it. What a
-- limited role may read, by the catalog, must not have the word of the other module in it.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (1, 1);
SELECT set_training_setting('second_opinion_rate', '0');
CREATE ROLE regress_rs_food;
CREATE ROLE regress_rs_all;
CREATE ROLE regress_rs_parcel;
CREATE ROLE regress_rs_none;
CREATE ROLE regress_rs_operator;
CREATE ROLE regress_rs_chat;
SELECT grant_training_role('regress_rs_operator', 'operator'), grant_training_role('regress_rs_chat', 'capture');
SELECT grant_training_role('regress_rs_all', 'reviewer'), grant_training_role('regress_rs_all', 'analyst');

-- What cannot be granted.
SELECT grant_training_role('regress_rs_food', 'operator', '{qfood}');
SELECT grant_training_role('regress_rs_food', 'reviewer', '{}');
SELECT grant_training_role('regress_rs_food', 'reviewer', '{{qfood},{zparcel}}');
SELECT grant_training_role('regress_rs_food', 'reviewer', '{qfood,NULL}');
SELECT grant_training_role('regress_rs_food', 'reviewer', ARRAY['qfood', ' ']);
SELECT grant_training_role('regress_rs_nobody', 'reviewer', '{qfood}');
SET ROLE regress_rs_operator;
SELECT grant_training_role('regress_rs_food', 'reviewer', '{qfood}');
RESET ROLE;
SELECT count(*) AS limits FROM role_modules;

-- The samples have row security while there is a limit, and only then.
CREATE VIEW security AS
    SELECT c.relrowsecurity AS is_on, (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) AS policies
    FROM pg_class c WHERE c.oid = 'training_samples'::regclass;
SELECT * FROM security;
SELECT grant_training_role('regress_rs_food', 'reviewer', '{qfood}');
SELECT grant_training_role('regress_rs_food', 'analyst', modules => '{qfood,qfood}');
SELECT grant_training_role('regress_rs_parcel', 'reviewer', '{zparcel,""}');
SELECT role_name, kind, modules, role_id = role_name::regrole AS is_its_oid FROM role_modules ORDER BY 1, 2;
SELECT * FROM security;
SELECT * FROM check_integrity();

-- Texts of two modules, in every column, of a day whose figures are stored, and of today.
SELECT count(set_training_setting('time_zone', 'UTC'));
SET ROLE regress_rs_chat;
INSERT INTO conversation_logs (session_id, phone_number, user_id, user_message, message_language, nlu_intent,
    nlu_confidence, nlu_module_type, nlu_provider, nlu_model_version, nlu_entities, nlu_tone, nlu_processing_time_ms,
    routed_to, response_text, response_success, user_feedback, user_correction, backend_reference, metadata, created_at)
SELECT m || ' session ' || n, '+91 ' || n, m || ' user', m || ' message ' || n, m, 'intent.' || m || '.order', p,
       CASE WHEN n % 2 = 0 THEN m END, CASE WHEN p > 0.9 THEN 'indicbert' ELSE m || ' provider' END,
       'router-v1.0.' || length(m), jsonb_build_object(m, m), m, 10 * n, m, m || ' reply', true, m, m || ' correction',
       m, jsonb_build_object(m, m), CASE d WHEN 0 THEN now() ELSE '2026-03-01 12:00+00' END
FROM unnest('{qfood,zparcel}'::text[]) m, generate_series(1, 6) n, unnest('{0.3,0.8,0.99}'::float[]) p,
     generate_series(0, 1) d;
RESET ROLE;
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, created_at)
    VALUES ('s', 'no module', 'hello', 0.2, 'llm', '2026-03-01 13:00+00');
SELECT count(*) AS conversations, count(s.id) AS samples
FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id;
SELECT tw_close_days('2026-03-02 12:00+00', 10, now()) AS stored;
SELECT date, conversations FROM daily_statistics;

-- Verdicts of everybody about everything, reasons, claims, blind reviews, second opinions, samples without a
-- conversation, and those that contradict each other.
CREATE TEMP TABLE c AS
    SELECT id, split_part(session_id, ' ', 1) AS m, row_number() OVER (PARTITION BY split_part(session_id, ' ', 1)
        ORDER BY id) AS n FROM conversation_logs WHERE session_id <> 's';
SELECT count(approve_conversation(id, m || ' note', m || ' person')) FROM c WHERE n IN (1, 2, 3, 4, 5, 6);
SELECT count(fix_conversation(id, 'intent.' || m || '.cancel', jsonb_build_object(m, m), m || ' note', m || ' person'))
FROM c WHERE n IN (7, 8, 10, 11);
SELECT count(reject_conversation(id, 'unclear', m || ' note', m || ' person')) FROM c WHERE n IN (9, 12);
UPDATE conversation_logs SET review_reason = c.m || ' reason' FROM c WHERE c.id = conversation_logs.id AND c.n = 13;
INSERT INTO review_claims (conversation_log_id, reviewer, claimed_at, expires_at)
    SELECT id, m || ' person', now(), now() + interval '1 day' FROM c WHERE n = 14;
INSERT INTO blind_reviews (conversation_log_id, suggestions)
    SELECT id, ARRAY[m || '.a', m || '.b'] FROM c WHERE n = 15;
UPDATE conversation_logs SET review_reason = 'model disagreement', review_priority = 1 FROM c
WHERE c.id = conversation_logs.id AND c.n = 15;
INSERT INTO second_opinions (conversation_log_id, rate, first_event, first_reviewer, first_label, second_event,
                             second_reviewer, second_label, agrees, status, settled_at)
    SELECT id, 1, 1, m || ' one', m || '.a', 2, m || ' two', m || '.b', false, 'superseded', now() FROM c
    WHERE n = 1;
INSERT INTO second_opinions (conversation_log_id, rate, first_event, first_reviewer, first_label, review_reason)
    SELECT id, 1, 1, m || ' one', m || '.a', m FROM c WHERE n = 2;
SELECT count(import_training_samples(jsonb_build_object('text', m || ' import ' || n / 2, 'intent',
           'intent.' || m || '.x' || n, 'module_type', m, 'language', m)::text, 'synthetic', false))
FROM unnest('{qfood,zparcel}'::text[]) m, generate_series(1, 8) n;
INSERT INTO training_samples (text, intent, review_status, source, label_source)
    SELECT m || ' both', 'intent.' || m || '.' || n, 'approved', 'manual', 'human'
    FROM unnest('{qfood,zparcel}'::text[]) m, generate_series(1, 2) n;
SELECT count(fix_sample(s.id, s.intent, NULL, s.language || ' note', s.language || ' person'))
FROM training_samples s WHERE s.source = 'synthetic' AND s.intent LIKE '%.x1';
INSERT INTO review_policies (module_type, intent, review_below) VALUES (NULL, 'intent.qfood.policy', 0.1),
    (NULL, 'intent.zparcel.policy', 0.1);
INSERT INTO intent_aliases (alias, intent, made_by, reviewer)
    VALUES ('old.qfood', 'intent.qfood.new', 'rename', 'x'), ('old.zparcel', 'intent.zparcel.new', 'rename', 'x');
INSERT INTO model_versions (version, model_type, status, traffic_percentage, evaluation_id) VALUES
    ('router-v1.0.5', 'router', 'production', 100, 1), ('router-v1.0.7', 'router', 'candidate', 0, 1);
SELECT setval('model_evaluations_evaluation_seq', 1);
INSERT INTO model_evaluations (evaluation_id, version, sample_id, text_hash, intent, weight, predicted_intent)
    SELECT 1, v, s.id, s.text_hash, s.intent, 1, s.intent
    FROM training_samples s, unnest('{router-v1.0.5,router-v1.0.7}'::text[]) v WHERE s.text_hash IS NOT NULL;

-- Every relation that a reviewer or an analyst may read. The unlimited role shows where there is something to find:
-- the others have figures of versions only, which are not of one module.
CREATE FUNCTION words(relation text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r record; BEGIN
    EXECUTE format('SELECT count(*) FILTER (WHERE t::text LIKE ''%%qfood%%'') AS own, '
                   'count(*) FILTER (WHERE t::text LIKE ''%%zparcel%%'') AS other FROM %s t', relation) INTO r;
    RETURN format('%s own, %s others', CASE WHEN r.own > 0 THEN 'has' ELSE 'no' END,
                  CASE WHEN r.other > 0 THEN 'HAS' ELSE 'no' END);
END $$;
CREATE TEMP TABLE readable AS
    SELECT c.oid::regclass::text AS relation FROM pg_depend d
    JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid AND d.deptype = 'e'
    JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
    WHERE e.extname = 'training_workflow' AND c.relkind IN ('r', 'v')
      AND has_any_column_privilege('regress_rs_food', c.oid, 'SELECT');
GRANT SELECT ON readable TO PUBLIC;
SET ROLE regress_rs_food;
SELECT relation, words(relation) AS limited FROM readable ORDER BY relation COLLATE "C";
SET ROLE regress_rs_all;
SELECT relation, words(relation) AS unlimited FROM readable ORDER BY relation COLLATE "C";
RESET ROLE;

-- Every function that they may call: how it is called here, or why it has nothing to show. A new one is missing here
-- until somebody decides about it.
CREATE TEMP TABLE calls (function regprocedure, call text);
INSERT INTO calls VALUES
    ('explain_conversation(bigint)', '(SELECT explain_conversation(i) FROM generate_series(1, 80) i)'),
    ('claim_reviews(integer, interval, text)', 'claim_reviews(100)'),
    ('tw_intents()', 'tw_intents()'),
    ('live_accuracy(date, date, text[])', 'live_accuracy(NULL, NULL, ''{module_type,intent}'')'),
    ('reviewer_agreement(date, date)', 'reviewer_agreement()'),
    ('training_report(date, date)', '(SELECT training_report())'),
    ('tw_intent_quality(date, date)', 'tw_intent_quality(''2026-03-01'', current_date)'),
    ('tw_intent_confusions(date, date)', 'tw_intent_confusions(''2026-03-01'', current_date)'),
    ('tw_confidence_calibration(date, date)', 'tw_confidence_calibration(''2026-03-01'', current_date)'),
    ('tw_intent_drift(date, date)', 'tw_intent_drift(''2026-03-01'', current_date)'),
    ('tw_training_metrics()', 'tw_training_metrics()'), ('tw_fleet_state()', 'tw_fleet_state()'),
    ('tw_training_progress()', 'tw_training_progress()'),
    ('model_intent_scores(text, bigint)', 'model_intent_scores(''router-v1.0.5'')'),
    ('training_workflow_status(timestamptz)', '(SELECT training_workflow_status())'),
    ('compare_models(text, text)', 'compare_models(''router-v1.0.5'', ''router-v1.0.7'')'),
    ('tw_day_figures(date)', 'tw_day_figures(current_date)'),
    ('tw_daily_changes()', 'tw_daily_changes()'),
    ('live_model_at(text, timestamptz)', 'live_model_at(''router'', now())'),
    ('tw_sees_conversation(bigint)', '(SELECT count(*) FROM c WHERE tw_sees_conversation(id))'),
    ('tw_sees_sample(bigint)', '(SELECT tw_sees_sample(1))'),
    ('verify_audit(text)', 'verify_audit()');
-- Verdicts come below; the others read no conversation and no sample.
INSERT INTO calls SELECT f::regprocedure, NULL FROM unnest(ARRAY[
    'approve_conversation(bigint,text,text)', 'approve_conversations(bigint[],text,text)',
    'approve_sample(bigint,text,text)', 'approve_samples(bigint[],text,text)',
    'fix_conversation(bigint,text,jsonb,text,text)', 'fix_conversations(bigint[],text,jsonb,text,text)',
    'fix_sample(bigint,text,jsonb,text,text)', 'fix_samples(bigint[],text,jsonb,text,text)',
    'reject_conversation(bigint,text,text,text)', 'reject_conversations(bigint[],text,text,text)',
    'reject_sample(bigint,text,text,text)', 'reject_samples(bigint[],text,text,text)',
    'withdraw_verdict(bigint,text,text)', 'withdraw_sample_verdict(bigint,text,text)',
    'release_reviews(bigint[],text,bigint[])', 'classify_intent(text,text,text)',
    'classify_intents(text,integer,text,text)', 'filter_decision(double precision,text,text,text)',
    'intent_module_type(text)', 'is_fallback_provider(text,text,text)', 'mcnemar_p(bigint,bigint)',
    'normalize_text(text)', 'paired_evidence(double precision[])', 'redact_pii(text)', 'rollout_bucket(text,text)',
    'sample_ratio_check(bigint[],bigint[],double precision[],double precision)', 'training_setting(text)',
    'tw_accuracy_window()',
    'tw_cut_text(text,integer)', 'tw_excerpt(text)', 'tw_is_verdict(text)', 'tw_load_library()', 'tw_measured_from()',
    'tw_minimum_detectable_losses(jsonb)', 'tw_rollout_nodes(rollouts)', 'tw_module_type(text,text)',
    'tw_sample_text(text)',
    'tw_sees_all_modules()', 'tw_sees_module(text,text)', 'tw_shown_beside(text,text)', 'tw_shown_text(text,boolean)',
    'tw_valid_conversation(text,smallint,boolean,text,timestamptz,boolean,double precision)',
    'tw_valid_sample(text,text,text,text,double precision,double precision,bigint,smallint,text)']) f
UNION ALL
SELECT p.oid, NULL FROM pg_proc p WHERE p.proname = 'sequential_comparison';
SELECT p.oid::regprocedure AS not_decided
FROM pg_depend d
JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid AND d.deptype = 'e'
JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
WHERE e.extname = 'training_workflow' AND has_function_privilege('regress_rs_food', p.oid, 'EXECUTE')
  AND p.oid NOT IN (SELECT function FROM calls) ORDER BY 1;
CREATE TEMP VIEW called AS SELECT function::text AS function, call FROM calls WHERE call IS NOT NULL;
GRANT SELECT ON called, c TO PUBLIC;
SET ROLE regress_rs_food;
SELECT function, words(call) AS limited FROM called ORDER BY function COLLATE "C";
SET ROLE regress_rs_all;
SELECT function, words(call) AS unlimited FROM called ORDER BY function COLLATE "C";
RESET ROLE;
SELECT k.reviewer, c.m, count(*) FROM review_claims k JOIN c ON c.id = k.conversation_log_id
WHERE k.reviewer LIKE 'regress%' GROUP BY 1, 2 ORDER BY 1, 2;
DELETE FROM review_claims;

-- Figures are those of the module.
SET ROLE regress_rs_food;
SELECT conversations, auto_approved, approved, rejected, p50_latency_ms FROM daily_training_stats ORDER BY date DESC;
SELECT conversations, labels, naive_labels FROM live_accuracy();
SELECT sum(reviewed) AS reviewed, sum(waiting) AS waiting FROM review_backlog;
SELECT reviewer, verdicts FROM reviewer_activity;
SELECT scope, reviewer, intent, opinions FROM reviewer_agreement();
SELECT status, waiting FROM second_opinion_backlog WHERE waiting > 0;
SET ROLE regress_rs_all;
SELECT conversations, auto_approved, approved, rejected, p50_latency_ms FROM daily_training_stats ORDER BY date DESC;
SELECT conversations, labels, naive_labels FROM live_accuracy();
SELECT sum(reviewed) AS reviewed, sum(waiting) AS waiting FROM review_backlog;
RESET ROLE;

-- Verdicts: what is hidden gets the error of what does not exist, and no other: of a conversation that is claimed, has
-- no verdict to withdraw, or waits for two models as well.
CREATE FUNCTION outcome(call text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
    EXECUTE 'SELECT ' || call;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, '\d+', 'N');
END $$;
CREATE TEMP TABLE hidden AS
    SELECT 'conversation' AS what, id FROM c WHERE m = 'zparcel' UNION ALL
    SELECT 'sample', id FROM training_samples WHERE text LIKE 'zparcel%' UNION ALL
    SELECT w, 987654 FROM unnest('{conversation,sample}'::text[]) w;
GRANT SELECT ON hidden TO PUBLIC;
SET ROLE regress_rs_food;
SELECT h.what, v.verdict, outcome(format(v.call, h.id)), count(*)
FROM hidden h JOIN (VALUES
    ('conversation', 'approve', 'approve_conversation(%s)'),
    ('conversation', 'approve', 'approve_conversations(''{%s}'')'),
    ('conversation', 'fix', 'fix_conversation(%s, ''a.b'')'),
    ('conversation', 'fix', 'fix_conversations(''{%s}'', ''a.b'')'),
    ('conversation', 'reject', 'reject_conversation(%s, ''unclear'')'),
    ('conversation', 'reject', 'reject_conversations(''{%s}'', ''unclear'')'),
    ('conversation', 'withdraw', 'withdraw_verdict(%s)'),
    ('sample', 'approve', 'approve_sample(%s)'), ('sample', 'approve', 'approve_samples(''{%s}'')'),
    ('sample', 'fix', 'fix_sample(%s, ''a.b'')'), ('sample', 'fix', 'fix_samples(''{%s}'', ''a.b'')'),
    ('sample', 'reject', 'reject_sample(%s, ''unclear'')'),
    ('sample', 'reject', 'reject_samples(''{%s}'', ''unclear'')'),
    ('sample', 'withdraw', 'withdraw_sample_verdict(%s)')) v (what, verdict, call) USING (what)
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT outcome(format('explain_conversation(%s)', id)), bool_and(explain_conversation(id) IS NULL) AS nothing
FROM hidden WHERE what = 'conversation' GROUP BY 1;
-- One of hers may get an intent of another module: the label is what she decides.
SELECT fix_conversation(id, 'intent.zparcel.order') FROM c WHERE m = 'qfood' AND n = 20;
SELECT explain_conversation(id) -> 'sample' ->> 'intent' AS intent FROM c WHERE m = 'qfood' AND n = 20;
-- Its sample is one of the other module then.
SELECT count(*) AS samples FROM training_samples s JOIN c ON c.id = s.conversation_log_id WHERE m = 'qfood' AND n = 20;
SELECT fix_conversation(id, 'intent.qfood.order') FROM c WHERE m = 'qfood' AND n = 20;
RESET ROLE;
SELECT count(*) AS verdicts_on_others FROM review_events e JOIN c ON c.id = e.conversation_log_id
WHERE c.m = 'zparcel' AND e.reviewer = 'regress_rs_food';

-- A function of the reader in WHERE, cheap so that it would come first, sees no hidden row.
CREATE TABLE seen (what text, row_seen text);
GRANT INSERT ON seen TO PUBLIC;
CREATE FUNCTION look(what text, said text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN
    INSERT INTO seen VALUES (what, said);
    RETURN true;
END $$;
SET ROLE regress_rs_food;
SELECT (SELECT count(*) FROM training_queue q WHERE look('queue', q.text)) > 0 AS queue,
       (SELECT count(*) FROM training_samples s WHERE look('samples', s.text)) > 0 AS samples,
       (SELECT count(*) FROM label_conflicts l WHERE look('conflicts', l.example)) > 0 AS conflicts,
       (SELECT count(*) FROM review_backlog b WHERE look('backlog', b.review_reason)) > 0 AS backlog,
       (SELECT count(*) FROM reviewer_activity r WHERE look('activity', r.reviewer)) > 0 AS activity,
       (SELECT count(*) FROM intents i WHERE look('intents', i.intent)) > 0 AS intents;
SELECT count(*) > 0 AS stats FROM daily_training_stats d WHERE look('stats', d.conversations::text);
RESET ROLE;
SELECT what, count(*) > 0 AS is_called, count(*) FILTER (WHERE row_seen LIKE '%zparcel%') AS hidden_rows
FROM seen GROUP BY what ORDER BY what COLLATE "C";

-- Several grants: their union; one without a limit, by membership too: everything. Counted by the first letter.
CREATE FUNCTION sees() RETURNS text LANGUAGE sql AS $$
    SELECT (SELECT string_agg(DISTINCT left(text, 1), '') FROM training_queue) || ' '
        || (SELECT string_agg(DISTINCT left(text, 1), '') FROM training_samples)
$$;
CREATE ROLE regress_rs_member IN ROLE regress_rs_food, regress_rs_parcel;
SET ROLE regress_rs_member;
SELECT sees() AS union_of_two;
SET ROLE regress_rs_parcel;
SELECT sees() AS parcel_and_none;
SET ROLE regress_rs_food;
SELECT sees() AS food;
RESET ROLE;
GRANT regress_rs_all TO regress_rs_food;
SET ROLE regress_rs_food;
SELECT sees() AS member_of_all;
RESET ROLE;
REVOKE regress_rs_all FROM regress_rs_food;
SET ROLE regress_rs_food;
SELECT sees() AS food;
RESET ROLE;
SELECT sees() AS superuser;
SET ROLE regress_rs_operator;
SELECT sees() AS operator;
RESET ROLE;
SELECT grant_training_role('regress_rs_food', 'operator');
SET ROLE regress_rs_food;
SELECT sees() AS also_operator;
RESET ROLE;
SELECT revoke_training_role('regress_rs_food', 'operator');
SELECT role_name, kind FROM role_modules ORDER BY 1, 2;
SELECT grant_training_role('regress_rs_food', 'reviewer', '{qfood}');
GRANT pg_read_all_data TO regress_rs_food;
SET ROLE regress_rs_food;
SELECT sees() AS reads_all_data;
RESET ROLE;
REVOKE pg_read_all_data FROM regress_rs_food;
-- Who was given only the view by hand is under no limit.
GRANT SELECT ON training_queue, training_samples TO regress_rs_none;
GRANT USAGE ON SCHEMA public TO regress_rs_none;
GRANT EXECUTE ON FUNCTION tw_shown_text(text, boolean), tw_cut_text(text, integer), tw_module_type(text, text),
    tw_shown_beside(text, text) TO regress_rs_none;
SET ROLE regress_rs_none;
SELECT sees() AS by_hand;
RESET ROLE;
REVOKE ALL ON training_queue, training_samples FROM regress_rs_none;
-- Through a view or a function of somebody who sees everything, the queue shows the reader no more.
CREATE VIEW through AS SELECT text FROM training_queue;
CREATE FUNCTION through() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
    SELECT string_agg(DISTINCT left(text, 1), '') FROM training_queue
$$;
GRANT SELECT ON through TO regress_rs_food;
SET ROLE regress_rs_food;
SELECT string_agg(DISTINCT left(text, 1), '') AS through_view, through() AS through_function FROM through;
RESET ROLE;

-- In parallel workers.
SET ROLE regress_rs_food;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT string_agg(DISTINCT left(text, 1), '') AS samples FROM training_samples;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET ROLE;

-- A prepared statement, and a change by somebody else in mid-transaction.
SET ROLE regress_rs_food;
PREPARE q AS SELECT string_agg(DISTINCT left(text, 1), '') FROM training_queue;
EXECUTE q;
RESET ROLE;
EXECUTE q;
BEGIN;
SELECT grant_training_role('regress_rs_food', 'reviewer', '{zparcel}');
SET LOCAL ROLE regress_rs_food;
EXECUTE q;
ROLLBACK;
SET ROLE regress_rs_food;
EXECUTE q;
RESET ROLE;
DEALLOCATE q;

-- Grant again with others, and without; a renamed role keeps its limit, and a new one of its name has none.
SELECT grant_training_role('regress_rs_food', 'reviewer', '{""}');
SET ROLE regress_rs_food;
SELECT sees() AS none_only;
RESET ROLE;
SELECT grant_training_role('regress_rs_food', 'reviewer');
SET ROLE regress_rs_food;
SELECT sees() AS everything;
RESET ROLE;
ALTER ROLE regress_rs_parcel RENAME TO regress_rs_post;
SET ROLE regress_rs_post;
SELECT sees() AS renamed;
RESET ROLE;
SELECT problem, found, example, hint FROM check_integrity();
CREATE ROLE regress_rs_parcel;
SELECT grant_training_role('regress_rs_parcel', 'reviewer');
SET ROLE regress_rs_parcel;
SELECT sees() AS new_of_that_name;
SET ROLE regress_rs_post;
SELECT sees() AS renamed;
RESET ROLE;
SELECT grant_training_role('regress_rs_post', 'reviewer', '{zparcel}');
SELECT * FROM check_integrity();
-- As after a restore into another cluster: by name.
UPDATE role_modules SET system_identifier = 1, role_id = 'regress_rs_all'::regrole;
SET ROLE regress_rs_post;
SELECT sees() AS by_name;
SET ROLE regress_rs_all;
SELECT sees() AS its_oid;
RESET ROLE;
SELECT * FROM check_integrity();
-- Dropped without a revoke: the limit is told, and can be taken away.
DROP OWNED BY regress_rs_post;
DROP ROLE regress_rs_post;
SELECT problem, found, example, hint FROM check_integrity();
SELECT revoke_training_role('regress_rs_post', 'reviewer');
SELECT revoke_training_role('regress_rs_post', 'reviewer');
SELECT * FROM check_integrity();
SELECT * FROM security;

-- An operator's INSERT of samples stays possible under a limit; COPY FROM does not. Capture is as it was.
SELECT grant_training_role('regress_rs_food', 'reviewer', '{qfood}');
SET ROLE regress_rs_operator;
INSERT INTO training_samples (text, intent, source) VALUES ('by an operator', 'intent.zparcel.x', 'manual');
\copy training_samples (text, intent, source) FROM '/dev/null'
SET ROLE regress_rs_chat;
COPY conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider) FROM stdin;
copied	a copy	intent.zparcel.order	0.99	indicbert
\.
INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    VALUES ('inserted', 'an insert', 'intent.zparcel.order', 0.99, 'indicbert');
RESET ROLE;
SELECT c.session_id, s.text FROM conversation_logs c LEFT JOIN training_samples s ON s.conversation_log_id = c.id
WHERE c.session_id IN ('copied', 'inserted') ORDER BY 1;
-- Row security that somebody switched off is told.
ALTER TABLE training_samples DISABLE ROW LEVEL SECURITY;
SELECT problem, relation, found, hint FROM check_integrity();
SELECT grant_training_role('regress_rs_food', 'reviewer', '{qfood}');
SELECT * FROM check_integrity();
-- A policy of somebody else stays, and with it the row security.
CREATE POLICY everything ON training_samples USING (true);
SELECT revoke_training_role('regress_rs_food', 'reviewer');
SELECT * FROM security;
SET client_min_messages = warning;
DROP POLICY everything ON training_samples;
ALTER TABLE training_samples DISABLE ROW LEVEL SECURITY;
SELECT count(revoke_training_role(r, k))
FROM unnest('{regress_rs_all,regress_rs_food,regress_rs_parcel,regress_rs_operator,regress_rs_chat}'::text[]) r,
     unnest('{reviewer,analyst,operator,capture}'::text[]) k;
SELECT count(*) AS limits FROM role_modules;
DROP VIEW security, through;
DROP FUNCTION words, outcome, look, sees, through();
DROP TABLE seen;
DROP OWNED BY regress_rs_food, regress_rs_all, regress_rs_parcel, regress_rs_none, regress_rs_operator,
              regress_rs_chat, regress_rs_member;
DROP ROLE regress_rs_food, regress_rs_all, regress_rs_parcel, regress_rs_none, regress_rs_operator, regress_rs_chat,
          regress_rs_member;
