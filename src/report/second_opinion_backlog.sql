-- second_opinion_backlog: which second opinions wait, and whether there is anybody to give them.

CREATE VIEW @extschema@.second_opinion_backlog AS
    WITH people AS MATERIALIZED (
        SELECT DISTINCT e.reviewer FROM @extschema@.review_events e
        WHERE e.created_at > now() - interval '90 days'
          AND (@extschema@.tw_is_verdict(e.action) OR e.action = 'opinion')
    ), waiting AS (
        SELECT s.status, s.what, count(o.conversation_log_id) AS waiting, min(o.waiting_since) AS oldest,
               count(o.conversation_log_id) FILTER (WHERE s.status <> 'unsettled' AND NOT EXISTS (
                   SELECT FROM people p WHERE p.reviewer <> o.first_reviewer
                                          AND p.reviewer IS DISTINCT FROM o.second_reviewer)) AS without_reviewer
        FROM (VALUES ('asked', 'second'), ('disputed', 'third'), ('unsettled', 'other')) AS s (status, what)
        LEFT JOIN @extschema@.second_opinions o ON o.status = s.status AND o.settled_at IS NULL
            AND (@extschema@.tw_sees_all_modules() OR @extschema@.tw_sees_conversation(o.conversation_log_id))
        GROUP BY s.status, s.what
    )
    SELECT w.status, w.waiting, w.without_reviewer, w.oldest, (SELECT count(*) FROM people) AS reviewers,
           CASE WHEN w.without_reviewer > 0
                THEN format('there is no %s reviewer for %s of them: %s judged in the last 90 days', w.what,
                            w.without_reviewer, CASE (SELECT count(*) FROM people) WHEN 0 THEN 'nobody'
                                                WHEN 1 THEN 'only one person'
                                                ELSE 'only ' || (SELECT count(*) FROM people) || ' people' END)
           END AS problem
    FROM waiting w
    ORDER BY w.status;
REVOKE ALL ON TABLE @extschema@.second_opinion_backlog FROM PUBLIC;
COMMENT ON VIEW @extschema@.second_opinion_backlog IS
    'Second opinions that wait (setting second_opinion_rate): one row each for those that wait for a second person, '
    'for a third one, and in the queue because no label has a majority';
COMMENT ON COLUMN @extschema@.second_opinion_backlog.status IS
    'asked: a second person is asked; disputed: the first two differ, and a third person is asked; unsettled: no '
    'majority, in the queue with the reason opinions differ';
COMMENT ON COLUMN @extschema@.second_opinion_backlog.waiting IS 'Number of conversations';
COMMENT ON COLUMN @extschema@.second_opinion_backlog.without_reviewer IS
    'Number of those that everybody who judged in the last 90 days has judged already';
COMMENT ON COLUMN @extschema@.second_opinion_backlog.oldest IS 'Since when the oldest waits; NULL = none waits';
COMMENT ON COLUMN @extschema@.second_opinion_backlog.reviewers IS
    'Number of people who gave a verdict or an opinion in the last 90 days';
COMMENT ON COLUMN @extschema@.second_opinion_backlog.problem IS
    'Why some will wait on: there is no other reviewer; NULL = nothing is in the way';
