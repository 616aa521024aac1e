-- Sections of training_report() about the model's answers: calibration, intents, confusions, drift.

CREATE FUNCTION @extschema@.tw_report_calibration(from_date date, to_date date) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH figure AS MATERIALIZED (
        SELECT c.* FROM @extschema@.tw_confidence_calibration(from_date, to_date) c
    ), provider AS (
        SELECT f.provider, f.conversations, f.labels, f.mean_confidence, f.accuracy, f.lower, f.upper, f.ece,
               f.ece_by_chance, f.reason, row_number() OVER (ORDER BY f.conversations DESC, f.provider) AS n
        FROM figure f WHERE f.bin IS NULL
    )
    SELECT @extschema@.tw_page_section('calibration', 'Is the confidence as good as it says?',
        coalesce((SELECT format('%s has the most conversations. It stated a confidence of %s on average', w.name,
                                @extschema@.tw_page_percent(p.mean_confidence))
                         || CASE WHEN p.accuracy IS NULL THEN '. How often it was right is not known: too few of its '
                                                              'conversations were audited and judged.'
                                 ELSE format(' and was right in %s. Its expected calibration error is %s; with its '
                                             'labels chance alone gives about %s.',
                                             @extschema@.tw_page_percent(p.accuracy),
                                             @extschema@.tw_page_percent(p.ece),
                                             @extschema@.tw_page_percent(p.ece_by_chance)) END
                  FROM provider p
                  CROSS JOIN LATERAL (SELECT CASE WHEN p.provider IS NULL THEN 'What names no provider'
                                                  ELSE @extschema@.tw_page_text(p.provider, 60) END AS name) w
                  WHERE p.n = 1),
                 'No conversation of the period has a confidence.'),
        coalesce((SELECT string_agg(@extschema@.tw_svg_reliability(
                    coalesce(@extschema@.tw_page_words(p.provider, 60), 'No provider')
                        || ': accuracy by confidence',
                    'A dot on the diagonal is a confidence that is as good as it says; below it the provider is too '
                    'sure. Larger dots are more conversations, lines are 95 % intervals.',
                    b.mean, b.accuracy, b.lower, b.upper, b.weight),
                    '' ORDER BY p.n)
         FROM provider p
         CROSS JOIN LATERAL (SELECT array_agg(f.mean_confidence ORDER BY f.bin) AS mean,
                                    array_agg(f.accuracy ORDER BY f.bin) AS accuracy,
                                    array_agg(f.lower ORDER BY f.bin) AS lower,
                                    array_agg(f.upper ORDER BY f.bin) AS upper,
                                    array_agg(f.conversations::double precision ORDER BY f.bin) AS weight
                             FROM figure f WHERE f.bin IS NOT NULL AND f.provider IS NOT DISTINCT FROM p.provider) b
         WHERE p.n <= 4 AND p.accuracy IS NOT NULL), '')
        || @extschema@.tw_page_table('Providers',
            '{Provider,Conversations,Labels,Confidence,Accuracy,Error (by chance),Note}'::text[],
            (SELECT array_agg(c.html ORDER BY p.n, c.n)
             FROM provider p
             CROSS JOIN LATERAL unnest(ARRAY[
                 @extschema@.tw_page_text(p.provider, 60), @extschema@.tw_page_number(p.conversations::numeric),
                 @extschema@.tw_page_number(p.labels::numeric), @extschema@.tw_page_percent(p.mean_confidence),
                 @extschema@.tw_report_estimate(p.accuracy, p.lower, p.upper),
                 @extschema@.tw_page_percent(p.ece) || CASE WHEN p.ece_by_chance IS NULL THEN ''
                     ELSE format(' (%s)', @extschema@.tw_page_percent(p.ece_by_chance)) END,
                 coalesce(@extschema@.tw_page_text(p.reason, 300), '')]) WITH ORDINALITY AS c (html, n)
             WHERE p.n <= 12),
            '{2,3,4,5,6}'::integer[], greatest(0, (SELECT count(*) FROM provider p) - 12)));
