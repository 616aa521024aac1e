-- training_report(): what the page says, that it is well-formed and within reach of everybody who reads it, and that
-- nothing from outside is an element, an attribute or a link of it. An XML parser of the server would do, but not every
-- server has one.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SET datestyle = 'ISO';
SELECT count(set_training_setting('time_zone', 'UTC'));

-- The elements and texts of a page. "within" has the elements around it with their classes, the outermost first;
-- "fault" says where XML would refuse it. Texts have no tag.
CREATE FUNCTION parsed(page text,
    OUT n bigint, OUT tag text, OUT attributes text[], OUT words text, OUT within text[], OUT section text,
    OUT line int, OUT fault text)
    RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    part text[];
    open text[] := '{}';
BEGIN
    line := 0;
    within := '{}';
    FOR part, n IN
        SELECT r.part, r.n
        FROM regexp_matches(page, '<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:\s+[a-zA-Z][a-zA-Z-]*="[^"<]*")*)\s*(/?)>'
                                  || '|([^<]+)|(<)', 'g') WITH ORDINALITY r (part, n)
        WHERE NOT (r.n = 2 AND r.part[5] = '!DOCTYPE html>')
    LOOP
        fault := CASE
            WHEN part[6] IS NOT NULL AND n > 1 THEN 'a < that begins nothing'
            WHEN part[1] = '/' AND part[2] IS DISTINCT FROM open[cardinality(open)] THEN 'closes another: ' || part[2]
            WHEN part[3] || part[5] ~ '&(?!(amp|lt|gt|quot|#39);)' THEN 'an entity: ' || left(part[5], 40)
            WHEN part[3] || part[5] ~ '[\u0001-\u0008\u000B-\u001F\u007F-\u009F\uFFFE\uFFFF]' THEN 'a control character'
            END;
        tag := NULL; attributes := NULL; words := NULL;
        IF part[1] = '/' THEN
            open := open[1:cardinality(open) - 1];
            within := within[1:cardinality(within) - 1];
            CONTINUE WHEN fault IS NULL;
        ELSIF part[2] IS NOT NULL THEN
            tag := part[2];
            attributes := ARRAY(SELECT a[1] || '=' || a[2]
                                FROM regexp_matches(part[3], '([a-zA-Z-]+)="([^"]*)"', 'g') a);
            line := line + (tag = 'tr')::int;
            section := CASE WHEN tag = 'section' THEN substring(part[3] FROM 'id="([^"]*)"') ELSE section END;
        ELSE
            words := part[5];
        END IF;
        RETURN NEXT;
        IF tag IS NOT NULL AND part[4] = '' THEN
            open := open || tag;
            within := within || (tag || coalesce('.' || substring(part[3] FROM 'class="([^"]*)"'), ''));
        END IF;
    END LOOP;
    fault := 'not closed: ' || open::text; tag := NULL; words := NULL;
    IF open <> '{}' THEN RETURN NEXT; END IF;
END
$$;
CREATE TABLE page (n bigint, tag text, attributes text[], words text, within text[], section text, line int,
    fault text);
CREATE FUNCTION see(page text) RETURNS bigint LANGUAGE sql AS $$
    DELETE FROM page;
    INSERT INTO page SELECT * FROM parsed(see.page);
    SELECT count(*) FROM page WHERE fault IS NOT NULL
$$;
CREATE VIEW said AS
    SELECT p.section, regexp_replace(string_agg(p.words, '' ORDER BY p.n), '\s+', ' ', 'g') AS lead
    FROM page p WHERE 'p.lead' = ANY (p.within) GROUP BY p.section ORDER BY min(p.n);
CREATE VIEW table_rows AS
    SELECT p.section, p.line, string_agg(p.cell, ' | ' ORDER BY p.cell_n) AS cells
    FROM (SELECT c.section, c.line, c.n AS cell_n,
                 (SELECT string_agg(w.words, '' ORDER BY w.n) FROM page w WHERE w.n > c.n AND w.words IS NOT NULL
                     AND w.n < (SELECT min(x.n) FROM page x
                                WHERE x.n > c.n AND x.tag IN ('td', 'th', 'tr', 'table', 'p', 'section', 'footer'))
                     AND (w.within::text LIKE '%td%' OR w.within::text LIKE '%th%')) AS cell
          FROM page c WHERE c.tag IN ('td', 'th')) p
    GROUP BY p.section, p.line ORDER BY p.line;
