-- The screen that a reviewer has in Label Studio: what it offers, in which order, and with which keys.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;

-- The labelling interface is XML; the names of its controls are those that verdicts are read from.
SELECT (xpath('name(/*)', d.x))[1] AS root, xpath('//*[@toName]/@name', d.x) AS controls,
       xpath('//@hotkey', d.x) AS keys, xpath('//*[@visibleWhen]/@whenChoiceValue', d.x) AS shown_after
FROM (SELECT xmlparse(DOCUMENT tw_labelstudio_config()) AS x) d;
-- Label Studio would escape these characters of a style.
SELECT (xpath('//Style/text()', xmlparse(DOCUMENT tw_labelstudio_config())))[1]::text !~ '[<>&]' AS is_plain_style;

-- Under the names of their modules: the answer first, then its module. The first nine have digits, no key is there
-- twice, and those without one have no letter that Label Studio could give them.
CREATE FUNCTION offered(known text[], answer text, module text, blind boolean) RETURNS TABLE (
    intent text, key text, html text) LANGUAGE sql AS $$
    SELECT o ->> 'value', CASE WHEN ascii(o ->> 'hotkey') BETWEEN 57344 AND 63743 THEN 'none' ELSE o ->> 'hotkey' END,
           o ->> 'html'
    FROM jsonb_array_elements(tw_labelstudio_intents(known, answer, module, blind)) o
$$;
\set known '{intent.food.item.search,intent.food.order.track,"intent.a<b>&c.d",plain,intent.pay.refund,NULL,""}'
SELECT * FROM offered(:'known', 'intent.food.item.search', 'food', false);
SELECT * FROM offered(:'known', 'intent.food.item.search', 'pay', true);
SELECT * FROM offered(:'known', NULL, NULL, false) WHERE key = '1';
SELECT tw_labelstudio_intents(NULL, NULL, NULL, false) AS none, tw_labelstudio_intents(NULL, '', 'food', true) AS blank;
SELECT count(*) AS intents, count(DISTINCT o ->> 'hotkey') AS keys,
       count(*) FILTER (WHERE o ? 'html') AS with_html, min(o ->> 'hotkey') AS first,
       max(length(o ->> 'hotkey')) AS longest
FROM jsonb_array_elements(tw_labelstudio_intents(
         ARRAY(SELECT 'intent.m' || n % 10 || '.i' || n FROM generate_series(1, 1000) n), NULL, NULL, false)) o;
-- Labels have letters, none of them that of a verdict, a reason or the search.
SELECT string_agg(o ->> 'hotkey', '' ORDER BY n) FILTER (WHERE n <= 20) AS letters, count(*) AS labels,
       count(DISTINCT o ->> 'hotkey') AS keys,
       string_agg(o ->> 'hotkey', '') ~ '[afruni0-9]' AS clash
FROM jsonb_array_elements(tw_labelstudio_labels(ARRAY(SELECT 'label ' || n FROM generate_series(1, 30) n) || NULL))
    WITH ORDINALITY AS l (o, n);
SELECT tw_labelstudio_labels(NULL) AS none, tw_labelstudio_labels('{b,a,b,NULL}') AS once;
-- Nothing can be approved where there is no answer.
SELECT jsonb_path_query_array(tw_labelstudio_verdicts(NULL, true), '$[*].hotkey') AS with_answer,
       jsonb_path_query_array(tw_labelstudio_verdicts(NULL, false), '$[*].hotkey') AS without,
       jsonb_path_query_array(tw_labelstudio_verdicts('{"",x}', false), '$[*].hotkey') AS blind;
SELECT tw_labelstudio_is_long(repeat('x', 500)) AS short, tw_labelstudio_is_long(repeat('x', 501)) AS long,
       tw_labelstudio_is_long(repeat(E'\n', 8)) AS lines, tw_labelstudio_is_long(repeat(E'\n', 9)) AS more_lines;

-- A project that is none, or none any more, has no screen to be changed.
INSERT INTO labelstudio_projects (server_name, project_id, title, is_active) VALUES ('no server', 1, 'Old', false);
SELECT labelstudio_update_project(NULL);
SELECT labelstudio_update_project(id) FROM labelstudio_projects;
UPDATE labelstudio_projects SET is_active = true;
SELECT labelstudio_update_project(id) FROM labelstudio_projects;
DROP FUNCTION offered;
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION training_workflow CASCADE;