END;
REVOKE ALL ON FUNCTION @extschema@.tw_report_calibration(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_calibration(date, date) IS
    'The section of training_report() about calibration';

CREATE FUNCTION @extschema@.tw_report_intents(from_date date, to_date date) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH figure AS MATERIALIZED (
        SELECT q.*, row_number() OVER (ORDER BY q.conversations DESC, q.intent COLLATE "C") AS n
        FROM @extschema@.tw_intent_quality(from_date, to_date) q
    )
    SELECT @extschema@.tw_page_section('intents', 'Intents',
        (SELECT CASE WHEN count(f.accuracy) = 0
                     THEN format('%s answered or meant. The accuracy of none is known: each needs 5 labels of the '
                                 'audit.', n.intents)
                     ELSE format('%s answered or meant. The accuracy of %s. %s is the worst: right in %s of its '
                                 'conversations (%s).', n.intents,
                                 CASE WHEN count(f.accuracy) = count(*) THEN 'each is known'
                                      ELSE format('%s is known; the others have fewer than 5 labels of the audit',
                                                  @extschema@.tw_page_number(count(f.accuracy))) END,
                                 (array_agg(@extschema@.tw_page_text(f.intent, 80) ORDER BY f.accuracy, f.n))[1],
                                 @extschema@.tw_page_percent(min(f.accuracy)),
                                 (array_agg(@extschema@.tw_page_interval(f.lower, f.upper)
                                            ORDER BY f.accuracy, f.n))[1]) END
         FROM figure f,
             (SELECT @extschema@.tw_counted(count(*), 'intent was'::text, 'intents were'::text) AS intents
              FROM figure c) n
         GROUP BY n.intents
         UNION ALL
         SELECT 'No conversation of the period has an intent.' WHERE NOT EXISTS (SELECT FROM figure)),
        @extschema@.tw_page_table('The 40 most frequent intents',
            '{Intent,Conversations,Share,Fallback,Labels,Accuracy,95 % interval,Recall}'::text[],
            (SELECT array_agg(c.html ORDER BY f.n, c.n)
             FROM figure f
             CROSS JOIN LATERAL unnest(ARRAY[
                 @extschema@.tw_page_text(f.intent, 80), @extschema@.tw_page_number(f.conversations::numeric),
                 @extschema@.tw_page_percent(f.share), @extschema@.tw_page_percent(f.fallback_rate),
                 @extschema@.tw_page_number(f.labels::numeric), @extschema@.tw_page_percent(f.accuracy),
                 @extschema@.tw_page_interval(f.lower, f.upper),
                 format(CASE WHEN f.recall IS NULL THEN '%s' ELSE '%s of %s' END,
                        @extschema@.tw_page_percent(f.recall),
                        @extschema@.tw_page_number(f.recall_labels::numeric))]) WITH ORDINALITY AS c (html, n)
             WHERE f.n <= 40),
            '{2,3,4,5,6,7,8}'::integer[], greatest(0, (SELECT count(*) FROM figure f) - 40))
        || CASE WHEN EXISTS (SELECT FROM figure)
                THEN '<p class="note">Accuracy: of the conversations answered with the intent, how many were right. '
                     'Recall: of those that have it by the words of people, how many were answered with it. Both are '
                     'estimated from the audit, each from 5 labels or more: few labels say little, as the interval '
                     'shows.</p>'
                ELSE '' END);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_report_intents(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_intents(date, date) IS 'The section of training_report() about intents';

CREATE FUNCTION @extschema@.tw_report_confusions(from_date date, to_date date) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH figure AS MATERIALIZED (
        SELECT q.*, row_number() OVER (ORDER BY q.share DESC NULLS LAST, q.verdicts DESC, q.intent COLLATE "C",
                                                q.correct_intent COLLATE "C") AS n
        FROM @extschema@.tw_intent_confusions(from_date, to_date) q
    )
    SELECT @extschema@.tw_page_section('confusions', 'What is taken for what',
        (SELECT CASE WHEN count(*) > 0
                     THEN format('%s confused, in an estimated %s of all conversations.',
                                 @extschema@.tw_counted(count(*), 'pair of intents was'::text,
                                                        'pairs of intents were'::text),
                                 @extschema@.tw_page_percent(sum(f.share)))
                     WHEN EXISTS (SELECT FROM @extschema@.tw_intent_quality(from_date, to_date) q WHERE q.labels > 0)
                     THEN 'No audited conversation of the period was found to be wrong.'
                     ELSE 'Not known: no conversation of the period was audited and judged.' END FROM figure f),
        @extschema@.tw_page_table('The worst confusions',
            '{Answered and meant,Verdicts,Of all,Of its answers,Newest messages}'::text[],
            (SELECT array_agg(c.html ORDER BY f.n, c.n)
             FROM figure f
             CROSS JOIN LATERAL unnest(ARRAY[
                 format('%s <span class="note">but meant:</span> %s', @extschema@.tw_page_text(f.intent, 80),
                        CASE WHEN f.correct_intent IS NULL THEN '<span class="none">no intent that exists</span>'
                             ELSE @extschema@.tw_page_text(f.correct_intent, 80) END),
                 @extschema@.tw_page_number(f.verdicts::numeric), @extschema@.tw_page_percent(f.share),
                 @extschema@.tw_page_percent(f.share_of_intent),
                 (SELECT string_agg('<p>' || @extschema@.tw_page_text(e.text, 120) || '</p>', '' ORDER BY e.n)
                  FROM unnest(f.examples) WITH ORDINALITY AS e (text, n) WHERE e.text ~ '\S')])
                 WITH ORDINALITY AS c (html, n)
             WHERE f.n <= 10),
            '{2,3,4}'::integer[], greatest(0, (SELECT count(*) FROM figure f) - 10)));
END;
REVOKE ALL ON FUNCTION @extschema@.tw_report_confusions(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_confusions(date, date) IS
    'The section of training_report() about confusions';

CREATE FUNCTION @extschema@.tw_report_drift(from_date date, to_date date) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH figure AS MATERIALIZED (
        SELECT d.*, row_number() OVER (ORDER BY d.divergence DESC NULLS LAST, d.conversations DESC,
                                                d.intent COLLATE "C") AS n
        FROM @extschema@.tw_intent_drift(from_date, to_date) d
    ), new_versions AS (
        SELECT CASE count(*) WHEN 0 THEN ' No version went live in these days or those before.'
                    ELSE format(' %s live in these days and those before.',
                                @extschema@.tw_counted(count(*), 'version went'::text, 'versions went'::text)) END
                   AS words
        FROM @extschema@.model_deployments m, (SELECT @extschema@.training_setting('time_zone'::text) AS name) z
        WHERE m.to_status = 'production' AND m.from_status IS DISTINCT FROM 'production'
          AND (m.created_at AT TIME ZONE z.name)::date BETWEEN from_date - (to_date - from_date + 1) AND to_date
    ), changed AS (
        SELECT f.intent, f.conversations, f.conversations_before, f.share, f.share_before, f.change, f.divergence,
               f.divergence_by_chance, row_number() OVER (ORDER BY f.n) AS n
        FROM figure f WHERE f.intent IS NOT NULL AND f.divergence IS NOT NULL
    )
    SELECT @extschema@.tw_page_section('drift', 'Have the answers changed?',
        (SELECT CASE WHEN f.divergence_by_chance IS NULL THEN format('Not known: %s.', @extschema@.tw_html(f.reason))
                     ELSE format('The Jensen-Shannon divergence from the %s before is %s bits (0: the same, 1: nothing '
                                 'in common); chance alone would give %s. %s%s',
                                 @extschema@.tw_counted(to_date - from_date + 1::bigint, 'day'::text, 'days'::text),
                                 round(f.divergence::numeric, 4), round(f.divergence_by_chance::numeric, 4),
                                 CASE WHEN f.p_value IS NULL THEN format('Whether that is chance is not known: %s.',
                                                                         @extschema@.tw_html(f.reason))
                                      WHEN f.p_value >= 0.01 THEN 'No change is shown beyond chance.'
                                      ELSE 'They differ by more than chance: people ask for other things, or a new '
                                           'version or provider answers otherwise.' END,
                                 CASE WHEN f.p_value < 0.01 THEN n.words ELSE '' END) END
         FROM figure f, new_versions n WHERE f.intent IS NULL),
        @extschema@.tw_svg_bars('Where the difference lies',
            'The parts of the divergence, in thousandths of a bit, of the intents that changed most, at most ten.',
            (SELECT array_agg(c.intent ORDER BY c.n) FROM changed c WHERE c.n <= 10),
            (SELECT array_agg(1000 * c.divergence ORDER BY c.n) FROM changed c WHERE c.n <= 10), ''::text)
        || @extschema@.tw_page_table('The intents that changed most',
            '{Intent,Now,Before,Share now,Share before,Change (points)}'::text[],
            (SELECT array_agg(x.html ORDER BY c.n, x.n)
             FROM changed c
             CROSS JOIN LATERAL unnest(ARRAY[
                 @extschema@.tw_page_text(c.intent, 80), @extschema@.tw_page_number(c.conversations::numeric),
                 @extschema@.tw_page_number(c.conversations_before::numeric), @extschema@.tw_page_percent(c.share),
                 @extschema@.tw_page_percent(c.share_before),
                 to_char(100 * c.change::numeric, 'FMS990.0')]) WITH ORDINALITY AS x (html, n)
             WHERE c.n <= 20),
            '{2,3,4,5,6}'::integer[], greatest(0, (SELECT count(*) FROM changed c) - 20)));
END;
REVOKE ALL ON FUNCTION @extschema@.tw_report_drift(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_drift(date, date) IS 'The section of training_report() about drift';