CREATE VIEW mine AS SELECT unnest('{conversations,accuracy,fallback,queue,agreement}'::text[]) AS section;
-- What a page must not have: nothing of it is a script, a style from outside, or a reference to another place.
CREATE VIEW problems AS
    SELECT 'not well-formed' AS problem, p.fault AS what FROM page p WHERE p.fault IS NOT NULL
    UNION ALL
    SELECT DISTINCT 'element', p.tag FROM page p
    WHERE p.tag NOT IN ('html', 'head', 'meta', 'title', 'style', 'body', 'div', 'a', 'header', 'h1', 'h2', 'h3', 'p',
        'dl', 'dt', 'dd', 'nav', 'ul', 'ol', 'li', 'main', 'section', 'figure', 'figcaption', 'strong', 'em', 'svg',
        'desc', 'path', 'rect', 'circle', 'text', 'g', 'bdi', 'span', 'code', 'details', 'summary', 'table', 'caption',
        'thead',
        'tbody', 'tr', 'th', 'td', 'footer')
    UNION ALL
    SELECT DISTINCT 'attribute', split_part(a, '=', 1) FROM page p, unnest(p.attributes) a
    WHERE split_part(a, '=', 1) NOT IN ('lang', 'charset', 'name', 'content', 'class', 'id', 'href', 'aria-labelledby',
        'aria-hidden', 'role', 'tabindex', 'scope', 'viewBox', 'd', 'x', 'y', 'cx', 'cy', 'r', 'width', 'height')
    UNION ALL
    SELECT 'reference', a FROM page p, unnest(p.attributes) a
    WHERE a LIKE 'href=%' AND NOT EXISTS (SELECT FROM page q WHERE 'id=' || substr(a, 7) = ANY (q.attributes))
    UNION ALL
    SELECT 'label', l FROM page p, unnest(p.attributes) a, regexp_split_to_table(substr(a, 17), ' ') l
    WHERE a LIKE 'aria-labelledby=%' AND NOT EXISTS (SELECT FROM page q WHERE 'id=' || l = ANY (q.attributes))
    UNION ALL
    SELECT 'id twice', a FROM page p, unnest(p.attributes) a WHERE a LIKE 'id=%' GROUP BY a HAVING count(*) > 1
    UNION ALL
    SELECT 'drawing without a name', p.attributes::text FROM page p
    WHERE p.tag = 'svg' AND NOT (p.attributes @> '{aria-hidden=true}'
                                 OR p.attributes @> '{role=img}' AND p.attributes::text LIKE '%aria-labelledby=%')
    UNION ALL
    SELECT 'table without a caption', p.n::text FROM page p
    WHERE p.tag = 'table' AND (SELECT q.tag FROM page q WHERE q.n > p.n AND q.tag IS NOT NULL ORDER BY q.n LIMIT 1)
                              IS DISTINCT FROM 'caption'
    UNION ALL
    SELECT 'head without a scope', p.n::text FROM page p
    WHERE p.tag = 'th' AND NOT p.attributes && '{scope=col,scope=row}'
    UNION ALL
    SELECT 'headings', string_agg(p.tag, ' ' ORDER BY p.n) FROM page p
    WHERE p.tag ~ '^h\d$' HAVING string_agg(p.tag, ' ' ORDER BY p.n) !~ '^h1( h2( h3)*)+$';

-- An empty database: each section says that there is nothing, and none of it is called fine.
SELECT see(training_report('2026-05-01', '2026-05-30'));
SELECT * FROM problems;
SELECT s.* FROM said s JOIN mine USING (section);
SELECT string_agg(p.words, ' ' ORDER BY p.n) AS key_figures
FROM page p WHERE 'dl.key' = ANY (p.within) AND p.words ~ '\S';

-- What cannot be asked for.
SELECT training_report('2026-05-02', '2026-05-01');
SELECT training_report('2025-05-01', '2026-05-02');
SELECT training_report('-infinity', '2026-05-02');
SELECT training_report(NULL, 'infinity');
SELECT see(training_report('2025-05-01', '2026-05-01')) AS year,
       see(training_report(NULL, '2026-05-01')) AS thirty_days, see(training_report('2040-01-01')) AS later;

