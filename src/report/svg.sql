-- Charts as inline SVG, made in the database. Titles, descriptions, labels and names are plain text: they are escaped
-- here, labels and names masked and cut too. Each chart is a figure: its title and description in words, the drawing
-- (role "img", named by both), a legend where there is more than one series, and its figures in a table.
--
-- A drawing has its own units and is as wide as its column. The plot of the wide ones goes from x = 84 to 708 and from
-- y = 16 to 286. Colours are classes: f1 to f6 fill, l1 to l6 draw, b1 to b6 shade, with another dash for each line.

CREATE FUNCTION @extschema@.tw_svg_value(value double precision, unit text) RETURNS text
    LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN unit = '%' THEN @extschema@.tw_page_percent(value)
    WHEN value IS NULL THEN 'unknown'
    ELSE rtrim(@extschema@.tw_page_number(value::numeric) || ' ' || coalesce(unit, '')) END;
REVOKE ALL ON FUNCTION @extschema@.tw_svg_value(double precision, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_svg_value(double precision, text) IS
    'A value of a chart with its unit; with the unit %, the value is a fraction';

CREATE FUNCTION @extschema@.tw_svg_number(value double precision) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN trim_scale(round(value::numeric, 1))::text;
REVOKE ALL ON FUNCTION @extschema@.tw_svg_number(double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_svg_number(double precision) IS 'A coordinate, to a tenth of a unit';

CREATE FUNCTION @extschema@.tw_svg_words(value text) RETURNS text
    LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN coalesce(nullif(@extschema@.tw_html(@extschema@.tw_page_words(value, 40)), ''), 'none');
REVOKE ALL ON FUNCTION @extschema@.tw_svg_words(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_svg_words(text) IS 'A label of a chart: masked, cut to 40 characters, escaped';

CREATE FUNCTION @extschema@.tw_svg_ticks(low double precision, high double precision, min_step double precision)
    RETURNS double precision[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT ARRAY(SELECT n * s.step FROM generate_series(floor(low / s.step + 1e-9)::integer,
                                                        ceil(r.top / s.step - 1e-9)::integer) n)
    FROM (SELECT CASE WHEN high > low THEN high ELSE low + 1 END AS top) r
    CROSS JOIN LATERAL (SELECT (r.top - low) / 4 AS raw) w
    CROSS JOIN LATERAL (SELECT 10 ^ floor(log(w.raw)) AS unit) u
    CROSS JOIN LATERAL (SELECT greatest(min_step, u.unit * CASE
        WHEN w.raw / u.unit <= 1.0001 THEN 1 WHEN w.raw / u.unit <= 2.0001 THEN 2
        -- 2.5 is no number of conversations.
        WHEN w.raw / u.unit <= 2.5001 AND u.unit <> 1 THEN 2.5
        WHEN w.raw / u.unit <= 5.0001 THEN 5 ELSE 10 END) AS step) s;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_svg_ticks(double precision, double precision, double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_svg_ticks(double precision, double precision, double precision) IS
    'Round values that enclose low and high, at most seven, at least so far apart';

CREATE FUNCTION @extschema@.tw_svg_x(n integer, labels integer) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN 84 + (n - 0.5) * 624.0 / labels;
REVOKE ALL ON FUNCTION @extschema@.tw_svg_x(integer, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_svg_x(integer, integer) IS 'Where the middle of a label stands in a wide chart';

CREATE FUNCTION @extschema@.tw_svg_y(value double precision, ticks double precision[]) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN 286 - 270 * (least(greatest(value, ticks[1]), ticks[cardinality(ticks)]) - ticks[1])
    / (ticks[cardinality(ticks)] - ticks[1]);
REVOKE ALL ON FUNCTION @extschema@.tw_svg_y(double precision, double precision[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_svg_y(double precision, double precision[]) IS
    'Where a value stands in a wide chart; one outside the ticks stands at the edge';

-- About seven labels fit, and on a phone half of them. The last one always stands there.
CREATE FUNCTION @extschema@.tw_svg_axes(labels text[], ticks double precision[], unit text) RETURNS text
    LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT (SELECT string_agg(format(
                '<path class="%s" d="M84 %sH708"/><text class="y" x="76" y="%s">%s</text>',
                CASE WHEN t.value = 0 THEN 'zero' ELSE 'grid' END, y.y,
                y.y, regexp_replace(@extschema@.tw_svg_value(t.value, unit), '\.0+( |$)', '\1')), '' ORDER BY t.n)
            FROM unnest(ticks) WITH ORDINALITY t (value, n)
            CROSS JOIN LATERAL (SELECT @extschema@.tw_svg_number(@extschema@.tw_svg_y(t.value, ticks)) AS y) y)
        || coalesce((SELECT string_agg(format(
                '<text class="x%s" x="%s" y="318">%s</text>',
                CASE WHEN (s.n_labels - l.n) % (2 * e.every) <> 0 THEN ' minor' ELSE '' END
                || CASE WHEN x.x > 664 AND s.n_labels > 3 THEN ' last' ELSE '' END,
                @extschema@.tw_svg_number(x.x), @extschema@.tw_svg_words(l.label)), '' ORDER BY l.n)
            FROM (SELECT cardinality(labels) AS n_labels) s
            CROSS JOIN LATERAL (SELECT greatest(1, ceil(s.n_labels / 7.0))::integer AS every) e
            CROSS JOIN LATERAL unnest(labels) WITH ORDINALITY l (label, n)
            CROSS JOIN LATERAL (SELECT @extschema@.tw_svg_x(l.n::integer, s.n_labels) AS x) x
            WHERE (s.n_labels - l.n) % e.every = 0), '');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_svg_axes(text[], double precision[], text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_svg_axes(text[], double precision[], text) IS
    'Both axes of a wide chart: lines at the ticks with their values, and labels below';

CREATE FUNCTION @extschema@.tw_svg_legend(series_names text[], kind text) RETURNS text
    LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN cardinality(series_names) > 1 THEN '<ul class="legend">' || string_agg(
        '<li><svg viewBox="0 0 28 12" aria-hidden="true">'
        || format(CASE kind WHEN 'line' THEN '<path class="l%s" d="M1 6H27"/>'
                            ELSE '<rect class="f%s" x="8" width="12" height="12"/>' END, (s.n - 1) % 6 + 1)
        || '</svg><bdi>' || @extschema@.tw_svg_words(s.name) || '</bdi></li>', '' ORDER BY s.n) || '</ul>'
        ELSE '' END
    FROM unnest(series_names) WITH ORDINALITY s (name, n);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_svg_legend(text[], text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_svg_legend(text[], text) IS
    'The legend of a chart whose series are drawn as line or fill; empty for a single series';

CREATE FUNCTION @extschema@.tw_svg_figure(
    title text, description text, shape text, view text, drawing text, legend text, figures text) RETURNS text
    LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format(E'<figure class="chart %s">\n<figcaption><strong>%s</strong> %s</figcaption>\n'
                  '<svg viewBox="%s" role="img" aria-labelledby="%s %s-text"><title id="%s">%s</title>'
                  '<desc id="%s-text">%s</desc>%s</svg>\n%s\n<details><summary>Figures</summary>\n%s\n</details>\n'
                  '</figure>',
                  shape, w.title, w.description, view, i.id, i.id, i.id, w.title, i.id, w.description, drawing,
                  legend, figures)
    FROM (SELECT @extschema@.tw_html(title) AS title, coalesce(@extschema@.tw_html(description), '') AS description) w
    CROSS JOIN LATERAL (SELECT @extschema@.tw_page_id('c', title || coalesce(description, '') || drawing) AS id) i;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_svg_figure(text, text, text, text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_svg_figure(text, text, text, text, text, text, text) IS
    'A chart with its title and description (plain text), drawing, legend and table of figures (HTML)';

CREATE FUNCTION @extschema@.tw_svg_table(
    title text, labels text[], series_names text[], series double precision[], unit text) RETURNS text
    LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT @extschema@.tw_page_table(
        'Figures of: ' || @extschema@.tw_html(title),
        '{label}'::text[]
            || ARRAY(SELECT @extschema@.tw_page_text(s.name, 40)
                     FROM unnest(series_names) WITH ORDINALITY s (name, n) ORDER BY s.n),
        ARRAY(SELECT CASE WHEN s.n = 0 THEN @extschema@.tw_page_text(l.label, 40)
                          ELSE @extschema@.tw_svg_value(series[(s.n - 1) * cardinality(labels) + l.n], unit) END
              FROM unnest(labels) WITH ORDINALITY l (label, n), generate_series(0, cardinality(series_names)) s (n)
              ORDER BY l.n, s.n),
        ARRAY(SELECT generate_series(2, cardinality(series_names) + 1)), 0::bigint);
END;
REVOKE ALL ON FUNCTION @extschema@.tw_svg_table(text, text[], text[], double precision[], text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_svg_table(text, text[], text[], double precision[], text) IS
    'The figures of a chart as a table: a row for each label, a column for each series';
