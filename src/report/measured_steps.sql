-- What a person should do next about the figures of a period: the second part of tw_next_steps().

CREATE FUNCTION @extschema@.tw_step_of_accuracy(from_date date, to_date date,
    OUT rank integer, OUT area text, OUT sentence text, OUT call text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 50, 'accuracy',
           CASE WHEN a.accuracy IS NULL
                THEN format('the accuracy of the period is not known: %s', coalesce(a.reason, 'there are no labels'))
                ELSE format('the accuracy of the period may be off: %s', a.reason) END,
           'SELECT * FROM claim_reviews(20)'
    FROM @extschema@.live_accuracy(from_date, to_date, '{}'::text[]) a
    WHERE a.accuracy IS NULL OR a.reason IS NOT NULL;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_step_of_accuracy(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_step_of_accuracy(date, date) IS
    'The step about an accuracy that is not known, or may be off';

-- Confidence that is off by more than 5 points beyond chance changes what the filter lets through.
CREATE FUNCTION @extschema@.tw_step_of_calibration(from_date date, to_date date,
    OUT rank integer, OUT area text, OUT sentence text, OUT call text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 60, 'calibration',
           format('the confidence of %s is off by %s points on average, where chance alone would give %s: thresholds '
                  'of review_policies let through more or less than they say',
                  coalesce(c.provider, 'conversations without a provider'),
                  round(100 * c.ece::numeric, 1), round(100 * c.ece_by_chance::numeric, 1)),
           'SELECT * FROM confidence_calibration'
    FROM @extschema@.tw_confidence_calibration(from_date, to_date) c
    WHERE c.bin IS NULL AND c.ece > 2 * c.ece_by_chance AND c.ece - c.ece_by_chance > 0.05;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_step_of_calibration(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_step_of_calibration(date, date) IS
    'Steps about providers whose expected calibration error is more than twice what chance gives, and by more than 5 '
    'points';

CREATE FUNCTION @extschema@.tw_step_of_intents(from_date date, to_date date,
    OUT rank integer, OUT area text, OUT sentence text, OUT call text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    (SELECT 61, 'confusion',
            format('%s %% of all conversations are answered with %s although %s', round(100 * c.share::numeric, 1),
                   coalesce(c.intent, 'no intent'),
                   coalesce('they mean ' || c.correct_intent || ': samples of both teach the difference',
                            'no intent says what they mean: is one missing?')),
            'SELECT * FROM intent_confusions'
     FROM @extschema@.tw_intent_confusions(from_date, to_date) c
     WHERE c.verdicts >= 5 AND c.share >= 0.01
     ORDER BY c.share DESC, c.verdicts DESC, c.intent COLLATE "C", c.correct_intent COLLATE "C" LIMIT 1)
    UNION ALL
    (WITH drift AS MATERIALIZED (
         SELECT d.* FROM @extschema@.tw_intent_drift(from_date, to_date) d
     )
     SELECT 62, 'drift', format('the answers differ from those before (%s %% of the difference is chance)%s: people '
                                'ask for other things, or a new version answers otherwise',
                                round(100 * d.chance::numeric),
                                (SELECT format(', %s most: from %s to %s %%', i.intent,
                                               round(100 * i.share_before::numeric, 1),
                                               round(100 * i.share::numeric, 1))
                                 FROM drift i WHERE i.intent IS NOT NULL
                                 ORDER BY i.divergence DESC NULLS LAST, i.intent COLLATE "C" LIMIT 1)),
            'SELECT * FROM intent_drift'
     FROM drift d
     WHERE d.intent IS NULL AND d.p_value < 0.01 AND d.chance < 0.5);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_step_of_intents(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_step_of_intents(date, date) IS
    'Steps about the worst confusion (at least 5 verdicts and 1 % of the conversations), and about drift beyond chance '
    '(p below 0.01, less than half of it by chance)';

CREATE FUNCTION @extschema@.tw_next_steps(from_date date, to_date date,
    OUT rank integer, OUT area text, OUT sentence text, OUT call text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT n.rank, n.area, n.sentence, n.call FROM @extschema@.tw_next_steps_now(now()) n
    UNION ALL
    SELECT a.rank, a.area, a.sentence, a.call FROM @extschema@.tw_step_of_accuracy(from_date, to_date) a
    UNION ALL
    SELECT c.rank, c.area, c.sentence, c.call FROM @extschema@.tw_step_of_calibration(from_date, to_date) c
    UNION ALL
    SELECT i.rank, i.area, i.sentence, i.call FROM @extschema@.tw_step_of_intents(from_date, to_date) i
    ORDER BY 1, 3;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_next_steps(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_next_steps(date, date) IS
    'What a person should do next, most urgent first: what waits or has failed now, then what the figures of the '
    'period say. Plain texts';