-- Three days: by hand, eight of ten labels are right (the interval is that of live_accuracy.sql), and of 20 that were
-- not audited 5. Half of the predictions of the second day are a fallback's.
INSERT INTO review_policies (fallback_providers) VALUES ('{llm}');
CREATE FUNCTION add(n int, outcome text, audit boolean, verdict text, provider text, day int,
    intent text DEFAULT 'food.order', module text DEFAULT 'food', version text DEFAULT 'router-v1.0.0')
    RETURNS bigint LANGUAGE sql AS $$
    WITH added AS (
        INSERT INTO conversation_logs (session_id, user_message, review_status, filter_outcome, is_audit,
            selection_probability, filtered_at, nlu_intent, nlu_module_type, nlu_model_version, nlu_provider,
            created_at)
        SELECT 's', 'secret text', 'approved', outcome, audit, 0.05, now(), intent, module, version, provider,
               '2026-05-01 12:00+00'::timestamptz + (day - 1) * interval '1 day'
        FROM generate_series(1, n) RETURNING id, created_at
    ), judged AS (
        INSERT INTO review_events (conversation_log_id, action, reject_reason, intent, reviewer, calling_role,
                                   created_at)
        SELECT id, verdict, CASE verdict WHEN 'reject' THEN 'no-such-intent' END,
               CASE verdict WHEN 'approve' THEN intent WHEN 'fix' THEN 'other' END, 'asha', 'asha',
               created_at + interval '90 minutes'
        FROM added WHERE verdict IS NOT NULL
    )
    SELECT count(*) FROM added
$$;
SELECT sum(add(n, 'auto-approved', true, v, 'indicbert', 1))
FROM (VALUES (8, 'approve'), (1, 'fix'), (1, 'reject')) x (n, v);
SELECT add(5, 'auto-approved', false, 'approve', 'llm', 2), add(15, 'auto-approved', false, 'fix', 'indicbert', 2),
       add(10, 'auto-approved', false, NULL, 'llm', 2);
INSERT INTO second_opinions (conversation_log_id, status, rate, first_event, first_reviewer, first_label, second_event,
                             second_reviewer, second_label, agrees, asked_at, settled_at)
SELECT id, CASE WHEN id % 4 = 0 THEN 'settled' ELSE 'agreed' END, 1, id, 'asha', 'food.order', id, 'ben',
       CASE WHEN id % 4 = 0 THEN 'other' ELSE 'food.order' END, id % 4 <> 0,
       '2026-05-01 13:00+00', '2026-05-01 14:00+00'
FROM (SELECT row_number() OVER (ORDER BY id) AS id FROM conversation_logs) c LIMIT 24;
SELECT see(training_report('2026-05-01', '2026-05-03'));
SELECT * FROM problems;
SELECT s.* FROM said s JOIN mine USING (section);
SELECT t.* FROM table_rows t JOIN mine USING (section);
SELECT string_agg(p.words, ' ' ORDER BY p.n) AS key_figures
FROM page p WHERE 'dl.key' = ANY (p.within) AND p.words ~ '\S';
SELECT p.words FROM page p JOIN mine USING (section) WHERE within[cardinality(within)] IN ('title', 'desc') ORDER BY n;
-- A drawing's columns are as high as its figures say: 10 and 30 of 30 on an axis of 270 units.
SELECT p.attributes FROM page p WHERE p.section = 'conversations' AND p.tag = 'rect' AND 'g' = ANY (p.within);

-- What comes from outside. Marks of direction are closed with their text, and numbers are masked.
\set evil '<script>alert(1)</script>"''><img src=x onerror=y>&amp;&nbsp;'
SELECT add(2, 'auto-approved', true, 'approve', :'evil' || chr(8238), 3, :'evil' || chr(1) || chr(65534),
           :'evil' || chr(8294), :'evil' || repeat('v', 300)),
       add(30, 'auto-approved', true, 'approve', 'indicbert', 3, 'i', 'm', 'call 98765 43210'),
       (SELECT sum(add(1, 'auto-approved', true, 'reject', 'p', 3, 'i' || v, 'm' || v, 'v' || v))
        FROM generate_series(1, 60) v);
INSERT INTO review_events (conversation_log_id, action, intent, reviewer, calling_role, created_at)
SELECT id, 'approve', :'evil', :'evil', 'asha', '2026-05-03 14:00+00' FROM conversation_logs LIMIT 1;
INSERT INTO second_opinions (conversation_log_id, status, rate, first_event, first_reviewer, first_label, second_event,
                             second_reviewer, second_label, agrees, asked_at, settled_at)
SELECT 1000 + n, 'settled', 1, 1, :'evil', :'evil', 1, 'ben' || n, :'evil' || n, false, '2026-05-01 13:00+00',
       '2026-05-01 14:00+00'
