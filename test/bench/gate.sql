-- The paired gate with known truth: challengers whose difference from the
-- live model is known. For databases that are thrown away.
--
-- The real functions do everything: training, capture, scoring of the pool, blind questions, evidence, decision and
-- gate. Simulated are the messages and reviewers, who are never wrong and answer ten questions at a time.

CREATE SCHEMA bench;
CREATE TABLE bench.rows (text text, intent text, domain text, split text, lang text);
CREATE TABLE bench.texts (number int PRIMARY KEY, text text, intent text);
CREATE TABLE bench.results (kind text, run int, difference double precision, messages bigint, disagreements bigint,
                            labels int, status text, gate text);

CREATE FUNCTION bench.learn(first_number int, last_number int) RETURNS text LANGUAGE sql AS $$
    SELECT import_training_samples(string_agg(jsonb_build_object('text', t.text, 'intent', t.intent)::text, E'\n'),
                                   ignore_unknown_keys => false)::text
    FROM bench.texts t WHERE t.number BETWEEN first_number AND last_number
$$;

-- Kinds of challengers: equal (as many other texts), more (a thousand texts besides the live model's two thousand),
-- stranger (right in five points less of all messages, whichever they are).
CREATE PROCEDURE bench.run(kind text, run int)
    LANGUAGE plpgsql
AS $$
DECLARE
    live CONSTANT text := 'router-v1.0.0';
    rival CONSTANT text := 'router-v1.1.0';
    live_truth double precision;
    rival_truth double precision;
    evaluation bigint;
    ended text;
BEGIN
    PERFORM setseed(run / 1000.0);
    INSERT INTO bench.texts
        SELECT row_number() OVER (ORDER BY random()), x.text, x.intent
        FROM (SELECT min(r.text) AS text, mode() WITHIN GROUP (ORDER BY r.intent) AS intent FROM bench.rows r
              WHERE NOT tw_is_blank(tw_model_text(r.text)) GROUP BY tw_model_text(r.text) ORDER BY 1) x;
    -- No draw of the audit: the test set stays empty, and the paired evidence alone decides.
    INSERT INTO review_policies (audit_rate_approved, audit_rate_review) VALUES (0, 0);
    PERFORM bench.learn(1, 2000);
    PERFORM train_model();
    PERFORM promote_model(live, 'something has to answer');
    IF kind = 'stranger' THEN
        PERFORM register_model(rival, 'router');
        UPDATE model_versions SET gate_decision = 'undecided' WHERE version = rival;
    ELSE
        IF kind = 'equal' THEN
            UPDATE training_samples SET review_status = 'rejected';
        END IF;
        PERFORM bench.learn(2001, CASE kind WHEN 'equal' THEN 4000 ELSE 3000 END);
        PERFORM train_model();
    END IF;
    INSERT INTO conversation_logs (id, session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                   nlu_model_version)
        SELECT t.number, 's' || t.number, t.text, c.intent, c.confidence, 'indicbert', live
        FROM bench.texts t, classify_intent(t.text, 'router', live) c WHERE t.number > 4000;
    SELECT avg((c.nlu_intent IS NOT DISTINCT FROM t.intent)::int) INTO live_truth
    FROM conversation_logs c JOIN bench.texts t ON t.number = c.id;
    INSERT INTO paired_answers
        SELECT rival, t.number, CASE WHEN random() < live_truth - 0.05 THEN t.intent ELSE 'intent.of.none' END
        FROM bench.texts t
        WHERE kind = 'stranger' AND t.number > 4000;
    SELECT avg((coalesce(a.intent, c.intent) IS NOT DISTINCT FROM t.intent)::int) INTO rival_truth
    FROM bench.texts t LEFT JOIN paired_answers a ON a.version = rival AND a.conversation_log_id = t.number
    LEFT JOIN LATERAL (SELECT * FROM classify_intent(t.text, 'router', rival) WHERE kind <> 'stranger') c ON true
    WHERE t.number > 4000;

    PERFORM tw_start_paired_evaluations();
    SELECT id INTO STRICT evaluation FROM paired_evaluations;
    UPDATE paired_evaluations SET first_id = 4000, scored_to = 4000;
    PERFORM tw_score_pool(evaluation);
    LOOP
        PERFORM tw_ask_about_disagreements(evaluation);
        PERFORM fix_conversation(c.id, t.intent)
        FROM (SELECT l.id FROM conversation_logs l
              WHERE l.review_priority IS NOT NULL AND l.review_reason = 'model disagreement'
              ORDER BY hashint8extended(l.id, run) LIMIT 10) c JOIN bench.texts t ON t.number = c.id;
        EXIT WHEN NOT FOUND;
        ended := tw_judge_pair(evaluation);
        EXIT WHEN ended IS NOT NULL;
    END LOOP;
    INSERT INTO bench.results
        SELECT kind, run, rival_truth - live_truth, p.messages, p.disagreements, p.labels, p.status, m.gate_decision
        FROM paired_evaluations p JOIN model_versions m ON m.version = rival;
END
$$;
