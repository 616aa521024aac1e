-- The charts of training_report(); svg.sql has what they share.

CREATE FUNCTION @extschema@.tw_svg_columns(
    title text, description text, labels text[], series_names text[], series double precision[], unit text)
    RETURNS text
    LANGUAGE plpgsql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    n CONSTANT integer := cardinality(labels);
    width CONSTANT double precision := least(64, 624.0 / greatest(n, 1) * 0.78);
    ticks double precision[];
    drawing text;
BEGIN
    IF coalesce(n, 0) = 0 OR coalesce(cardinality(series_names), 0) = 0 THEN
        RETURN format('<p class="empty">%s: nothing to show.</p>', @extschema@.tw_html(title));
    END IF;
    SELECT @extschema@.tw_svg_ticks(0::double precision, coalesce(max(t.total), 0),
                                    CASE WHEN unit = '%' THEN 0 ELSE 1 END::double precision) INTO ticks
    FROM (SELECT sum(greatest(v.value, 0)) AS total FROM unnest(series) WITH ORDINALITY v (value, k)
          GROUP BY (v.k - 1) % n) t;
    SELECT string_agg(format('<g><title>%s: %s</title>%s</g>', @extschema@.tw_svg_words(labels[c.i]),
                             @extschema@.tw_svg_value(c.total, unit), c.boxes), '' ORDER BY c.i) INTO drawing
    FROM (
        SELECT b.i, sum(b.value) AS total,
               coalesce(string_agg(format('<rect class="f%s" x="%s" y="%s" width="%s" height="%s"/>', (b.s - 1) % 6 + 1,
                   @extschema@.tw_svg_number(@extschema@.tw_svg_x(b.i, n) - width / 2),
                   @extschema@.tw_svg_number(@extschema@.tw_svg_y(b.top, ticks)),
                   @extschema@.tw_svg_number(width),
                   @extschema@.tw_svg_number(@extschema@.tw_svg_y(b.top - b.value, ticks)
                                             - @extschema@.tw_svg_y(b.top, ticks))), '' ORDER BY b.s)
                   FILTER (WHERE b.value > 0), '') AS boxes
        FROM (SELECT v.i, v.s, v.value, sum(v.value) OVER (PARTITION BY v.i ORDER BY v.s) AS top
              FROM (SELECT ((u.k - 1) % n)::integer + 1 AS i, ((u.k - 1) / n)::integer + 1 AS s,
                           greatest(coalesce(u.value, 0), 0) AS value
                    FROM unnest(series) WITH ORDINALITY u (value, k)) v) b
        GROUP BY b.i) c;
    RETURN @extschema@.tw_svg_figure(title, description, 'wide', '0 0 720 330',
        @extschema@.tw_svg_axes(labels, ticks, unit) || drawing || '<path class="zero" d="M84 286H708"/>',
        @extschema@.tw_svg_legend(series_names, 'fill'::text),
        @extschema@.tw_svg_table(title, labels, series_names, series, unit));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_svg_columns(text, text, text[], text[], double precision[], text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_svg_columns(text, text, text[], text[], double precision[], text) IS
    'Stacked columns, one for each label, from below: series has the values of the first name for all labels, then '
    'those of the second, and so on (NULL = nothing). With the unit % they are fractions';

CREATE FUNCTION @extschema@.tw_svg_line(
    s integer, labels integer, ticks double precision[], value double precision[], lower double precision[],
    upper double precision[]) RETURNS text
    LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH point AS (
        SELECT p.n, p.value, p.lower, p.upper,
               @extschema@.tw_svg_number(@extschema@.tw_svg_x(p.n::integer, labels)) AS x,
               -- Each gap begins another piece.
               count(*) FILTER (WHERE p.value IS NULL) OVER (ORDER BY p.n) AS piece,
               count(*) FILTER (WHERE p.lower IS NULL OR p.upper IS NULL) OVER (ORDER BY p.n) AS band
        FROM unnest(value, lower, upper) WITH ORDINALITY p (value, lower, upper, n)
    )
    SELECT coalesce((SELECT string_agg(CASE WHEN b.points = 1 THEN format('<path class="e%s" d="M%sV%s"/>', s, b.there,
                                                split_part(b.back, ',', 2))
                                            ELSE format('<path class="b%s" d="M%sL%sZ"/>', s, b.there, b.back) END, '')
                     FROM (SELECT count(*) AS points,
                                  string_agg(p.x || ',' || @extschema@.tw_svg_number(
                                      @extschema@.tw_svg_y(p.upper, ticks)), ' ' ORDER BY p.n) AS there,
                                  string_agg(p.x || ',' || @extschema@.tw_svg_number(
                                      @extschema@.tw_svg_y(p.lower, ticks)), ' ' ORDER BY p.n DESC) AS back
                           FROM point p WHERE p.lower IS NOT NULL AND p.upper IS NOT NULL GROUP BY p.band) b), '')
        || coalesce((SELECT string_agg(format('<path class="l%s" d="M%s"/>', s, l.points), '')
                     FROM (SELECT string_agg(p.x || ',' || @extschema@.tw_svg_number(
                                      @extschema@.tw_svg_y(p.value, ticks)), ' ' ORDER BY p.n) AS points
                           FROM point p WHERE p.value IS NOT NULL GROUP BY p.piece HAVING count(*) > 1) l), '')
        || coalesce((SELECT string_agg(format('<circle class="f%s" cx="%s" cy="%s" r="%s"/>', s, p.x,
                                              @extschema@.tw_svg_number(@extschema@.tw_svg_y(p.value, ticks)),
                                              CASE WHEN labels > 40 THEN '2.5' ELSE '4.5' END), '' ORDER BY p.n)
                     FROM point p WHERE p.value IS NOT NULL), '');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_svg_line(integer, integer, double precision[], double precision[],
    double precision[], double precision[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_svg_line(integer, integer, double precision[], double precision[],
    double precision[], double precision[]) IS
    'One line of a chart in its colour (1 to 6), with a band where there are bounds, and gaps where there is no value';

CREATE FUNCTION @extschema@.tw_svg_lines(
    title text, description text, labels text[], series_names text[], series double precision[],
    lower double precision[], upper double precision[], from_value double precision, to_value double precision,
    unit text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    n CONSTANT integer := cardinality(labels);
    ticks double precision[];
    drawing text;
BEGIN
    IF coalesce(n, 0) = 0 OR num_nonnulls(VARIADIC series) = 0 THEN
        RETURN format('<p class="empty">%s: nothing to show.</p>', @extschema@.tw_html(title));
    END IF;
    SELECT @extschema@.tw_svg_ticks(coalesce(from_value, min(v.value)), coalesce(to_value, max(v.value)),
                                    0::double precision) INTO ticks
    FROM unnest(series || lower || upper) v (value);
    SELECT string_agg(@extschema@.tw_svg_line((s - 1) % 6 + 1, n, ticks, series[(s - 1) * n + 1:s * n],
                                              lower[(s - 1) * n + 1:s * n], upper[(s - 1) * n + 1:s * n]), ''
                      ORDER BY s)
    INTO drawing FROM generate_series(1, cardinality(series_names)) s;
    RETURN @extschema@.tw_svg_figure(title, description, 'wide', '0 0 720 330',
        @extschema@.tw_svg_axes(labels, ticks, unit) || drawing, @extschema@.tw_svg_legend(series_names, 'line'::text),
        @extschema@.tw_svg_table(title, labels, series_names, series, unit));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_svg_lines(text, text, text[], text[], double precision[], double precision[],
    double precision[], double precision, double precision, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_svg_lines(text, text, text[], text[], double precision[], double precision[],
    double precision[], double precision, double precision, text) IS
    'Lines over the labels; series as in tw_svg_columns, NULL = a gap. lower and upper are bounds in the same order '
    '(NULL = none); the values from from_value to to_value are in sight (NULL = the least and the largest)';

CREATE FUNCTION @extschema@.tw_svg_bounds(
    title text, description text, labels text[], difference double precision[], lower double precision[],
    upper double precision[], unit text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    points CONSTANT integer := cardinality(labels);
    ticks double precision[];
    drawing text;
BEGIN
    IF coalesce(points, 0) = 0 OR num_nonnulls(VARIADIC difference || lower || upper) = 0 THEN
        RETURN format('<p class="empty">%s: nothing to show.</p>', @extschema@.tw_html(title));
    END IF;
    SELECT @extschema@.tw_svg_ticks(least(min(v.value), 0), greatest(max(v.value), 0), 0::double precision) INTO ticks
    FROM unnest(difference || lower || upper) v (value);
    SELECT string_agg(
        CASE WHEN p.lower IS NULL OR p.upper IS NULL THEN ''
             ELSE format('<path class="e1" d="M%s %sV%sM%s %sh10M%s %sh10"/>', x.x, y.upper, y.lower, x.x - 5, y.upper,
                         x.x - 5, y.lower) END
        || CASE WHEN p.value IS NULL THEN ''
                ELSE format('<circle class="f1" cx="%s" cy="%s" r="5"/>', x.x, y.value) END, '' ORDER BY p.n)
    INTO drawing
    FROM unnest(difference, lower, upper) WITH ORDINALITY p (value, lower, upper, n)
    CROSS JOIN LATERAL (SELECT @extschema@.tw_svg_number(@extschema@.tw_svg_x(p.n::integer, points))::numeric AS x) x
    CROSS JOIN LATERAL (SELECT @extschema@.tw_svg_number(@extschema@.tw_svg_y(p.value, ticks)) AS value,
                               @extschema@.tw_svg_number(@extschema@.tw_svg_y(p.lower, ticks)) AS lower,
                               @extschema@.tw_svg_number(@extschema@.tw_svg_y(p.upper, ticks)) AS upper) y;
    RETURN @extschema@.tw_svg_figure(title, description, 'wide', '0 0 720 330',
        @extschema@.tw_svg_axes(labels, ticks, unit) || drawing, ''::text,
        @extschema@.tw_svg_table(title, labels, '{difference,lower bound,upper bound}'::text[],
                                 difference || lower || upper, unit));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_svg_bounds(text, text, text[], double precision[], double precision[],
    double precision[], text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_svg_bounds(text, text, text[], double precision[], double precision[],
    double precision[], text) IS
    'Differences with their bounds, one for each label, and a line at 0; lower and upper are as long as difference, '
    'NULL = no bound';

CREATE FUNCTION @extschema@.tw_svg_reliability(
    title text, description text, mean double precision[], accuracy double precision[], lower double precision[],
    upper double precision[], weight double precision[]) RETURNS text
    LANGUAGE plpgsql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    n CONSTANT integer := cardinality(mean);
    most CONSTANT double precision := (SELECT max(w) FROM unnest(weight) w);
    axes CONSTANT text := (SELECT string_agg(format(
        '<path class="grid" d="M52 %sH350"/><text class="y" x="44" y="%s">%s %%</text>'
        '<text class="x" x="%s" y="328">%s %%</text>',
        308 - 2.98 * t, 308 - 2.98 * t, t, 52 + 2.98 * t, t), '') FROM generate_series(0, 100, 25) t);
    drawing text;
BEGIN
    IF coalesce(n, 0) = 0 OR num_nonnulls(VARIADIC accuracy) = 0 THEN
        RETURN format('<p class="empty">%s: nothing to show.</p>', @extschema@.tw_html(title));
    END IF;
    SELECT string_agg(
        CASE WHEN p.lower IS NULL OR p.upper IS NULL THEN ''
             ELSE format('<path class="e1" d="M%s %sV%s"/>', c.x, @extschema@.tw_svg_number(308 - 298 * p.upper),
                         @extschema@.tw_svg_number(308 - 298 * p.lower)) END
        || format('<circle class="f1" cx="%s" cy="%s" r="%s"/>', c.x, @extschema@.tw_svg_number(308 - 298 * p.accuracy),
                  @extschema@.tw_svg_number(3.5 + 7.5 * coalesce(sqrt(greatest(p.weight, 0) / nullif(most, 0)), 0))),
        '' ORDER BY p.n) INTO drawing
    FROM unnest(mean, accuracy, lower, upper, weight) WITH ORDINALITY p (mean, accuracy, lower, upper, weight, n)
    CROSS JOIN LATERAL (SELECT @extschema@.tw_svg_number(52 + 298 * p.mean) AS x) c
    WHERE p.accuracy IS NOT NULL AND p.mean IS NOT NULL;
    RETURN @extschema@.tw_svg_figure(title, description, 'square', '0 0 372 356',
        axes || '<path class="diagonal" d="M52 308L350 10"/><text class="x" x="201" y="350">stated confidence</text>'
        || coalesce(drawing, ''), ''::text,
        @extschema@.tw_page_table('Figures of: ' || @extschema@.tw_html(title),
            '{confidence,accuracy,95 % interval,conversations}'::text[],
            ARRAY(SELECT f.cell
                  FROM unnest(mean, accuracy, lower, upper, weight) WITH ORDINALITY p (mean, accuracy, lower, upper,
                                                                                       weight, n)
                  CROSS JOIN LATERAL (VALUES (1, @extschema@.tw_page_percent(p.mean)),
                      (2, @extschema@.tw_page_percent(p.accuracy)), (3, @extschema@.tw_page_interval(p.lower, p.upper)),
                      (4, @extschema@.tw_page_number(p.weight::numeric))) f (col, cell)
                  ORDER BY p.n, f.col), '{1,2,3,4}'::integer[], 0::bigint));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_svg_reliability(text, text, double precision[], double precision[],
    double precision[], double precision[], double precision[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_svg_reliability(text, text, double precision[], double precision[],
    double precision[], double precision[], double precision[]) IS
    'A reliability diagram: accuracy (upwards) with its interval against the mean confidence of each bin, and the '
    'diagonal on which both are equal; larger dots have more weight (conversations)';

CREATE FUNCTION @extschema@.tw_svg_bars(
    title text, description text, labels text[], series double precision[], unit text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    n CONSTANT integer := cardinality(labels);
    most CONSTANT double precision := (SELECT max(v) FROM unnest(series) v);
    drawing text;
BEGIN
    IF coalesce(n, 0) = 0 OR num_nonnulls(VARIADIC series) = 0 THEN
        RETURN format('<p class="empty">%s: nothing to show.</p>', @extschema@.tw_html(title));
    END IF;
    SELECT string_agg(format(
        '<text class="bar" x="0" y="%s">%s</text><text class="value" x="720" y="%s">%s</text>'
        '<rect class="track" x="0" y="%s" width="720" height="10"/>'
        '<rect class="f1" x="0" y="%s" width="%s" height="10"/>',
        v.n * 60 - 36, @extschema@.tw_svg_words(labels[v.n]), v.n * 60 - 36, @extschema@.tw_svg_value(v.value, unit),
        v.n * 60 - 22, v.n * 60 - 22,
        @extschema@.tw_svg_number(720 * coalesce(greatest(v.value, 0) / nullif(most, 0), 0))), '' ORDER BY v.n)
    INTO drawing
    FROM unnest(series) WITH ORDINALITY v (value, n);
    RETURN @extschema@.tw_svg_figure(title, description, 'wide', format('0 0 720 %s', n * 60), drawing, ''::text,
        @extschema@.tw_svg_table(title, labels, ARRAY[coalesce(nullif(unit, ''), 'value')], series, unit));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_svg_bars(text, text, text[], double precision[], text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_svg_bars(text, text, text[], double precision[], text) IS
    'Horizontal bars, one for each label, each below its label and value; the longest is as wide as the chart';
