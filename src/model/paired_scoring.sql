-- The course of paired evaluations: start, scoring of new messages, review of disagreements, decision. Each run of
-- run_training_jobs() takes each of them a step further.

CREATE FUNCTION @extschema@.tw_pool_start(
    challenger text, live_version text, OUT first_id bigint, OUT nodes_scored_to bigint[])
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    node CONSTANT integer := @extschema@.tw_fleet_node();
    newest CONSTANT bigint := @extschema@.tw_last_conversation();
    newest_of_nodes CONSTANT bigint[] := @extschema@.tw_newest_of_nodes();
BEGIN
    SELECT max(coalesce(m.learned_to, newest)) INTO first_id
    FROM @extschema@.model_versions m WHERE m.version IN (challenger, live_version);
    IF node IS NOT NULL THEN
        SELECT p.own, p.nodes INTO first_id, nodes_scored_to
        FROM @extschema@.tw_split_positions(ARRAY(
            SELECT unnest(CASE WHEN m.learned_to IS NULL THEN newest || newest_of_nodes
                               ELSE m.learned_to || m.nodes_learned_to END)
            FROM @extschema@.model_versions m WHERE m.version IN (challenger, live_version)), node) p;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_pool_start(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_pool_start(text, text) IS
    'The conversations that the pool of two versions begins after, as paired_evaluations has them: neither can have '
    'learned from later ones';

CREATE FUNCTION @extschema@.tw_start_paired_evaluations() RETURNS bigint
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- The newest candidate that the gate could not decide about. A pair of versions is evaluated once.
    WITH begun AS (
        INSERT INTO @extschema@.paired_evaluations (model_type, challenger, live_version, first_id, scored_to,
                                                    nodes_scored_to, approved_rate)
        SELECT c.model_type, c.version, l.version, f.first_id, f.first_id, f.nodes_scored_to,
               @extschema@.training_setting('paired_approved_rate')::double precision
        FROM (SELECT DISTINCT ON (m.model_type) m.* FROM @extschema@.model_versions m
              WHERE m.status = 'candidate' AND m.gate_decision = 'undecided'
              ORDER BY m.model_type, m.created_at DESC,
                       string_to_array(regexp_replace(m.version, '^.*-v', ''), '.')::numeric[] DESC) c
        JOIN @extschema@.model_versions l ON l.model_type = c.model_type AND l.status = 'production'
        CROSS JOIN LATERAL @extschema@.tw_pool_start(c.version, l.version) f
        WHERE NOT EXISTS (SELECT FROM @extschema@.paired_evaluations p
                          WHERE p.model_type = c.model_type
                            AND (p.status = 'running' OR p.challenger = c.version AND p.live_version = l.version))
        ON CONFLICT DO NOTHING
        RETURNING id
    )
    SELECT count(*) FROM begun;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_start_paired_evaluations() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_start_paired_evaluations() IS
    'Begins the paired evaluation of the newest undecided candidate of each type that has none running; '
    'returns how many';

CREATE FUNCTION @extschema@.tw_end_paired_evaluation(evaluation bigint, how text, why text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE @extschema@.paired_evaluations p SET status = how, reason = why, decided_at = clock_timestamp()
    WHERE p.id = evaluation;
    PERFORM @extschema@.tw_withdraw_blind(ARRAY(SELECT d.conversation_log_id FROM @extschema@.paired_disagreements d
                                                WHERE d.evaluation_id = evaluation AND d.asked_at IS NOT NULL));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_end_paired_evaluation(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_end_paired_evaluation(bigint, text, text) IS
    'Ends an evaluation; disagreements without a choice leave the review queue, or wait as they did before';

CREATE FUNCTION @extschema@.tw_withdraw_left_blind(OUT released bigint, OUT locked bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    left_over CONSTANT bigint[] := ARRAY(
        SELECT DISTINCT c.id FROM @extschema@.conversation_logs c
        JOIN @extschema@.blind_reviews b ON b.conversation_log_id = c.id
        JOIN @extschema@.paired_disagreements d ON d.conversation_log_id = c.id AND d.asked_at IS NOT NULL
        WHERE c.review_priority IS NOT NULL AND c.review_reason = 'model disagreement'
          AND NOT EXISTS (SELECT FROM @extschema@.paired_disagreements x
                          JOIN @extschema@.paired_evaluations p ON p.id = x.evaluation_id
                          WHERE x.conversation_log_id = c.id AND x.asked_at IS NOT NULL AND p.status = 'running'));
BEGIN
    released := @extschema@.tw_withdraw_blind(left_over);
    locked := cardinality(left_over) - released;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_withdraw_left_blind() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_withdraw_left_blind() IS
    'Withdraws blind questions of ended evaluations that were claimed or locked when they ended; returns how many, '
    'and how many are still locked';

-- The next messages of the pool, with the answers of both versions. The answers of a version outside come from its
-- workers (paired_answers); for the live one also from conversation_logs.
CREATE FUNCTION @extschema@.tw_next_of_pool(
    p @extschema@.paired_evaluations, max_messages integer, OUT after bigint, OUT last_id bigint)
    RETURNS SETOF record
    LANGUAGE sql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Each node has its share, however many conversations another one has.
    SELECT k.after, n.last_id
    FROM (SELECT x.after, x.up_to, count(*) OVER () AS parts
          FROM @extschema@.tw_later_parts((p).scored_to || (p).nodes_scored_to, 0::bigint) x) k
    CROSS JOIN LATERAL (SELECT max(b.id) AS last_id
                        FROM (SELECT c.id FROM @extschema@.conversation_logs c
                              WHERE c.id > k.after AND c.id <= k.up_to
                              ORDER BY c.id LIMIT (max_messages + k.parts - 1) / k.parts) b) n
    WHERE n.last_id IS NOT NULL;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_next_of_pool(@extschema@.paired_evaluations, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_next_of_pool(@extschema@.paired_evaluations, integer) IS
    'The next conversations of a pool, about this many, as ranges of ids (above after, up to last_id): one, and in a '
    'fleet one of each database that has such';

CREATE FUNCTION @extschema@.tw_pool_answers(
    p @extschema@.paired_evaluations, afters bigint[], last_ids bigint[],
    OUT id bigint, OUT is_certain boolean, OUT challenger_intent text, OUT live_intent text, OUT is_answered boolean)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH here AS MATERIALIZED (
        SELECT @extschema@.tw_is_servable((p).challenger) AS challenger,
               @extschema@.tw_is_servable((p).live_version) AS live
    ), batch AS MATERIALIZED (
        SELECT c.id, c.user_message, c.nlu_intent, c.nlu_module_type, c.nlu_provider,
               c.nlu_model_version, c.filter_outcome, c.is_audit, c.anonymised_at,
               @extschema@.tw_is_too_long(NULL::integer, c.user_message, c.nlu_intent, c.nlu_module_type,
                   c.message_language, c.routed_to, c.nlu_entities) AS is_too_long
        FROM unnest(afters, last_ids) AS k (after, last_id)
        JOIN @extschema@.conversation_logs c ON c.id > k.after AND c.id <= k.last_id
    )
    SELECT b.id, b.filter_outcome = 'needs-review' OR b.is_audit, x.intent, y.intent, x.is_answered AND y.is_answered
    FROM batch b
    CROSS JOIN here h
    CROSS JOIN LATERAL (
        SELECT a.intent, true AS is_answered
        FROM @extschema@.classify_intent(b.user_message, (p).model_type, (p).challenger) a WHERE h.challenger
        UNION ALL
        SELECT @extschema@.tw_resolve_intent(a.intent), a.version IS NOT NULL
        FROM (SELECT) one LEFT JOIN @extschema@.paired_answers a ON a.version = (p).challenger
            AND a.conversation_log_id = b.id WHERE NOT h.challenger) x
    CROSS JOIN LATERAL (
        SELECT a.intent, true AS is_answered
        FROM @extschema@.classify_intent(b.user_message, (p).model_type, (p).live_version) a WHERE h.live
        UNION ALL
        SELECT @extschema@.tw_resolve_intent(CASE WHEN a.version IS NOT NULL THEN a.intent
                                                  WHEN o.is_own THEN b.nlu_intent END),
               a.version IS NOT NULL OR o.is_own
        FROM (SELECT coalesce(b.nlu_model_version = (p).live_version
                              AND NOT @extschema@.is_fallback_provider(b.nlu_provider, b.nlu_intent, b.nlu_module_type),
                              false) AS is_own) o
        LEFT JOIN @extschema@.paired_answers a ON a.version = (p).live_version AND a.conversation_log_id = b.id
        WHERE NOT h.live) y
    -- Messages too long to become a sample are left out: nobody could choose between two answers to them.
    WHERE b.filter_outcome <> 'not-applicable' AND NOT b.is_too_long AND b.anonymised_at IS NULL
      AND @extschema@.tw_is_of_type((p).model_type, @extschema@.tw_module_type(b.nlu_module_type, b.nlu_intent));
END;
REVOKE ALL ON FUNCTION @extschema@.tw_pool_answers(@extschema@.paired_evaluations, bigint[], bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_pool_answers(@extschema@.paired_evaluations, bigint[], bigint[]) IS
    'The learnable messages of the type among the conversations in ranges of ids that tw_next_of_pool() gave; '
    'is_certain: a disagreement about it is always queued for review';

CREATE FUNCTION @extschema@.tw_unanswered_pool(version text, max_messages integer DEFAULT 5000) RETURNS SETOF bigint
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT n.id
    FROM @extschema@.paired_evaluations p
    CROSS JOIN LATERAL @extschema@.tw_later_parts(p.scored_to || p.nodes_scored_to, 0::bigint) k
    -- At a hub the nodes take turns.
    CROSS JOIN LATERAL (
        SELECT x.id, row_number() OVER (ORDER BY x.id) AS turn
        FROM (SELECT c.id FROM @extschema@.conversation_logs c
              WHERE c.id > k.after AND c.id <= k.up_to
                AND c.filter_outcome <> 'not-applicable' AND c.anonymised_at IS NULL
                AND NOT @extschema@.tw_is_too_long(NULL::integer, c.user_message, c.nlu_intent, c.nlu_module_type,
                    c.message_language, c.routed_to, c.nlu_entities)
                AND @extschema@.tw_is_of_type(p.model_type,
                                              @extschema@.tw_module_type(c.nlu_module_type, c.nlu_intent))
                -- The live version's own answer in conversation_logs is known.
                AND (tw_unanswered_pool.version = p.challenger
                     OR NOT coalesce(c.nlu_model_version = p.live_version
                                     AND NOT @extschema@.is_fallback_provider(c.nlu_provider, c.nlu_intent,
                                                                              c.nlu_module_type), false))
                AND NOT EXISTS (SELECT FROM @extschema@.paired_answers a
                                WHERE a.version = tw_unanswered_pool.version AND a.conversation_log_id = c.id)
              ORDER BY c.id LIMIT max_messages) x) n
    WHERE p.status = 'running' AND tw_unanswered_pool.version IN (p.challenger, p.live_version)
      AND NOT @extschema@.tw_is_servable(tw_unanswered_pool.version)
    ORDER BY n.turn, n.id LIMIT max_messages;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_unanswered_pool(text, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_unanswered_pool(text, integer) IS
    'The next messages of a running paired evaluation that a version outside has not answered, at most this many';

CREATE FUNCTION @extschema@.tw_score_pool(evaluation bigint, max_messages integer DEFAULT 10000) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
    p @extschema@.paired_evaluations;
    node integer;
    afters bigint[];
    last_ids bigint[];
    reached bigint[];
    is_answered boolean;
    scored bigint;
    differing bigint;
BEGIN
    SELECT * INTO p FROM @extschema@.paired_evaluations e WHERE e.id = evaluation AND e.status = 'running' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    SELECT array_agg(k.after), array_agg(k.last_id) INTO afters, last_ids
    FROM @extschema@.tw_next_of_pool(p, max_messages) k;
    IF afters IS NULL THEN
        RETURN 0;
    END IF;
    WITH answers AS MATERIALIZED (
        SELECT * FROM @extschema@.tw_pool_answers(p, afters, last_ids)
    ), cut AS MATERIALIZED (
        -- A message without a worker's answer waits, and so do all messages after it (of the same database).
        SELECT k.after, k.last_id, coalesce(min(a.id), k.last_id + 1) AS id
        FROM unnest(afters, last_ids) AS k (after, last_id)
        LEFT JOIN answers a ON a.id > k.after AND a.id <= k.last_id AND NOT a.is_answered
        GROUP BY k.after, k.last_id
    ), written AS (
        INSERT INTO @extschema@.paired_disagreements (evaluation_id, conversation_log_id, challenger_intent,
                                                      live_intent, probability, is_drawn)
        SELECT evaluation, a.id, a.challenger_intent, a.live_intent, r.rate, random() < r.rate
        FROM answers a JOIN cut ON a.id > cut.after AND a.id < cut.id
        CROSS JOIN LATERAL (SELECT CASE WHEN a.is_certain THEN 1 ELSE p.approved_rate END AS rate) r
        WHERE a.challenger_intent IS DISTINCT FROM a.live_intent
        ORDER BY a.id
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM answers a JOIN cut ON a.id > cut.after AND a.id < cut.id),
           (SELECT count(*) FROM written), (SELECT array_agg(cut.id - 1) FROM cut),
           (SELECT bool_and(cut.id > cut.last_id) FROM cut)
    INTO scored, differing, reached, is_answered;
    node := CASE WHEN @extschema@.tw_fleet_node() IS NOT NULL THEN @extschema@.tw_node_of(p.scored_to) END;
    UPDATE @extschema@.paired_evaluations e
    SET scored_to = CASE WHEN node IS NULL THEN reached[1] ELSE n.own END,
        nodes_scored_to = CASE WHEN node IS NULL THEN e.nodes_scored_to ELSE n.nodes END,
        messages = e.messages + scored, disagreements = e.disagreements + differing
    FROM @extschema@.tw_split_positions(p.scored_to || p.nodes_scored_to || reached, node) n
    WHERE e.id = evaluation;
    IF NOT is_answered AND NOT EXISTS (
        SELECT FROM @extschema@.training_jobs j
        WHERE j.kind = 'evaluate' AND j.version IN (p.challenger, p.live_version)
          AND (j.status IN ('queued', 'running', 'handed-in')
              OR j.finished_at > clock_timestamp() - interval '1 hour')) THEN
        PERFORM @extschema@.tw_queue_evaluation(v.version)
        FROM unnest(ARRAY[p.challenger, p.live_version]) AS v (version) WHERE NOT @extschema@.tw_is_servable(v.version);
    END IF;
    RETURN scored;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_score_pool(bigint, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_score_pool(bigint, integer) IS
    'Scores the next messages of an evaluation, of at most this many conversations, with both versions; stores the '
    'disagreements and returns how many messages were scored. Queues an evaluate job where a version outside has not '
    'answered yet';

CREATE FUNCTION @extschema@.tw_ask_about_disagreements(evaluation bigint) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    p @extschema@.paired_evaluations;
    -- At most paired_max_labels labels count, waiting and judged ones included.
    room bigint;
    asked bigint[];
BEGIN
    SELECT * INTO p FROM @extschema@.paired_evaluations e WHERE e.id = evaluation AND e.status = 'running';
    room := @extschema@.training_setting('paired_max_labels')::integer - p.labels
        - (SELECT count(*) FROM @extschema@.paired_disagreements d
           JOIN @extschema@.conversation_logs c ON c.id = d.conversation_log_id
           WHERE d.evaluation_id = evaluation AND d.asked_at IS NOT NULL AND c.review_priority IS NOT NULL
             AND c.review_reason = 'model disagreement');
    IF room > 0 THEN
        SELECT a.asked INTO asked
        FROM (SELECT array_agg(n.conversation_log_id) AS ids,
                     array_agg(@extschema@.tw_resolve_intent(
                         CASE WHEN n.swapped THEN n.live_intent ELSE n.challenger_intent END)) AS firsts,
                     array_agg(@extschema@.tw_resolve_intent(
                         CASE WHEN n.swapped THEN n.challenger_intent ELSE n.live_intent END)) AS seconds
              FROM (SELECT d.*, random() < 0.5 AS swapped
                    FROM @extschema@.paired_disagreements d
                    JOIN @extschema@.conversation_logs c ON c.id = d.conversation_log_id
                    WHERE d.evaluation_id = evaluation AND d.is_drawn AND d.asked_at IS NULL
                      -- Two answers may have become one: merge_intents().
                      AND @extschema@.tw_resolve_intent(d.challenger_intent)
                          IS DISTINCT FROM @extschema@.tw_resolve_intent(d.live_intent)
                      AND @extschema@.tw_is_unjudged(c.review_status)
                      AND NOT EXISTS (SELECT FROM @extschema@.review_events e
                                      WHERE e.conversation_log_id = c.id AND @extschema@.tw_is_persons_word(e.action))
                    -- In order of arrival, which at a hub is not that of the ids: the labels would be those of the
                    -- first nodes alone.
                    ORDER BY CASE WHEN p.nodes_scored_to IS NOT NULL THEN c.created_at END, d.conversation_log_id
                    LIMIT room) n) x,
             LATERAL @extschema@.tw_ask_blindly(x.ids, x.firsts, x.seconds) a;
        UPDATE @extschema@.paired_disagreements d SET asked_at = clock_timestamp()
        WHERE d.evaluation_id = evaluation AND d.conversation_log_id = ANY (asked);
    END IF;
    RETURN coalesce(cardinality(asked), 0);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_ask_about_disagreements(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_ask_about_disagreements(bigint) IS
    'Queues drawn disagreements for blind review while their labels can still count; returns how many';

CREATE FUNCTION @extschema@.tw_judge_pair(evaluation bigint) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    p @extschema@.paired_evaluations;
    d record;
BEGIN
    SELECT * INTO p FROM @extschema@.paired_evaluations e WHERE e.id = evaluation AND e.status = 'running' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = p.challenger AND m.status = 'candidate'
                                                              AND m.gate_decision IS DISTINCT FROM 'passed')
       OR NOT EXISTS (SELECT FROM @extschema@.model_versions m
                      WHERE m.version = p.live_version AND m.status = 'production') THEN
        PERFORM @extschema@.tw_end_paired_evaluation(evaluation, 'cancelled', (
            SELECT string_agg(format('%s is %s', m.version, CASE m.status WHEN 'candidate' THEN 'through the gate'
                                                                 ELSE m.status END), ', ' ORDER BY m.version)
            FROM @extschema@.model_versions m WHERE m.version IN (p.challenger, p.live_version)));
        RETURN 'cancelled';
    END IF;
    p := @extschema@.tw_weigh_evidence(evaluation);
    SELECT * INTO d FROM @extschema@.tw_paired_decision(p);
    -- After a fortnight without a label, the next challenger is evaluated.
    IF d.decision IS NULL AND p.started_at < clock_timestamp() - interval '14 days' THEN
        SELECT 'cancelled', format('no decision in two weeks: %s labels of %s disagreements on %s messages', p.labels,
                                   p.disagreements, p.messages) INTO d.decision, d.reason;
    END IF;
    IF d.decision IS NOT NULL THEN
        PERFORM @extschema@.tw_end_paired_evaluation(evaluation, d.decision, d.reason);
        IF d.decision <> 'cancelled' THEN
            PERFORM @extschema@.tw_run_gate(p.challenger);
        END IF;
    END IF;
    RETURN d.decision;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_judge_pair(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_judge_pair(bigint) IS
    'Weighs people''s decisions so far; ends the evaluation where they are enough, with the gate''s decision about '
    'the challenger. Returns how it ended; NULL while it goes on';

CREATE FUNCTION @extschema@.tw_paired_begin(run bigint) RETURNS bigint[]
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM @extschema@.tw_note_run(run, NULL::text, jsonb_build_object('conversations locked', w.locked), false)
    FROM @extschema@.tw_withdraw_left_blind() w WHERE w.locked > 0;
    PERFORM @extschema@.tw_start_paired_evaluations();
    RETURN ARRAY(SELECT p.id FROM @extschema@.paired_evaluations p WHERE p.status = 'running' ORDER BY p.id);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_paired_begin(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_paired_begin(bigint) IS
    'Begins the paired evaluations that are due, and returns those that run';

CREATE FUNCTION @extschema@.tw_paired_step(run bigint, evaluation bigint) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    scored bigint;
    asked bigint;
    ended text;
    code text;
    message text;
BEGIN
    BEGIN
        ended := @extschema@.tw_judge_pair(evaluation);
        IF ended IS NULL THEN
            scored := @extschema@.tw_score_pool(evaluation, 10000);
            asked := @extschema@.tw_ask_about_disagreements(evaluation);
        END IF;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
    END;
    IF code IS NOT NULL THEN
        RAISE WARNING 'run_training_jobs: paired evaluation % failed: %', evaluation, message USING ERRCODE = code;
        PERFORM @extschema@.tw_fail_run(run, code, format('paired evaluation %s: %s', evaluation, message));
        RETURN false;
    END IF;
    PERFORM @extschema@.tw_note_run(run, NULL::text, jsonb_strip_nulls(jsonb_build_object(
        'messages scored', nullif(scored, 0), 'disagreements asked', nullif(asked, 0),
            coalesce('evaluations ' || ended, 'none'), CASE WHEN ended IS NOT NULL THEN 1 END)), true);
    RETURN coalesce(scored, 0) > 0;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_paired_step(bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_paired_step(bigint, bigint) IS
    'One transaction of a paired evaluation: decides, scores, queues for review; errors are recorded, not raised. '
    'Returns whether there may be more messages';
