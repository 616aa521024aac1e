-- At the hub of a fleet, conversations of different nodes are not in the order of their ids: whatever means "after this
-- one" is a position for each node. What a node sends is inserted here as a subscription would.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET client_min_messages = warning;
SET timezone = 'UTC';
-- No draw decides here.
INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
SELECT set_training_setting('time_zone', 'UTC');

-- Captured here, or by a node and filtered there.
CREATE FUNCTION say(message text, intent text, confidence double precision DEFAULT 0.95) RETURNS bigint
    LANGUAGE sql AS $$
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                   nlu_model_version)
    VALUES ('here', message, intent, confidence, 'indicbert', 'router-v1.0.0') RETURNING id
$$;
CREATE FUNCTION arrive(node integer, number integer, message text, intent text,
                       confidence double precision DEFAULT 0.95, age interval DEFAULT '0', module text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE sql SET session_replication_role = replica AS $$
    INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                   nlu_module_type, nlu_model_version, is_training_candidate, review_status,
                                   review_priority, review_reason, filter_outcome, is_audit, selection_probability,
                                   filtered_at, created_at, created_on)
    SELECT tw_first_id(node) - 1 + number, 'node ' || node, message, intent, confidence, 'indicbert', module,
           CASE WHEN module IS NULL THEN 'router-v1.0.0' END, true, f.outcome, CASE WHEN NOT f.is_sure THEN 2 END,
           CASE WHEN NOT f.is_sure THEN 'low confidence' END, f.outcome, false, 0, now() - age, now() - age,
           (now() - age)::date
    FROM (SELECT confidence >= 0.9 AS is_sure,
                 CASE WHEN confidence >= 0.9 THEN 'auto-approved' ELSE 'needs-review' END AS outcome) f
    RETURNING id