FROM generate_series(1, 40) n;
SELECT see(training_report('2026-05-01', '2026-05-03'));
SELECT * FROM problems;
SELECT count(*) FILTER (WHERE words LIKE '%&lt;script&gt;%') > 0 AS is_text,
       count(*) FILTER (WHERE words LIKE '%98765%') AS numbers,
       count(*) FILTER (WHERE words ~ '[\u202A-\u202E\u2066-\u2069]') AS marks,
       max(char_length(words)) FILTER (WHERE 'bdi' = ANY (within)) < 1000 AS is_cut FROM page;
SELECT p.section, p.words FROM page p JOIN mine USING (section)
WHERE within[cardinality(within)] = 'p.more' AND p.words ~ '\S' ORDER BY p.n;
SELECT octet_length(training_report('2026-05-01', '2026-05-03')) < 300000 AS small,
       octet_length(training_report('2025-06-01', '2026-05-31')) < 300000 AS small_year;

-- A limited analyst gets the figures of the modules; who is none gets nothing.
CREATE ROLE regress_tr_food;
CREATE ROLE regress_tr_nobody;
SELECT grant_training_role('regress_tr_food', 'analyst', '{food}');
GRANT ALL ON page TO regress_tr_food;
GRANT SELECT ON said TO regress_tr_food;
SET ROLE regress_tr_food;
SELECT see(training_report('2026-05-01', '2026-05-03'));
SELECT s.lead FROM said s WHERE s.section = 'conversations';
SELECT count(*) FROM page WHERE words ~ '^v\d|script|00000';
SELECT substring(p.words FROM '[^.]*modules.*') AS made FROM page p WHERE 'p.made' = ANY (p.within);
RESET ROLE;
SET ROLE regress_tr_nobody;
SELECT training_report('2026-05-01', '2026-05-03');
RESET ROLE;

-- The parts, where data of a page would not reach them.
SELECT tw_page_number(n) FROM unnest('{0,1,-5,0.004,9.999,12.34,99.96,123.4,1234567.8,NaN,NULL}'::numeric[]) n;
SELECT tw_page_percent(s) FROM unnest('{0,1,0.5,0.0004,0.9996,-0.02,1.5,NaN,Infinity,NULL}'::float[]) s;
SELECT tw_page_duration(s) FROM unnest('{0,119,120,7200,172800,8640000,-1,Infinity,NULL}'::float[]) s;
SELECT tw_page_interval(0.5, 0.625), tw_page_interval(NULL, 1), tw_page_text(NULL, 9), tw_page_text(E' \n', 9),
       tw_page_text('abcdefghij', 9), tw_page_text('mail a@example.org now', 12);
SELECT low, high, tw_svg_ticks(low, high, 0) FROM (VALUES (0, 1), (0, 0), (0, 7), (-0.2, 0.1), (0, 123456), (0.6, 0.95))
    v (low, high);
SELECT tw_page_table('t', '{a}', '{}', '{}', 0), tw_svg_lines('l', 'd', '{a,b}', '{s}', '{NULL,NULL}', NULL, NULL, 0, 1,
    '%');
CREATE FUNCTION seen(chart text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM see(chart);
    RETURN format('%s problems, %s points, %s boxes, %s lines',
                  (SELECT count(*) FROM problems WHERE problem <> 'headings'),
                  (SELECT count(*) FROM page WHERE tag = 'circle'), (SELECT count(*) FROM page WHERE tag = 'rect'),
                  (SELECT count(*) FROM page WHERE tag = 'path' AND attributes[1] ~ 'class=[bel]'));
END
$$;
SELECT seen(chart) FROM (VALUES
    (tw_svg_lines('<l>', '"d"', '{a,<b>,c}', '{s,<t>}', '{1,NULL,3,4,5,6}', '{0,NULL,2,NULL,NULL,NULL}',
                  '{2,NULL,4,NULL,NULL,NULL}', NULL, NULL, 's')),
    (tw_svg_reliability('<r>', NULL, '{0.2,0.9}', '{0.1,NULL}', '{0,NULL}', '{0.3,NULL}', '{5,0}')),
    (tw_svg_bounds('<b>', 'd', '{1,2}', '{-0.1,NULL}', '{-0.2,NULL}', '{0.1,0.3}', '%')),
    (tw_svg_bars('<h>', 'd', '{<x>,y}', '{5,NULL}', ''))) v (chart);

RESET client_min_messages;
DROP OWNED BY regress_tr_food;
SELECT revoke_training_role('regress_tr_food', 'analyst');
DROP ROLE regress_tr_food, regress_tr_nobody;
