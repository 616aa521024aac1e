-- What growth.sh keeps of each day, and says of a run. After test/fixtures/eight_weeks.sql.

CREATE TABLE eight_weeks.days (day integer PRIMARY KEY, verdicts bigint, passed text, live text);

CREATE FUNCTION eight_weeks.growth(
    OUT gate text, OUT live text, OUT verdicts text, OUT labels text, OUT truth text, OUT first_week text, OUT why text) RETURNS record LANGUAGE sql AS $$
    WITH first AS (
        SELECT (SELECT min(d.day) FROM eight_weeks.days d WHERE d.passed IS NOT NULL) AS gate,
               (SELECT min(d.day) FROM eight_weeks.days d WHERE d.live <> 'router-v1.0.0') AS live
    )
    SELECT coalesce('gate day ' || f.gate + 1, 'gate never'), coalesce('live day ' || f.live + 1, 'live never'),
           (SELECT d.verdicts || ' verdicts' FROM eight_weeks.days d WHERE d.day = coalesce(f.live, (SELECT max(x.day) FROM eight_weeks.days x))),
           (SELECT string_agg(format('%s: %s, %s labels', p.challenger, p.status, p.labels), '; ' ORDER BY p.id) FROM paired_evaluations p),
           (SELECT format('right before %s %%, after %s %%',
                          round(100 * avg(j.is_right::integer) FILTER (WHERE j.created_on < date '2040-01-02' + f.live), 1),
                          round(100 * avg(j.is_right::integer) FILTER (WHERE j.created_on > date '2040-01-02' + f.live), 1))
            FROM eight_weeks.judged j WHERE abs(j.created_on - (date '2040-01-02' + f.live)) <= 7),
           (SELECT format('first week %s %% auto-approved, first model %s %% right', round(100 * avg((j.filter_outcome = 'auto-approved')::integer)),
                          round(100 * avg((a.intent = j.truth)::integer)))
            FROM eight_weeks.judged j, classify_intent(j.message, 'router', 'router-v1.0.0') a WHERE j.created_on < date '2040-01-09'),
           (SELECT m.gate_reason FROM model_versions m WHERE m.version = (SELECT d.live FROM eight_weeks.days d WHERE d.day = f.live))
    FROM first f
$$;
