-- Second opinions: how far two people agree about the same message. A random part of the audited conversations
-- (setting second_opinion_rate) is drawn with its first verdict, and judged again by another person, who is shown what
-- the first one was shown and neither the verdict nor its author.
--
-- Each person has one vote, the newest verdict or opinion. A second opinion is an event "opinion", which leaves the
-- verdict as it is: whatever reads the newest verdict reads the first one until the opinions are settled. Where the
-- first two differ a third person is asked. A vote that gives a label the majority is a verdict where that label is
-- not in force yet. Without a majority the conversation returns to the queue (reason opinions differ), and every
-- further vote counts. A change of one's own verdict, and a verdict on a conversation that is in the queue for another
-- reason, are verdicts as always.

CREATE FUNCTION @extschema@.tw_verdict_label(intent text, reject_reason text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN coalesce(@extschema@.tw_resolve_intent(intent), '(' || reject_reason || ')');
REVOKE ALL ON FUNCTION @extschema@.tw_verdict_label(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_verdict_label(text, text) IS
    'What a verdict or opinion says, for comparisons: the present name of its intent, or the reason of its rejection '
    'in parentheses';

CREATE FUNCTION @extschema@.tw_opinion_is_asked(status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN status IN ('asked', 'disputed');
REVOKE ALL ON FUNCTION @extschema@.tw_opinion_is_asked(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_opinion_is_asked(text) IS
    'Whether a row of second_opinions waits for a second or third person outside of the queue';

-- random() would not do: who calls setseed() before a verdict would know the result.
CREATE FUNCTION @extschema@.tw_draw_second_opinions(ids bigint[]) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    share CONSTANT double precision := @extschema@.training_setting('second_opinion_rate'::text)::double precision;
BEGIN
    IF share = 0 THEN
        RETURN;
    END IF;
    -- Drawn once, with the first verdict that the conversation ever had: nobody gets another draw by a change.
    INSERT INTO @extschema@.second_opinions (conversation_log_id, rate, review_priority, review_reason, first_event,
                                             first_reviewer, first_label)
    SELECT c.id, share, e.review_priority, e.review_reason, e.id, e.reviewer,
           @extschema@.tw_verdict_label(e.intent, e.reject_reason)
    FROM @extschema@.conversation_logs c
    JOIN @extschema@.review_events e ON e.conversation_log_id = c.id AND @extschema@.tw_is_verdict(e.action)
    WHERE c.id = ANY (ids) AND c.is_audit
      AND NOT EXISTS (SELECT FROM @extschema@.review_events p
                      WHERE p.conversation_log_id = c.id AND @extschema@.tw_is_persons_word(p.action) AND p.id <> e.id)
      AND ('x' || left(gen_random_uuid()::text, 8))::bit(32)::bigint / 4294967296.0 < share
    ON CONFLICT DO NOTHING;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_draw_second_opinions(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_draw_second_opinions(bigint[]) IS
    'Draws which of the conversations, each just judged, get a second opinion: audited ones with their first verdict, '
    'with the probability that the setting second_opinion_rate says';

CREATE FUNCTION @extschema@.tw_opinion_votes(conversation bigint, first_event bigint)
    RETURNS TABLE (event bigint, reviewer text, label text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT DISTINCT ON (e.reviewer) e.id, e.reviewer, @extschema@.tw_verdict_label(e.intent, e.reject_reason)
    FROM @extschema@.review_events e
    WHERE e.conversation_log_id = conversation AND e.id >= tw_opinion_votes.first_event
      AND (e.action = 'opinion' OR @extschema@.tw_is_verdict(e.action))
    ORDER BY e.reviewer, e.id DESC;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_opinion_votes(bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_opinion_votes(bigint, bigint) IS
    'The votes on a conversation from an event on: the newest verdict or opinion of each person';

CREATE FUNCTION @extschema@.tw_majority(labels text[]) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN max(l.votes) >= 2 AND count(*) FILTER (WHERE l.place = 1) = 1
                THEN min(l.label) FILTER (WHERE l.place = 1) END
    FROM (SELECT v.label, count(*) AS votes, rank() OVER (ORDER BY count(*) DESC) AS place
          FROM unnest(labels) AS v (label) GROUP BY v.label) l;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_majority(text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_majority(text[]) IS
    'The label with the most votes, at least two, and more than any other; NULL where there is none';

CREATE FUNCTION @extschema@.tw_take_opinions(
    ids bigint[], verdict text, new_intent text, new_entities jsonb, why text, remark text, reviewer_name text,
    unseen bigint[], given jsonb) RETURNS bigint[]
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    taken bigint[];
BEGIN
    WITH waiting AS (
        SELECT o.*, c.user_message, c.nlu_entities, c.review_status, c.review_priority AS priority,
               c.review_reason AS reason,
               @extschema@.tw_verdict_label(n.intent, CASE verdict WHEN 'reject' THEN why END) AS label, n.intent,
               @extschema@.tw_verdict_label(f.intent, f.reject_reason) AS standing
        FROM @extschema@.second_opinions o
        JOIN @extschema@.conversation_logs c ON c.id = o.conversation_log_id
        CROSS JOIN LATERAL (SELECT CASE verdict WHEN 'approve' THEN @extschema@.tw_resolve_intent(c.nlu_intent)
                                        WHEN 'fix' THEN new_intent END AS intent) n
        CROSS JOIN LATERAL (SELECT e.* FROM @extschema@.review_events e
                            WHERE e.conversation_log_id = c.id AND @extschema@.tw_is_verdict(e.action)
                            ORDER BY e.id DESC LIMIT 1) f
        WHERE o.conversation_log_id = ANY (ids) AND o.settled_at IS NULL AND f.reviewer <> reviewer_name
          -- Feedback that came after the claim has not been seen: the vote is one on what was claimed.
          AND (c.review_priority IS NULL OR c.review_reason = 'opinions differ' OR c.id = ANY (unseen))
          -- Who changes the answer of a task of Label Studio has seen it.
          AND NOT coalesce(f.details -> 'labelstudio' @> jsonb_build_object(
              'project', given -> 'labelstudio' -> 'project', 'task', given -> 'labelstudio' -> 'task'), false)
    ), recorded AS (
        INSERT INTO @extschema@.review_events (conversation_log_id, action, reject_reason, intent, entities, note,
                                               from_status, to_status, review_priority, review_reason, reviewer,
                                               calling_role, details)
        SELECT w.conversation_log_id, 'opinion', CASE verdict WHEN 'reject' THEN why END, w.intent,
               CASE WHEN w.intent IS NOT NULL
                    THEN @extschema@.tw_sample_entities(coalesce(new_entities, w.nlu_entities), w.user_message) END,
               remark, w.review_status, w.review_status, w.priority, w.reason, reviewer_name,
               @extschema@.tw_calling_role(), coalesce(given, '{}') || jsonb_build_object('verdict', verdict)
        FROM waiting w
        -- A vote that gives another label the majority is a verdict.
        WHERE w.label = w.standing OR w.label IS DISTINCT FROM @extschema@.tw_majority(ARRAY(
            SELECT v.label FROM @extschema@.tw_opinion_votes(w.conversation_log_id, w.first_event) v
            WHERE v.reviewer <> reviewer_name UNION ALL SELECT w.label))
        ORDER BY w.conversation_log_id
        RETURNING conversation_log_id
    )
    SELECT coalesce(array_agg(r.conversation_log_id), '{}') INTO taken FROM recorded r;
    DELETE FROM @extschema@.review_claims k WHERE k.conversation_log_id = ANY (taken);
    RETURN taken;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_take_opinions(bigint[], text, text, jsonb, text, text, text, bigint[], jsonb)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_take_opinions(bigint[], text, text, jsonb, text, text, text, bigint[], jsonb) IS
    'Records an opinion for each of the locked conversations where the verdict of this person is one; returns these '
    'conversations. All others are left to tw_record_verdict()';

CREATE FUNCTION @extschema@.tw_settle_opinion(o @extschema@.second_opinions) RETURNS @extschema@.second_opinions
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    standing @extschema@.review_events;
    vote record;
    voters bigint;
    winner text;
BEGIN
    SELECT * INTO standing FROM @extschema@.review_events e
    WHERE e.conversation_log_id = o.conversation_log_id AND @extschema@.tw_is_persons_word(e.action)
    ORDER BY e.id DESC LIMIT 1;
    SELECT count(*), @extschema@.tw_majority(array_agg(v.label)) INTO voters, winner
    FROM @extschema@.tw_opinion_votes(o.conversation_log_id, o.first_event) v;
    IF standing.action = 'withdraw' THEN
        o.status := 'withdrawn';
    ELSIF standing.reviewer <> o.first_reviewer AND winner IS NULL THEN
        o.status := 'superseded';
    ELSIF o.status = 'asked' THEN
        IF standing.reviewer = o.first_reviewer THEN
            o.first_event := standing.id;
            o.first_label := @extschema@.tw_verdict_label(standing.intent, standing.reject_reason);
        END IF;
        SELECT * INTO vote FROM @extschema@.tw_opinion_votes(o.conversation_log_id, o.first_event) v
        WHERE v.reviewer <> o.first_reviewer;
        IF FOUND AND standing.reviewer <> o.first_reviewer THEN
            -- A verdict that happens to agree, given for another reason than a second opinion: it was not blind.
            o.status := 'superseded';
        ELSIF FOUND THEN
            o.second_event := vote.event;
            o.second_reviewer := vote.reviewer;
            o.second_label := vote.label;
            o.agrees := vote.label = @extschema@.tw_resolve_intent(o.first_label);
            o.status := CASE WHEN o.agrees THEN 'agreed' ELSE 'disputed' END;
            o.waiting_since := clock_timestamp();
        END IF;
    ELSE
        SELECT * INTO vote FROM @extschema@.tw_opinion_votes(o.conversation_log_id, o.first_event) v
        WHERE v.reviewer NOT IN (o.first_reviewer, o.second_reviewer) ORDER BY v.event LIMIT 1;
        IF FOUND AND o.third_event IS NULL THEN
            o.third_event := vote.event;
            o.third_reviewer := vote.reviewer;
            o.third_label := vote.label;
        END IF;
        o.status := CASE WHEN winner IS NOT NULL THEN 'settled' WHEN voters >= 3 THEN 'unsettled' ELSE o.status END;
    END IF;
    IF o.status NOT IN ('asked', 'disputed', 'unsettled') THEN
        o.settled_at := clock_timestamp();
    END IF;
    RETURN o;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_settle_opinion(@extschema@.second_opinions) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_settle_opinion(@extschema@.second_opinions) IS
    'A row of second_opinions as it is after the newest event of its conversation';

CREATE FUNCTION @extschema@.tw_settle_opinions(ids bigint[]) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    was @extschema@.second_opinions;
    is_now @extschema@.second_opinions;
BEGIN
    FOR was IN
        SELECT * FROM @extschema@.second_opinions o
        WHERE o.conversation_log_id = ANY (ids) AND o.settled_at IS NULL ORDER BY o.conversation_log_id
    LOOP
        is_now := @extschema@.tw_settle_opinion(was);
        UPDATE @extschema@.second_opinions o
        SET status = is_now.status, waiting_since = is_now.waiting_since, first_event = is_now.first_event,
            first_label = is_now.first_label, second_event = is_now.second_event,
            second_reviewer = is_now.second_reviewer, second_label = is_now.second_label, agrees = is_now.agrees,
            third_event = is_now.third_event, third_reviewer = is_now.third_reviewer,
            third_label = is_now.third_label, settled_at = is_now.settled_at
        WHERE o.conversation_log_id = is_now.conversation_log_id AND o IS DISTINCT FROM is_now;
        UPDATE @extschema@.conversation_logs c SET review_priority = 2, review_reason = 'opinions differ'
        WHERE c.id = is_now.conversation_log_id AND is_now.status = 'unsettled' AND c.review_priority IS NULL;
        UPDATE @extschema@.conversation_logs c SET review_priority = NULL, review_reason = NULL
        WHERE c.id = is_now.conversation_log_id AND is_now.status = 'settled' AND c.review_reason = 'opinions differ';
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_settle_opinions(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_settle_opinions(bigint[]) IS
    'Updates second_opinions after verdicts, opinions or a withdrawal: who said what, whether it is settled, and '
    'whether the conversation waits in the queue because it is not';

CREATE FUNCTION @extschema@.tw_shown_place(
    conversation @extschema@.conversation_logs, OUT review_priority smallint, OUT review_reason text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN conversation.review_priority IS NULL THEN o.review_priority ELSE conversation.review_priority END,
           CASE WHEN conversation.review_priority IS NULL THEN o.review_reason ELSE conversation.review_reason END
    FROM (SELECT) one
    LEFT JOIN @extschema@.second_opinions o ON o.conversation_log_id = conversation.id
        AND @extschema@.tw_opinion_is_asked(o.status);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_shown_place(@extschema@.conversation_logs) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_shown_place(@extschema@.conversation_logs) IS
    'The priority and reason that reviewers are shown: those of the queue, or for a second opinion those that the '
    'first person was shown, so that nothing tells it from other conversations';

CREATE FUNCTION @extschema@.tw_claim_opinions(reviewer_name text, lease interval, max_reviews integer) RETURNS bigint[]
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Both rows are locked: an opinion given just before changes the second one only.
    WITH next AS (
        SELECT c.id
        FROM @extschema@.second_opinions o JOIN @extschema@.conversation_logs c ON c.id = o.conversation_log_id
        WHERE @extschema@.tw_opinion_is_asked(o.status) AND o.settled_at IS NULL AND c.review_priority IS NULL
          AND @extschema@.tw_sees_module(c.nlu_module_type, c.nlu_intent)
          AND o.first_reviewer <> reviewer_name AND o.second_reviewer IS DISTINCT FROM reviewer_name
          AND NOT EXISTS (SELECT FROM @extschema@.review_claims k
                          WHERE k.conversation_log_id = c.id AND k.expires_at > clock_timestamp())
          AND NOT EXISTS (SELECT FROM @extschema@.labelstudio_tasks t
                          WHERE t.conversation_log_id = c.id AND @extschema@.tw_task_waits(t.status))
        ORDER BY o.waiting_since, c.id
        LIMIT max_reviews
        FOR UPDATE OF c, o SKIP LOCKED
    )
    SELECT @extschema@.tw_hold(array_agg(n.id), reviewer_name, lease) FROM next n;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_claim_opinions(text, interval, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_claim_opinions(text, interval, integer) IS
    'Claims at most max_reviews conversations that wait for the opinion of another person than those who judged them, '
    'and that nobody holds, in order of the wait; returns their ids';
