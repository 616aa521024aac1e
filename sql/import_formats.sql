-- import_training_samples(): data of every format, as other tools write it; what is refused, and how.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
CREATE FUNCTION pg_temp.read(data text, format text DEFAULT 'auto', columns jsonb DEFAULT NULL,
                             ignore_unknown_keys boolean DEFAULT false, bad_lines text DEFAULT 'skip')
RETURNS TABLE (sample text, intent text, entities jsonb, rest jsonb) LANGUAGE plpgsql AS $$
DECLARE
    counts record;
BEGIN
    DELETE FROM training_samples;
    SELECT * INTO counts FROM import_training_samples(data, format => format, columns => columns,
        ignore_unknown_keys => ignore_unknown_keys, bad_lines => bad_lines);
    IF counts.skipped > 0 THEN
        RAISE NOTICE 'skipped %', counts.skipped;
    END IF;
    RETURN QUERY SELECT '"' || s.text || '"', s.intent, s.entities,
                        nullif(jsonb_strip_nulls(jsonb_build_object('language', s.language, 'module', s.module_id,
                            'split', s.split, 'by', nullif(s.label_source, 'human'))), '{}')
                 FROM training_samples s ORDER BY s.id;
END $$;
CREATE FUNCTION pg_temp.refused(data text, format text DEFAULT 'auto', columns jsonb DEFAULT NULL)
RETURNS TABLE (error text) LANGUAGE plpgsql AS $$
DECLARE
    message text; detail text; hint text; context text;
BEGIN
    PERFORM import_training_samples(data, format => format, columns => columns);
    RETURN QUERY SELECT 'not refused';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT,
        context = PG_EXCEPTION_CONTEXT;
    RETURN QUERY SELECT SQLSTATE || ' ' || message || ' [' || coalesce(substring(context FROM 'read as \w+'), '')
    || ']';
    RETURN QUERY SELECT '      ' || detail WHERE detail <> '';
    RETURN QUERY SELECT '      ' || hint WHERE hint <> '';
END $$;
\pset format unaligned
\pset tuples_only on
\pset null -