$$;
-- Ids, readably.
CREATE FUNCTION shown(ids bigint[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format('%s:%s', tw_node_of(i), i - tw_first_id(tw_node_of(i)) + 1), ' ' ORDER BY i)
    FROM unnest(ids) i
$$;

-- A database on its own is one part, whatever ids it has.
SELECT arrive(0, 1, 'hello', 'intent.a.b'), arrive(700, 1, 'hello', 'intent.a.b') > 0 AS far;
SELECT * FROM tw_later_parts('{5,3}', 1);
SELECT tw_newest_of_nodes() IS NULL AS no_nodes, shown(ARRAY[tw_last_conversation()]) AS last;
SELECT register_model('food-agent-v1.0.0', 'food-agent');
SELECT shown(ARRAY[learned_to]) AS learned_to, nodes_learned_to FROM model_versions;
DELETE FROM conversation_logs;

-- The hub, its own conversation, and those of two nodes.
SELECT set_fleet_node(0);
SELECT inserted FROM import_training_samples((SELECT string_agg(
    jsonb_build_object('text', v || ' ' || o || ' please', 'intent', 'intent.food.order.' || v)::text, E'\n')
    FROM unnest(ARRAY['cancel', 'track']) v, unnest(ARRAY['my order', 'the parcel', 'this pizza', 'it', 'order nine',
                                                          'that one', 'yesterday', 'the food', 'my bag', 'a cab']) o));
SELECT say('track it now', 'intent.food.order.track');
SELECT count(arrive(2, n, 'cancel two ' || n, 'intent.food.order.cancel')) FROM generate_series(1, 3) n;
SELECT count(arrive(1, n, 'track one ' || n, 'intent.food.order.track')) FROM generate_series(1, 2) n;
SELECT shown(ARRAY[tw_position(i, 0), tw_position(i, 1), tw_position(i, 2)]) AS positions, shown(p.nodes) AS nodes
FROM (SELECT array_agg(id) AS i FROM conversation_logs) c, tw_split_positions(i, 0) p;
SELECT shown(ARRAY[after]) AS after, shown(ARRAY[up_to]) = shown(ARRAY[tw_first_id(tw_node_of(up_to) + 1) - 2]) AS whole
FROM tw_later_parts(ARRAY[tw_first_id(2) + 1], 0);
SELECT shown(ARRAY[after]) AS after FROM tw_later_parts(ARRAY[tw_first_id(2) + 1], 10000);
-- Their samples.
INSERT INTO fleet_arrivals SELECT id FROM conversation_logs WHERE tw_node_of(id) > 0;
CALL sweep_fleet(now());
SELECT shown(array_agg(conversation_log_id)) FROM training_samples WHERE conversation_log_id IS NOT NULL;

-- A version can have learned from what has arrived.
SELECT version, status FROM train_model();
SELECT promote_model('router-v1.0.0', 'something has to answer');
SELECT count(arrive(2, n, 'cancel two ' || n, 'intent.food.order.cancel')) FROM generate_series(4, 6) n;
SELECT count(arrive(1, n, 'track one ' || n, 'intent.food.order.track')) FROM generate_series(3, 4) n;
SELECT inserted FROM import_training_samples((SELECT string_agg(
    jsonb_build_object('text', 'refund ' || o || ' please', 'intent', 'intent.food.order.refund')::text, E'\n')
    FROM unnest(ARRAY['my order', 'the parcel', 'this pizza', 'it', 'order nine', 'that one', 'yesterday', 'the food',
                      'my bag', 'a cab']) o));
SELECT version, gate_decision FROM train_model();
-- Registered: perhaps from all of them.
SELECT arrive(1, 5, 'track one 5', 'intent.food.order.track') > 0 AS said;
SELECT register_model('shop-agent-v1.0.0', 'shop-agent', 'production');
SELECT version, shown(ARRAY[learned_to]) AS learned_to, shown(nodes_learned_to) AS nodes_learned_to
FROM model_versions ORDER BY created_at, version;
-- A conversation that arrived during the training was learned as well.
SELECT request_training('shop-agent', 'outside') > 0 AS asked;
SELECT job_id AS job, secret FROM claim_training_job('worker-1', model_types => '{shop-agent}') \gset
SELECT arrive(3, 7, 'refund three', 'intent.food.order.refund') AS late \gset
INSERT INTO fleet_arrivals VALUES (:late);
CALL sweep_fleet(now());
SELECT * FROM tw_finish_training(:job, ARRAY(SELECT id FROM training_samples WHERE conversation_log_id = :late), '{}',
                                 now(), '{}');
SELECT shown(ARRAY[learned_to]) AS learned_to, shown(nodes_learned_to) AS nodes_learned_to
FROM model_versions WHERE version = 'shop-agent-v1.1.0';

-- The pool: after both of them, of each node. Node 3 had none then.
CALL run_training_jobs();
CREATE VIEW course AS
    SELECT challenger, status, shown(ARRAY[first_id]) AS first_id, shown(ARRAY[scored_to]) AS scored_to,
           shown(nodes_scored_to) AS nodes_scored_to, messages, disagreements
    FROM paired_evaluations ORDER BY id;
SELECT * FROM course WHERE challenger LIKE 'router%';
-- The highest node first; then the lower ones, whose ids are lower.
SELECT arrive(2, n, 'refund two ' || n, 'intent.food.order.cancel', 0.5, '1 hour') > 0 AS said
FROM generate_series(7, 8) n;
CALL run_training_jobs();
SELECT * FROM course WHERE challenger LIKE 'router%';
SELECT arrive(1, n, 'refund one ' || n, 'intent.food.order.cancel', 0.5, '2 hours') > 0 AS said
FROM generate_series(6, 7) n;
SELECT say('refund here', 'intent.food.order.cancel', 0.5);
CALL run_training_jobs();
SELECT * FROM course WHERE challenger LIKE 'router%';
SELECT shown(array_agg(conversation_log_id)) FROM paired_disagreements WHERE asked_at IS NOT NULL;
-- Whoever reviews gets them in the order of arrival.
SELECT shown(ARRAY[conversation_log_id]) FROM claim_reviews(3) WITH ORDINALITY ORDER BY ordinality;

-- Each step takes of each node its share, and of none more than there is.
SELECT count(arrive(1, n, 'track one ' || n, 'intent.food.order.track')) FROM generate_series(8, 17) n;
SELECT count(arrive(2, n, 'track two ' || n, 'intent.food.order.track')) FROM generate_series(9, 10) n;
SELECT tw_score_pool(id, 6) FROM paired_evaluations WHERE challenger LIKE 'router%';
SELECT * FROM course WHERE challenger LIKE 'router%';
SELECT tw_score_pool(id, 6) FROM paired_evaluations WHERE challenger LIKE 'router%';
SELECT * FROM course WHERE challenger LIKE 'router%';
SELECT tw_score_pool(id, 6), tw_score_pool(id, 6) FROM paired_evaluations WHERE challenger LIKE 'router%';

-- When not all can be asked about, those of one node do not come first.
SELECT count(arrive(n, 100 + m, format('refund again %s %s', n, m), 'intent.food.order.cancel', 0.5,
                    make_interval(mins => 10 - m)))
FROM generate_series(1, 2) n, generate_series(1, 3) m;
SELECT tw_score_pool(id) FROM paired_evaluations WHERE challenger LIKE 'router%';
SELECT set_training_setting('paired_max_labels', '10');
SELECT tw_ask_about_disagreements(id) FROM paired_evaluations WHERE challenger LIKE 'router%';
SELECT shown(array_agg(conversation_log_id)) FROM paired_disagreements d JOIN conversation_logs c
    ON c.id = d.conversation_log_id WHERE d.asked_at IS NOT NULL AND c.user_message LIKE 'refund again%';

-- The labels decide, and the gate follows them.
SELECT count(fix_conversation(id, 'intent.food.order.refund')) FROM conversation_logs
WHERE review_priority IS NOT NULL AND review_reason = 'model disagreement';
CALL run_training_jobs();
SELECT status, labels FROM paired_evaluations WHERE challenger LIKE 'router%';
SELECT status, gate_decision, split_part(gate_reason, ' on ', 1) AS reason FROM model_versions
WHERE version = 'router-v1.1.0';

-- A version outside: its workers get the messages of the nodes in turns, and one that waits holds up its node alone.
SELECT count(arrive(n, 200 + m, format('shop %s %s', n, m), 'intent.shop.order.track', 0.95, '0', 'shop'))
FROM generate_series(1, 2) n, generate_series(1, 4) m;
CALL run_training_jobs();
SELECT * FROM course WHERE challenger LIKE 'shop%';
SELECT shown(array_agg(p)) FROM tw_unanswered_pool('shop-agent-v1.1.0', 4) p;
INSERT INTO paired_answers
SELECT v, id, 'intent.shop.order.refund'
FROM conversation_logs, unnest('{shop-agent-v1.0.0,shop-agent-v1.1.0}'::text[]) v
WHERE user_message LIKE 'shop 1 _' OR user_message = 'shop 2 2';
SELECT tw_score_pool(id) FROM paired_evaluations WHERE challenger LIKE 'shop%';
SELECT * FROM course WHERE challenger LIKE 'shop%';
SELECT shown(array_agg(p)) FROM tw_unanswered_pool('shop-agent-v1.1.0', 4) p;
-- Retention leaves what has yet to be scored.
SELECT shown(array_agg(id)) AS kept FROM tw_kept_from_retention(ARRAY(
    SELECT id FROM conversation_logs WHERE user_message LIKE 'shop%'), current_date - 29)
WHERE reason = 'paired evaluation';
SELECT tw_end_paired_evaluation(id, 'cancelled', 'enough') FROM paired_evaluations WHERE status = 'running';

-- The last conversation of an intent is not that of the highest node.
SELECT arrive(2, 300, 'book a cab', 'intent.ride.book', 0.5, '3 days') > 0 AS said,
       arrive(1, 300, 'book a ride', 'intent.ride.book', 0.5, '1 day') > 0 AS said_later;
SELECT last_seen = (SELECT created_at FROM conversation_logs WHERE user_message = 'book a ride') AS later
FROM intents WHERE intent = 'intent.ride.book';

-- Retention: what arrives for a day that was gone through is found, also of a lower node, and of a late copy.
SELECT set_training_setting('retain_text', '40');
SELECT arrive(1, 400, 'old one', 'intent.a.b', 0.95, '50 days') > 0 AS one,
       arrive(2, 90000, 'old two', 'intent.a.b', 0.95, '50 days') > 0 AS two;
CALL purge_conversations();
SELECT d.key, d.value FROM job_runs r, jsonb_each(r.details) d
WHERE r.job_name = 'purge_conversations' AND d.key LIKE 'newest%' ORDER BY d.key;
SELECT arrive(1, 401, 'later one', 'intent.a.b', 0.95, '50 days') > 0 AS one,
       arrive(3, 50000, 'later three', 'intent.a.b', 0.95, '51 days') > 0 AS three;
CALL purge_conversations();
SELECT count(*) FILTER (WHERE anonymised_at IS NOT NULL) AS anonymous, count(*) FROM conversation_logs
WHERE created_on <= current_date - 50;
SELECT arrive(2, 1000, 'missing for long', 'intent.a.b', 0.95, '50 days') > 0 AS copied;
CALL purge_conversations();
SELECT count(*) AS left FROM conversation_logs WHERE user_message = 'missing for long';
SELECT tw_reopen_all_days();
CALL purge_conversations();
SELECT count(*) AS left FROM conversation_logs WHERE user_message = 'missing for long';

-- An import keeps the ids of this database's part, and no other.
CREATE TABLE old_chats (id bigint, session_id text, user_message text);
INSERT INTO old_chats VALUES (9000, 'a', 'first'), (tw_first_id(1) + 5000, 'b', 'of node 1'),
                             (1::bigint << 52, 'c', 'far');
SELECT imported, ids_kept FROM import_conversations('old_chats');
SELECT user_message, tw_node_of(id) AS node, id = 9000 AS kept FROM conversation_logs
WHERE session_id IN ('a', 'b', 'c') ORDER BY session_id;

-- A database that was the hub of a fleet has ids of several parts, and takes them as such.
INSERT INTO fleet_arrivals SELECT id FROM conversation_logs WHERE tw_node_of(id) > 0;
CALL sweep_fleet(now());
CALL fleet_leave();
SELECT training_setting('fleet_role') AS role;
SELECT register_model('food-agent-v1.1.0', 'food-agent');
SELECT learned_to = tw_last_conversation() AS own, shown(nodes_learned_to) FROM model_versions
WHERE version = 'food-agent-v1.1.0';
-- Captured by the owner, here as in all tests.
SELECT problem, relation, found FROM check_integrity() WHERE problem <> 'capture with the owner''s rights';
DROP VIEW course;
DROP TABLE old_chats;
DROP FUNCTION say, arrive, shown;
