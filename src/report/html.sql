-- The parts of the page that training_report() makes. The page is HTML5 and well-formed XML at once: void elements are
-- closed, and no entity has a name except the five of XML.
--
-- What comes from outside is written by tw_page_text() alone, or by tw_html(). Characters that neither standard allows
-- become U+FFFD, and so do the marks that embed or isolate a direction: they would reorder what stands beside the text.

CREATE FUNCTION @extschema@.tw_html(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN replace(replace(replace(replace(replace(
    -- Bytes 1 to 31 without tab and line feed, 127 to 159, the marks of direction, and what is no character.
    regexp_replace(value, '[\u0001-\u0008\u000B-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069\uFDD0-\uFDEF\uFFFE\uFFFF]'
        || '|[\U0001FFFE\U0001FFFF\U0002FFFE\U0002FFFF\U0003FFFE\U0003FFFF\U0004FFFE\U0004FFFF\U0005FFFE\U0005FFFF]'
        || '|[\U0006FFFE\U0006FFFF\U0007FFFE\U0007FFFF\U0008FFFE\U0008FFFF\U0009FFFE\U0009FFFF\U000AFFFE\U000AFFFF]'
        || '|[\U000BFFFE\U000BFFFF\U000CFFFE\U000CFFFF\U000DFFFE\U000DFFFF\U000EFFFE\U000EFFFF\U000FFFFE\U000FFFFF]'
        || '|[\U0010FFFE\U0010FFFF]', chr(65533), 'g'),
    '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;');
REVOKE ALL ON FUNCTION @extschema@.tw_html(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_html(text) IS
    'The text as HTML, escaped for elements and for attributes; what HTML or XML does not allow becomes U+FFFD';

-- Numbers that a cut goes through would not be masked: the text is cut with a margin, masked, and cut again.
CREATE FUNCTION @extschema@.tw_page_words(value text, size integer) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN rtrim("left"(@extschema@.redact_pii("left"(value, size + 1000)), size))
    || CASE WHEN char_length(value) > size THEN chr(8230) ELSE '' END;
REVOKE ALL ON FUNCTION @extschema@.tw_page_words(text, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_page_words(text, integer) IS
    'The first characters of a text, at most size, with personal data masked, as plain text; an ellipsis where it was '
    'cut';

CREATE FUNCTION @extschema@.tw_page_text(value text, size integer) RETURNS text
    LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN value IS NULL THEN '<span class="none">none</span>'
    WHEN value !~ '\S' THEN '<span class="none">blank</span>'
    ELSE '<bdi>' || @extschema@.tw_html(@extschema@.tw_page_words(value, size)) || '</bdi>' END;
REVOKE ALL ON FUNCTION @extschema@.tw_page_text(text, integer) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_page_text(text, integer) IS
    'A text from outside as HTML: masked, cut to size characters, escaped, and isolated from the direction of what '
    'stands around it';

CREATE FUNCTION @extschema@.tw_page_number(value numeric) RETURNS text
    LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN value IS NULL OR value IN ('NaN', 'Infinity', '-Infinity') THEN 'unknown'
    WHEN abs(value) >= 100 OR value = trunc(value) THEN to_char(round(value), 'FM999,999,999,999,999,990')
    WHEN abs(value) >= 10 THEN to_char(value, 'FM990.0')
    ELSE to_char(value, 'FM990.00') END;
REVOKE ALL ON FUNCTION @extschema@.tw_page_number(numeric) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_page_number(numeric) IS
    'A number as people read it: thousands apart, two decimals below 10 and one below 100';

-- 99.97 % is not 100 %, and 0.04 % not nothing.
CREATE FUNCTION @extschema@.tw_page_percent(share double precision) RETURNS text
    LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN share IS NULL OR share IN ('NaN', 'Infinity', '-Infinity') THEN 'unknown'
    -- An interval's end can lack a rounding error of it.
    WHEN share = 0 OR abs(share - 1) < 1e-9 THEN 100 * round(share) || ' %'
    WHEN abs(share) < 0.001 OR share BETWEEN 0.999 AND 1 THEN to_char(100 * share, 'FM9990.00') || ' %'
    ELSE to_char(100 * share, 'FM999,990.0') || ' %' END;
REVOKE ALL ON FUNCTION @extschema@.tw_page_percent(double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_page_percent(double precision) IS 'A fraction in percent';

CREATE FUNCTION @extschema@.tw_page_interval(lower double precision, upper double precision) RETURNS text
    LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN lower IS NULL OR upper IS NULL THEN 'unknown'
            ELSE rtrim(@extschema@.tw_page_percent(lower), ' %') || ' to ' || @extschema@.tw_page_percent(upper) END;
REVOKE ALL ON FUNCTION @extschema@.tw_page_interval(double precision, double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_page_interval(double precision, double precision) IS
    'An interval of fractions, in percent';

CREATE FUNCTION @extschema@.tw_report_estimate(estimate double precision, lower double precision,
    upper double precision) RETURNS text
    LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN num_nulls(lower, upper) > 0 THEN @extschema@.tw_page_percent(estimate)
            WHEN estimate IS NULL THEN @extschema@.tw_page_interval(lower, upper)
            ELSE format('%s (%s)', @extschema@.tw_page_percent(estimate), @extschema@.tw_page_interval(lower, upper))
            END;
REVOKE ALL ON FUNCTION @extschema@.tw_report_estimate(double precision, double precision, double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_report_estimate(double precision, double precision, double precision) IS
    'An estimated fraction with its interval, in percent; an interval without an estimate stands alone';

CREATE FUNCTION @extschema@.tw_page_duration(seconds double precision) RETURNS text
    LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN seconds IS NULL OR seconds < 0 OR seconds IN ('NaN', 'Infinity') THEN 'unknown'
    WHEN seconds < 120 THEN round(seconds::numeric) || ' s'
    WHEN seconds < 7200 THEN round(seconds::numeric / 60) || ' min'
    WHEN seconds < 172800 THEN round(seconds::numeric / 3600) || ' h'
    ELSE to_char(round(seconds::numeric / 86400), 'FM999,999,990') || ' days' END;
REVOKE ALL ON FUNCTION @extschema@.tw_page_duration(double precision) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_page_duration(double precision) IS
    'A number of seconds as people read it, in seconds, minutes, hours or days; a negative one, of a message that '
    'is said to be of later, is unknown';

CREATE FUNCTION @extschema@.tw_page_id(kind text, content text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN kind || '-' || "left"(encode(sha256(convert_to(content, 'UTF8')), 'hex'), 10);
REVOKE ALL ON FUNCTION @extschema@.tw_page_id(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_page_id(text, text) IS
    'The id of an element, made of what it says: the same in each page, and unique as long as no element is repeated';

CREATE FUNCTION @extschema@.tw_page_section(id text, title text, lead text, body text) RETURNS text
    LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN format(E'<section id="%s" aria-labelledby="%s-title">\n<h2 id="%s-title">%s</h2>\n<p class="lead">%s</p>\n'
              '%s\n</section>\n', id, id, id, title, lead, body);
REVOKE ALL ON FUNCTION @extschema@.tw_page_section(text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_page_section(text, text, text, text) IS
    'A section of the page. title, lead (what the section shows and what it means now, in words) and body are HTML';

CREATE FUNCTION @extschema@.tw_page_table(
    caption text, heads text[], cells text[], numeric_columns integer[], more bigint) RETURNS text
    LANGUAGE plpgsql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    columns CONSTANT integer := cardinality(heads);
    id CONSTANT text := @extschema@.tw_page_id('t', caption || array_to_string(heads || cells, chr(10)));
BEGIN
    IF coalesce(cardinality(cells), 0) = 0 THEN
        RETURN format('<p class="empty">%s: nothing to show.</p>', caption);
    END IF;
    RETURN format(E'<div class="scroll" role="region" tabindex="0" aria-labelledby="%s">\n<table>\n'
                  '<caption id="%s">%s</caption>\n<thead><tr>', id, id, caption)
        || (SELECT string_agg(format('<th scope="col"%s>%s</th>',
                                     CASE WHEN h.n = ANY (numeric_columns) THEN ' class="n"' ELSE '' END, h.head),
                              '' ORDER BY h.n)
            FROM unnest(heads) WITH ORDINALITY h (head, n))
        || E'</tr></thead>\n<tbody>\n'
        || (SELECT string_agg(
                CASE WHEN c.col = 1 THEN '<tr><th scope="row"' ELSE '<td' END
                || CASE WHEN c.col = ANY (numeric_columns) THEN ' class="n">' ELSE '>' END
                || coalesce(c.cell, @extschema@.tw_page_text(NULL, 1))
                || CASE WHEN c.col = 1 THEN '</th>' ELSE '</td>' END
                || CASE WHEN c.col = columns THEN E'</tr>\n' ELSE '' END, '' ORDER BY c.n)
            FROM (SELECT u.cell, u.n, (u.n - 1) % columns + 1 AS col
                  FROM unnest(cells) WITH ORDINALITY u (cell, n)) c)
        || E'</tbody>\n</table>\n</div>'
        || CASE WHEN more > 0 THEN format('<p class="more">%s more %s not shown.</p>',
                                          @extschema@.tw_page_number(more::numeric),
                                          CASE WHEN more = 1 THEN 'row is' ELSE 'rows are' END)
                ELSE '' END;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_page_table(text, text[], text[], integer[], bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_page_table(text, text[], text[], integer[], bigint) IS
    'A table in a box that scrolls by itself. caption, heads and cells (row by row) are HTML; a NULL cell is "none". '
    'numeric_columns are numbered from 1; more is how many rows were left out';