-- Lines of JSON with the keys of other tools, mixed.
SELECT * FROM pg_temp.read($${"text": "names", "label": "greet"}
{"text": "a category", "cats": {"greet": 0.0, "bye": 1.0}, "entities": [[2, 10, "KIND"]]}
{"text": "true", "cats": {"bye": true}}
{"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "chat"}, {"role": "assistant", "content": "bye"}]}
{"messages": [{"role": "user", "content": [{"type": "text", "text": "chat in "}, {"type": "text", "text": "parts"}]}, {"role": "assistant", "content": " {\"intent\": \"bye\", \"entities\": [{\"start\": 0, \"end\": 4, \"label\": \"x\", \"n\": 0.10}]}"}]}
{"tokens": ["fly", "to", "Pune"], "spans": [{"token_start": 2, "token_end": 2, "label": "city"}], "label": "fly"}
{"text": "fly to Pune", "tokens": [{"text": "fly", "start": 0, "end": 3}, {"text": "to", "start": 4, "end": 6}], "spans": [{"start": 7, "end": 11, "label": "city", "text": "Pune"}, {"token_start": 0, "token_end": 1, "label": "go"}], "label": "fly"}
{"text": "own", "intent": "greet", "language": "en", "module_id": 4, "split": "test", "label_source": "model"}
{"text": "by number", "label": 1, "label_text": "bye"}
{"text": "one of a list", "labels": ["bye"]}$$);
-- An array of objects, and an object over several lines.
SELECT * FROM pg_temp.read($$
[{"text": "one", "intent": "a"}, {"text": "t]w{o\"", "intent": "b"},
 {"text": "three", "label": "c"}
]$$);
SELECT * FROM pg_temp.read(E'{\n  "text": "over lines",\n  "intent": "a"\n}\n{\n  "text": "and again",\n  "intent": '
    '"b"}');
SELECT * FROM pg_temp.refused($$[{"text": "one", "intent": "a"},
 {"text": "two",
  "intent": }]$$);
SELECT d, error FROM unnest(ARRAY['[', '[{"text": "one", "intent": "a"}', '[{"text": "one", "intent": "a"} {}]', '[]x',
    '[,]', '[{"text": "one", "intent": "a"},]', '[1]']) d, pg_temp.refused(d);
SELECT * FROM pg_temp.read('[{"text": "good", "intent": "a"}, {"text": 1}, {"text": "good 2", "intent": "a"}]');
-- The hint that did not help is gone.
SELECT * FROM pg_temp.refused('{"text": "a", "lable": "b"}');
SELECT * FROM pg_temp.read('{"text": "a", "lable": "b"}', columns => '{"intent": "lable"}');
-- What a format has to have.
SELECT f, error FROM unnest('{huggingface,openai,spacy,prodigy,labelstudio,dialogflow,jsonl}'::text[]) f,
    pg_temp.refused('{"text": "a"}', f);
SELECT d, error FROM unnest(ARRAY['{"text": "a", "label": 3}', '{"text": "a", "label": ["x", "y"]}',
    '{"text": "a", "cats": {"x": 1, "y": 1}}', '{"text": "a", "cats": {"x": 0.5}}', '{"text": "a", "cats": ["x"]}',
    '{"text": " ", "label": "x"}', '{"text": null, "label": "x"}', '{"text": "a", "label": ""}',
    '{"messages": []}', '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "{x"}]}',
    '{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}',
    '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "{\"x\": 1}"}]}',
    '{"messages": [{"role": "user"}, {"role": "assistant", "content": "a\nb"}]}',
    '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "a\nb"}]}',
    '{"messages": [{"role": "tool", "content": "a"}]}', '{"text": "a", "label": "x", "spans": [{"start": -1, "end": '
    '2}]}',
    '{"text": "a", "label": "x", "spans": {}}', '{"tokens": [1], "label": "x"}']) d, pg_temp.refused(d);

-- Prodigy: what was rejected or left out is none.
SELECT * FROM pg_temp.read($${"text": "yes", "label": "greet", "answer": "accept", "_input_hash": 1, "meta": {"a": 1},
    "score": 0.5}
{"text": "no", "label": "greet", "answer": "reject", "_input_hash": 2}
{"text": "later", "label": "greet", "answer": "ignore"}
{"text": "choice", "options": [{"id": "a", "text": "A"}, {"id": "b", "text": "B"}], "accept": ["b"], "answer": "accept", "config": {}}
{"text": "in Pune", "label": "go", "spans": [{"start": 3, "end": 7, "label": "city", "token_start": 1, "token_end": 1}], "answer": "accept", "_view_id": "x"}
{"text": "none chosen", "accept": [], "answer": "accept"}$$, 'prodigy');

-- datasets: numbers with names.
SELECT * FROM pg_temp.read(E'{"text": "a", "label": 0}\n{"text": "b", "label": 1}', 'huggingface',
                           '{"intent": {"column": "label", "names": ["greet", "bye"]}}');
SELECT * FROM pg_temp.refused('{"text": "a", "label": 2}', 'huggingface',
                              '{"intent": {"column": "label", "names": ["greet", "bye"]}}');

-- Label Studio: our own controls, any choices, what counts of several annotations.
SELECT * FROM pg_temp.read($$[
{"id": 1, "data": {"text": "cancel it", "language": "en"}, "predictions": [{"result": [{"from_name": "intent", "value": {"choices": ["cancel"]}}]}], "annotations": [{"result": [{"from_name": "verdict", "type": "choices", "value": {"choices": ["approve"]}}, {"from_name": "entities", "type": "labels", "value": {"start": 7, "end": 9, "text": "it", "labels": ["what"]}}]}]},
{"id": 2, "data": {"text": "track it"}, "annotations": [{"result": [{"from_name": "verdict", "value": {"choices": ["fix"]}}, {"from_name": "intent", "value": {"choices": ["track"]}}, {"from_name": "new_intent", "value": {"text": ["trace"]}}]}]},
{"id": 3, "data": {"text": "gibberish"}, "annotations": [{"result": [{"from_name": "verdict", "value": {"choices": ["reject"]}}]}]},
{"id": 4, "data": {"text": "not yet"}, "annotations": [{"was_cancelled": true, "result": []}]},
{"id": 5, "data": {"review": "any choices"}, "annotations": [{"result": [{"from_name": "topic", "type": "choices", "value": {"choices": ["praise"]}}]}]},
{"id": 6, "data": {"text": "two say so"}, "annotations": [{"result": [{"from_name": "topic", "value": {"choices": ["praise"]}}]}, {"result": [{"from_name": "topic", "value": {"choices": ["praise"]}}]}]},
{"id": 7, "data": {"text": "they differ"}, "annotations": [{"result": [{"from_name": "topic", "value": {"choices": ["praise"]}}]}, {"result": [{"from_name": "topic", "value": {"choices": ["blame"]}}]}]},
{"id": 8, "data": {"text": "one is the truth"}, "annotations": [{"result": [{"from_name": "topic", "value": {"choices": ["praise"]}}]}, {"ground_truth": true, "result": [{"from_name": "topic", "value": {"choices": ["blame"]}}]}]},
{"id": 9, "data": {"text": "of two models"}, "annotations": [{"result": [{"from_name": "verdict", "value": {"choices": ["cancel"]}}]}]}
]$$);
SELECT * FROM pg_temp.read('[{"data": {"title": "x", "body": "named"}, "annotations": [{"result": [{"value": '
    '{"choices": ["a"]}}]}]}]',
                           'labelstudio', '{"text": "body"}');
SELECT * FROM pg_temp.refused('[{"data": {"title": "x", "body": "y"}, "annotations": [{"result": [{"value": '
    '{"choices": ["a"]}}]}]}]');
SELECT * FROM pg_temp.refused('[{"data": {"text": "x"}, "annotations": [{"result": [{"from_name": "a", "value": '
    '{"choices": ["a"]}}, {"from_name": "b", "value": {"choices": ["a"]}}]}]}]');

-- Dialogflow: usersays, with their intent from outside; an intent with its phrases.
\set usersays '[\n  {\n    "id": "1",\n    "data": [\n      {"text": "fly to ", "userDefined": false},\n      {"text": "Pune", "alias": "geo-city", "meta": "@sys.geo-city", "userDefined": true},\n      {"text": " now", "meta": "@sys.ignore", "alias": "x"}\n    ],\n    "isTemplate": false, "count": 0, "lang": "en", "updated": 0\n  },\n  {"id": "2", "data": [{"text": "book"}]}\n]'
SELECT * FROM pg_temp.read(E:'usersays', columns => '{"intent": {"value": "flight.book"}}');
SELECT * FROM pg_temp.refused(E:'usersays');
SELECT * FROM pg_temp.read('{"name": "flight.book", "id": "x", "userSays": ' || E:'usersays' || '}');
SELECT * FROM pg_temp.read('{"displayName": "flight.book", "trainingPhrases": [{"type": "EXAMPLE", "parts": [{"text": '
    '"to "}, {"text": "Pune", "entityType": "@city"}]}]}', 'dialogflow');

-- csv: separators, quotes, line breaks, names.
SELECT * FROM pg_temp.read(U&'\FEFF' || E'Text,INTENT,language\r\n"a, ""quoted""\nbreak",greet,en\r\n plain '
    ',bye,\r\n\r\n"x","y","z"');
SELECT * FROM pg_temp.read(E'utterance;category\nhello;greet\n"semi;colon";bye');
SELECT * FROM pg_temp.read(E'label\ttext\ngreet\thello, you');
SELECT * FROM pg_temp.read(E'id,query,topic,who\n1,hello,greet,me\n2,bye,,me', 'csv', '{"intent": "topic"}', true);
SELECT * FROM pg_temp.read(E'text\nhello\nhi', 'csv', '{"intent": {"value": "greet"}, "language": {"value": "en"}}');
SELECT * FROM pg_temp.read(E'text,label\nhello,0\nbye,1\nwhat,7', 'csv',
    '{"intent": {"column": "label", "names": ["greet", "bye"]}}');
-- A column of our name comes before one that is called so elsewhere.
SELECT * FROM pg_temp.read(E'label,text,intent\n7,hello,greet', ignore_unknown_keys => true);
SELECT d, error FROM unnest(ARRAY[E'text,intent\n"open', E'text,intent\nx,y\n"a"b,c', E'text,intent\na',
    E'text,intent\na,b,c',
    E'text,intent,other\na,b,c', E'text,intent\n,b', E'text,intent\n"",b', E'text,intent\na,',
    E'text,intent\n"line\nbreak",a\n,b',
    E'text,intent,split\na,b,dev', E'text,intent,module_id\na,b,4.5', E'text,intent,entities\na,b,none',
    E'text,intent,entities\na,b,{x']) d, pg_temp.refused(d);
SELECT error FROM pg_temp.refused(E'one,two\na,b', 'csv');
SELECT error FROM pg_temp.refused(E'one,two\na,b', 'csv', '{"text": "one", "intent": "three"}');
SELECT * FROM pg_temp.read(E'text,intent\na,b\n"x"y,z\n,b\ngood,b');
SELECT * FROM pg_temp.read(E'text,intent\n');
-- What was not approved does not come back as approved.
SELECT DISTINCT review_status FROM training_samples;
INSERT INTO training_samples (text, intent, review_status, source, module_id, entities, created_at) VALUES
    ('live', 'a', 'approved', 'manual', 7, '[{"start": 0, "end": 4, "label": "x"}]', '-infinity'),
    ('wrong', 'a', 'rejected', 'manual', NULL, NULL, now()), ('open', 'a', 'pending', 'manual', NULL, '"scalar"',
    now());
CREATE TEMP TABLE exported AS SELECT string_agg(l, E'\n') AS data
    FROM export_training_samples(NULL, format => 'csv', include_split => 'all') l;
SELECT r.* FROM exported, pg_temp.read(data) r;

-- fasttext.
SELECT * FROM pg_temp.read(E'__label__greet hello there\r\n\n  __label__a%20b%25%zz%ff x\n__label__bye\tsee you ');
SELECT d, error FROM unnest(ARRAY['__label__a', '__label__a __label__b x', E'__label__a x\nno label', '__label__ x']) d,
    pg_temp.refused(d);

-- rasa.
SELECT * FROM pg_temp.read($$
# A comment
version: "3.1"
nlu:
- intent: greet
  metadata: {sentiment: neutral}
  examples: |
    - hello
    -   hi there

    # - not today
    - in [Pune](city) or [Bombay](city:Mumbai)
    - move from [credit card]{"entity": "account", "value": "credit", "role": "from", "group": 1}
    - [x][{"entity": "a"}, {"entity": "b", "role": "r"}] and [not] (this) [a][b] [] (x)
- examples:
  - text: |
      a block
    metadata:
      - one
  - text: " quoted [one](two)"
  - plain
  intent: "bye"
- synonym: credit
  examples: |
    - credit card account
- lookup: city
  examples: |
    - Pune
- regex: zip
  examples: |
    - \d{6}
responses:
  utter_greet:
  - text: hello
---
version: "3.1"
nlu: []
version: "3.1"
nlu:
  - intent: faq/ask
    examples: "- one\n- two"
$$);
SELECT left(d, 60), error FROM unnest(ARRAY[E'nlu:\n- intent: a\n  examples: |\n    - ok\n    none',
    E'nlu:\n- intent: a\n  examples: |\n    - ',
    E'nlu:\n- intent: a\n  examples: |\n    - [x]{"entity" "a"}', E'nlu:\n- intent: a\n  examples: |\n    - '
    '[x]{"role": "a"}',
    E'nlu:\n- examples: |\n    - x', E'nlu:\n- intent: [a]\n  examples: x', E'nlu: {a: b}', E'nlu:\n- a',
    E'nlu:\n- intent: a\n  examples: {x: y}',
    E'nlu:\n- intent: "a\n', E'nlu:\n\t- x', E'nlu:\n- intent: &x a\n  examples: *x',
    E'nlu:\n- intent: "a\\0b"\n  examples: "- x"',
    E'a: &a [x, x]\nb: &b [*a, *a]\nnlu: []', E'nlu:\n- ' || repeat('[', 100000),
    E'nlu:\n- intent: a\n  examples:\n  - metadata: x']) d, pg_temp.refused(d, 'rasa');
SELECT * FROM pg_temp.refused('responses: {}', 'rasa');
SELECT * FROM pg_temp.refused(E'- a\n- b', 'rasa');
SELECT * FROM pg_temp.refused('nlu: []', columns => '{"text": "x"}');

-- Not recognised, and arguments.
SELECT d, error FROM unnest(ARRAY['hello there', E'a,b\nc,d', '"text', '12', '# text']) d, pg_temp.refused(d);
SELECT import_training_samples('', format => 'xml');
SELECT import_training_samples('', format => NULL);
SELECT c, error FROM unnest(ARRAY['[]', '1', '{"utterance": "text"}', '{"text": 1}', '{"text": {}}',
    '{"text": {"column": 1}}',
    '{"text": {"value": "a", "column": "b"}}', '{"text": {"names": [1]}}', '{"text": ["a"]}', '{"text": null}']) c,
    pg_temp.refused('{"text": "a", "intent": "b"}', 'jsonl', c::jsonb);
SELECT * FROM pg_temp.read('{"utt": "a", "label": "b", "lang": "en", "text": "c"}',
    columns => '{"text": "utt", "language": "lang"}', ignore_unknown_keys => true);

-- What is read is redacted, in every format.
SELECT d.n, r.sample, r.entities FROM unnest(ARRAY['{"text": "call 98765 43210", "label": "x"}',
    E'text,intent\ncall 98765 43210,x', '__label__x call 98765 43210',
    E'nlu:\n- intent: x\n  examples: |\n    - call [98765 43210](phone)']) WITH ORDINALITY d (d, n),
    pg_temp.read(d.d) r;
DELETE FROM training_samples;
-- A long file can be cancelled, and leaves no memory behind.
CREATE TEMP TABLE long_file AS SELECT E'nlu:\n- intent: a\n  examples: |\n' || repeat(E'    - some example of it\n',
    1000000) AS data;
SET statement_timeout = '100ms';
SELECT import_training_samples(data) FROM long_file;
RESET statement_timeout;
-- Nor does data that is refused or left out, however far its parser came.
CREATE FUNCTION pg_temp.resident_mb() RETURNS bigint LANGUAGE sql AS
    $$SELECT split_part(pg_read_file('/proc/self/statm'), ' ', 2)::bigint * 4096 / 1048576$$;
CREATE FUNCTION pg_temp.fail(times integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    failed integer := 0;
    block text := E'nlu:\n- intent: a\n  examples: |\n    - ' || repeat('x', 500000) || E'\n';
    mark text := '- [x]{"entity": "a", "role": "' || repeat('r', 100000) || '"';
BEGIN
    FOR i IN 1 .. times LOOP
        BEGIN
            PERFORM import_training_samples((ARRAY[block || '- intent: "' || repeat('x', 500000), block || E'x: *y\n',
                E'nlu:\n- intent: a\n  examples: |\n    ' || mark || ', "entity": 1}',
                E'nlu:\n- intent: a\n  examples: |\n    ' || mark || ', "group": []}',
                '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "{\"n\": \"'
                    || repeat('n', 100000) || '\"}"}]}'])[1 + i % 5],
                bad_lines => CASE i % 2 WHEN 0 THEN 'skip' ELSE 'refuse' END);
        EXCEPTION WHEN invalid_parameter_value OR invalid_text_representation THEN
            failed := failed + 1;
        END;
    END LOOP;
    RETURN failed;
END $$;
SELECT pg_temp.fail(50) > 25;
SELECT pg_temp.resident_mb() AS before \gset
SELECT pg_temp.fail(500) > 250;
SELECT pg_temp.resident_mb() - :before < 50 AS given_back;
-- What Rasa's text marks is the entity, whatever its value says: also where that stands elsewhere in the text.
SELECT inserted FROM import_training_samples($$version: "3.1"
nlu:
- intent: intent.marked.word
  examples: |
    - t[h]{"entity": "A", "value": "annotation"}is is g annotation x
$$);
SELECT text, entities FROM training_samples WHERE intent = 'intent.marked.word';
-- An array of labels, as Label Studio writes it: one entity for each.
SELECT inserted FROM import_training_samples('{"text": "aa bb cc fou", "label": "intent.some.labels", '
    '"spans": [{"start": 3, "end": 5, "labels": ["F", "G"]}]}');
SELECT entities FROM training_samples WHERE intent = 'intent.some.labels';
SELECT * FROM check_integrity();
