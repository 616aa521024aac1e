-- What growth.sh keeps of each day, and says of a run. After test/fixtures/eight_weeks.sql.

CREATE TABLE eight_weeks.days (day integer PRIMARY KEY, verdicts bigint, passed text, live text);

-- The reviewers answer so much of all that they have been asked so far.
CREATE FUNCTION eight_weeks.review_share(share numeric) RETURNS integer LANGUAGE sql AS $$
    SELECT eight_weeks.review(greatest(0, floor(share * (a.waiting + a.done) - a.done))::integer)
    FROM (SELECT (SELECT count(*) FROM conversation_logs c WHERE c.review_priority IS NOT NULL) AS waiting,
                 (SELECT count(DISTINCT v.conversation_log_id) FROM review_events v
                  WHERE v.action IN ('approve', 'fix', 'reject')) AS done) a
$$;

CREATE FUNCTION eight_weeks.growth(
    OUT gate text, OUT live text, OUT verdicts text, OUT labels text, OUT truth text, OUT first_week text,
    OUT why text) RETURNS record LANGUAGE sql AS $$
    WITH first AS (
        SELECT (SELECT min(d.day) FROM eight_weeks.days d WHERE d.passed IS NOT NULL) AS gate,
               (SELECT min(d.day) FROM eight_weeks.days d WHERE d.live <> 'router-v1.0.0') AS live
    )
    SELECT coalesce('gate day ' || f.gate + 1, 'gate never'), coalesce('live day ' || f.live + 1, 'live never'),
           (SELECT d.verdicts || ' verdicts' FROM eight_weeks.days d
            WHERE d.day = coalesce(f.live, (SELECT max(x.day) FROM eight_weeks.days x))),
           (SELECT string_agg(format('%s: %s, %s labels', p.challenger, p.status, p.labels), '; ' ORDER BY p.id)
            FROM paired_evaluations p),
           (SELECT format('right before %s %%, after %s %%',
                          round(100 * avg(j.is_right::integer) FILTER (WHERE j.created_on < l.day), 1),
                          round(100 * avg(j.is_right::integer) FILTER (WHERE j.created_on > l.day), 1))
            FROM eight_weeks.judged j, LATERAL (SELECT date '2040-01-02' + f.live AS day) l
            WHERE abs(j.created_on - l.day) <= 7),
           (SELECT format('first week %s %% auto-approved, first model %s %% right',
                          round(100 * avg((j.filter_outcome = 'auto-approved')::integer)),
                          round(100 * avg((a.intent = j.truth)::integer)))
            FROM eight_weeks.judged j, classify_intent(j.message, 'router', 'router-v1.0.0') a
            WHERE j.created_on < date '2040-01-09'),
           (SELECT m.gate_reason FROM model_versions m
            WHERE m.version = (SELECT d.live FROM eight_weeks.days d WHERE d.day = f.live))
    FROM first f
$$;

-- Week by week: what was true, what live_accuracy estimated of it, and what
-- the gate said of the version that is live at its end.
CREATE FUNCTION eight_weeks.weeks(OUT week text, OUT live text, OUT truth text, OUT estimate text, OUT verdicts text,
                                  OUT gate text)
    RETURNS SETOF record LANGUAGE sql AS $$
    SELECT format('week %s', w.number + 1), d.live,
           format('right %s %%', round(100 * avg(j.is_right::integer), 1)),
           (SELECT format('estimated %s %% (%s to %s, %s labels)', round(100 * e.accuracy::numeric, 1),
                          round(100 * e.lower::numeric, 1), round(100 * e.upper::numeric, 1), e.labels)
            FROM live_accuracy(w.monday, w.monday + 6) e),
           d.verdicts || ' verdicts',
           coalesce((SELECT m.gate_reason FROM model_versions m WHERE m.version = d.live), 'promoted by a person')
    FROM (SELECT n AS number, date '2040-01-02' + 7 * n AS monday
          FROM generate_series(0, (SELECT max(x.day) / 7 FROM eight_weeks.days x)) n) w
    JOIN eight_weeks.days d ON d.day = least(7 * w.number + 6, (SELECT max(x.day) FROM eight_weeks.days x))
    JOIN eight_weeks.judged j ON j.created_on BETWEEN w.monday AND w.monday + 6
    GROUP BY w.number, w.monday, d.live, d.verdicts ORDER BY w.number
$$;
