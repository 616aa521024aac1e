-- The first section of training_report(): what to do next.

CREATE FUNCTION @extschema@.tw_report_steps(from_date date, to_date date) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH step AS (
        SELECT n.area, n.sentence, n.call, row_number() OVER (ORDER BY n.rank, n.sentence) AS n, count(*) OVER () AS all
        FROM @extschema@.tw_next_steps(from_date, to_date) n
    )
    SELECT @extschema@.tw_page_section('next', 'What to do next',
        CASE (SELECT count(*) FROM step)
             WHEN 0 THEN 'In what was measured, nothing waits for a person.'
             WHEN 1 THEN 'One thing waits for a person.'
             ELSE format('%s things wait for a person, the most urgent first.', (SELECT count(*) FROM step)) END,
        coalesce((SELECT '<ol class="steps">' || string_agg(format(
                    E'<li><p><strong>%s.</strong> %s</p><p class="note"><code>%s</code></p></li>\n', initcap(s.area),
                    @extschema@.tw_page_text(upper("left"(s.sentence, 1)) || substr(s.sentence, 2), 600),
                    @extschema@.tw_page_text(s.call, 200)), '' ORDER BY s.n)
             || '</ol>' || CASE WHEN max(s.all) > 12 THEN format('<p class="more">%s more are not shown.</p>',
                                                                  max(s.all) - 12) ELSE '' END
         FROM step s WHERE s.n <= 12), '')
        || '<p class="note">What waits or has failed is that of now; figures are of the period. Whether the tables '
           'contradict each other is not checked here: <code>SELECT * FROM check_integrity()</code> does.</p>');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_report_steps(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_steps(date, date) IS 'The section of training_report() about what to do next';
