-- What router.sh measures inside the database. For a database that is thrown away.

CREATE EXTENSION training_workflow;
CREATE SCHEMA bench;

-- The public sets, one line a row, as they are.
CREATE UNLOGGED TABLE bench.data (
    id bigint GENERATED ALWAYS AS IDENTITY, set text, text text, intent text, domain text, split text, lang text);
-- Of the val parts: which texts the train part does not have as well.
CREATE FUNCTION bench.is_new(tested bench.data) RETURNS boolean
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT NOT EXISTS (SELECT FROM bench.data d WHERE d.set = tested.set AND d.split = 'train'
                                                      AND text_hash(d.text) = text_hash(tested.text));
END;
CREATE INDEX ON bench.data (text_hash(text)) WHERE split = 'train';
-- What the live model answers to the held-out parts.
CREATE UNLOGGED TABLE bench.answers (
    set text, split text, label text, is_new boolean, intent text, confidence double precision);
-- The held-out texts so often that their classification takes a while, in mixed order: no text follows itself.
CREATE UNLOGGED TABLE bench.calls (text text);
CREATE UNLOGGED TABLE bench.times (set text, variant text, value double precision);
CREATE UNLOGGED TABLE bench.skipped (system text);
CREATE UNLOGGED TABLE bench.figures (
    set text, system text, what text, value double precision, PRIMARY KEY (set, system, what));

-- Seconds that this backend had a processor for.
CREATE FUNCTION bench.clock() RETURNS double precision
    LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::double precision / 1e9;
END;

-- The largest resident size of this backend, in megabytes.
CREATE FUNCTION bench.process_peak() RETURNS double precision
    LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT (regexp_match(pg_read_file('/proc/self/status'), 'VmHWM:\s+(\d+) kB'))[1]::double precision * 1024 / 1e6;
END;

-- The cheapest function there is that takes the same arguments.
CREATE FUNCTION bench.empty(text text, model_type text DEFAULT 'router', version text DEFAULT NULL) RETURNS integer
    LANGUAGE internal STABLE PARALLEL SAFE CALLED ON NULL INPUT AS 'pg_trigger_depth';

-- The scale run: about 100,000 rows, 270 intents. Every row of the sets' train and val parts, an intent of a
-- Hinglish-TOP set being another in each of its languages; and four more from each, the first half of whose words is
-- the row's own, while the second is that of another row of its intent: 37, 74, 111 and 148 places on in the order of a
-- hash. Of equal texts one stays.
CREATE PROCEDURE bench.make_up(size int)
    LANGUAGE sql
AS $$
    WITH pool AS (
        SELECT d.text, d.set || '.' || d.intent AS intent, d.domain, d.lang, string_to_array(d.text, ' ') AS words,
               row_number() OVER labels - 1 AS n, count(*) OVER (PARTITION BY d.set, d.intent) AS rows
        FROM bench.data d
        WHERE d.split IN ('train', 'val')
        WINDOW labels AS (PARTITION BY d.set, d.intent ORDER BY md5(d.text), d.id)
    ), mixed AS (
        SELECT a.intent, a.domain, a.lang, v AS variation, a.n,
               CASE v WHEN 0 THEN a.text
                      ELSE array_to_string(a.words[:cardinality(a.words) / 2]
                                           || b.words[cardinality(b.words) / 2 + 1:], ' ') END AS text
        FROM generate_series(0, 4) AS v CROSS JOIN pool a
        JOIN pool b ON b.intent = a.intent AND b.n = (a.n + v * 37) % a.rows
    ), distinct_texts AS (
        SELECT DISTINCT ON (text_hash(m.text)) m.* FROM mixed m
        WHERE m.text <> ''
        ORDER BY text_hash(m.text), m.variation, m.intent COLLATE "C", m.n
    )
    INSERT INTO bench.data (set, text, intent, domain, split, lang)
    SELECT 'scale', x.text, x.intent, x.domain, 'train', x.lang
    FROM distinct_texts x
    ORDER BY x.variation > 0, md5(x.text)
    LIMIT size;
$$;

-- A set's rows to learn, by the way that rows from outside come in; what was there before
-- goes. Of a text that has two intents the first is learned.
CREATE PROCEDURE bench.import(name text)
    LANGUAGE plpgsql
AS $$
BEGIN
    TRUNCATE training_samples;
    INSERT INTO bench.figures
        SELECT name, 'ours', 'rows', i.inserted + i.existing + i.conflicting
        FROM (SELECT string_agg(jsonb_build_object('text', d.text, 'intent', d.intent, 'module_type', d.domain,
                                                   'language', d.lang, 'split', 'train')::text, E'\n'
                                                   ORDER BY d.id) AS lines
              FROM bench.data d WHERE d.set = name AND d.split = 'train') x, LATERAL import_training_samples(x.lines) i;
END
$$;

CREATE PROCEDURE bench.train(name text)
    LANGUAGE plpgsql
AS $$
DECLARE
    began CONSTANT double precision := bench.clock();
    trained record;
    result jsonb;
BEGIN
    SELECT * INTO trained FROM train_model('router');
    INSERT INTO bench.figures VALUES
        (name, 'ours', 'train_model', bench.clock() - began), (name, 'ours', 'process_peak', bench.process_peak());
    SELECT j.result INTO result FROM training_jobs j WHERE j.id = trained.job_id;
    INSERT INTO bench.figures
        SELECT name, 'ours', f.what, f.value
        FROM (VALUES ('texts', (result ->> 'texts')::double precision),
                     ('intents', (result ->> 'intents')::double precision),
                     ('train', (result ->> 'cpu_seconds')::double precision),
                     ('peak', (result ->> 'peak_bytes')::double precision / 1e6),
                     ('size', (SELECT a.size_bytes FROM model_artifacts a
                               WHERE a.version = trained.version) / 1e6)) AS f (what, value);
    -- There is no test set here, so that the gate leaves it undecided.
    PERFORM promote_model(trained.version, 'bench: ' || name);
END
$$;

CREATE PROCEDURE bench.answer(name text)
    LANGUAGE sql
AS $$
    INSERT INTO bench.answers
        SELECT d.set, d.split, d.intent, bench.is_new(d), a.intent, a.confidence
        FROM bench.data d, LATERAL classify_intent(d.text) a
        WHERE d.set = name AND d.split IN ('val', 'oos_val');

    INSERT INTO bench.figures
        WITH answers AS (
            SELECT a.confidence, a.is_new, (a.intent IS NOT DISTINCT FROM a.label)::integer AS is_right
            FROM bench.answers a WHERE a.set = name AND a.split = 'val'
        ), bins AS (
            SELECT abs(sum(a.is_right - a.confidence)) AS gap FROM answers a
            GROUP BY least(floor(a.confidence * 15), 14)
        )
        SELECT name, 'ours', f.what, f.value
        FROM (SELECT avg(a.is_right) AS accuracy, avg((a.confidence > 0.85)::integer) AS sure,
                     avg(a.is_right) FILTER (WHERE a.confidence > 0.85) AS sure_right, count(*) AS n,
                     avg(a.is_right) FILTER (WHERE a.is_new) AS new_accuracy,
                     count(*) FILTER (WHERE NOT a.is_new) AS known
              FROM answers a) x,
             LATERAL (VALUES ('accuracy', 100 * x.accuracy), ('new_accuracy', 100 * x.new_accuracy), ('known', x.known),
                             ('sure', 100 * x.sure), ('sure_right', 100 * x.sure_right), ('val', x.n),
                             ('ece', 100 * (SELECT sum(b.gap) FROM bins b) / x.n)) AS f (what, value);

    -- What sampling alone makes of an ECE: the mean of a hundred, had each answer been right as often as it said.
    INSERT INTO bench.figures
        WITH answers AS (
            SELECT a.confidence, row_number() OVER (ORDER BY a.confidence, a.label) AS n
            FROM bench.answers a WHERE a.set = name AND a.split = 'val'
        ), drawn AS (
            SELECT d AS draw, a.confidence,
                   ((hashint8extended(a.n, d) & 1048575) / 1048576.0 < a.confidence)::integer AS is_right
            FROM answers a, generate_series(1, 100) AS d
        ), bins AS (
            SELECT abs(sum(d.is_right - d.confidence)) AS gap FROM drawn d
            GROUP BY d.draw, least(floor(d.confidence * 15), 14)
        )
        SELECT name, 'ours', 'ece_chance', (SELECT sum(b.gap) FROM bins b) / (SELECT count(*) FROM answers);

    -- AUROC: how often a text of ours is surer than one that is out of scope;
    -- an equal confidence counts as half (Mann-Whitney).
    INSERT INTO bench.figures
        WITH ranked AS (
            SELECT a.split = 'val' AS is_ours, a.confidence,
                   rank() OVER (ORDER BY a.confidence) + (count(*) OVER (PARTITION BY a.confidence) - 1) / 2.0 AS rank
            FROM bench.answers a WHERE a.set = name
        ), counted AS (
            SELECT count(*) FILTER (WHERE r.is_ours) AS ours, count(*) FILTER (WHERE NOT r.is_ours) AS others,
                   sum(r.rank) FILTER (WHERE r.is_ours) AS ranks,
                   avg((r.confidence < 0.70)::integer) FILTER (WHERE r.is_ours) AS refused,
                   avg((r.confidence < 0.70)::integer) FILTER (WHERE NOT r.is_ours) AS caught
            FROM ranked r
        )
        SELECT name, 'ours', f.what, f.value
        FROM counted c, LATERAL (VALUES ('auroc', (c.ranks - c.ours * (c.ours + 1) / 2.0) / (c.ours * c.others)),
                                        ('caught', 100 * c.caught), ('refused', 100 * c.refused)) AS f (what, value)
        WHERE c.others > 0;
$$;

CREATE PROCEDURE bench.prepare_calls(name text, count int)
    LANGUAGE sql
AS $$
    TRUNCATE bench.calls;
    INSERT INTO bench.calls
        SELECT d.text
        FROM bench.data d, generate_series(1, count) AS n
        WHERE d.set = name AND d.split = 'val'
        ORDER BY n, md5(d.text || n)
        LIMIT count;
$$;

CREATE PROCEDURE bench.measure_calls(name text, round int, variant text)
    LANGUAGE plpgsql
AS $$
DECLARE
    call CONSTANT text := CASE variant WHEN 'classify' THEN 'classify_intent(text)' ELSE 'bench.empty(text)' END;
    began CONSTANT double precision := bench.clock();
    calls bigint;
BEGIN
    EXECUTE format('SELECT count(%s) FROM bench.calls', call) INTO calls;
    INSERT INTO bench.times SELECT name, variant, 1e6 * (bench.clock() - began) / calls WHERE round > 0;
END
$$;

CREATE PROCEDURE bench.take_medians(name text)
    LANGUAGE sql
AS $$
    INSERT INTO bench.figures
        WITH medians AS (
            SELECT t.variant, percentile_cont(0.5) WITHIN GROUP (ORDER BY t.value) AS value
            FROM bench.times t WHERE t.set = name GROUP BY t.variant
        )
        SELECT name, 'ours', f.what, f.value
        FROM (VALUES
            ('warm', (SELECT m.value FROM medians m WHERE m.variant = 'classify')
                     - (SELECT m.value FROM medians m WHERE m.variant = 'empty')),
            ('cold', (SELECT m.value FROM medians m WHERE m.variant = 'first classify')),
            ('cold_empty', (SELECT m.value FROM medians m WHERE m.variant = 'first empty'))) AS f (what, value);
$$;

-- The rows of the report. goal and is_upper: the recipe's goals, which are
-- for the test parts; beside: what it measured there.
CREATE FUNCTION bench.report_rows(
    OUT n int, OUT set text, OUT what text, OUT label text, OUT digits int, OUT goal double precision,
    OUT is_upper boolean, OUT beside text)
    RETURNS SETOF record
    LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT (row_number() OVER (ORDER BY s.n, f.n))::int, s.set, f.what, f.label, f.digits, g.goal, g.is_upper, g.beside
    FROM (VALUES (1, 'clinc150'), (2, 'hinglishtop_cs'), (3, 'hinglishtop_en'), (4, 'scale')) AS s (n, set)
    CROSS JOIN (VALUES
        (1, 'rows', 'rows to learn', 0), (2, 'texts', 'texts learned, each with its intent once', 0),
        (3, 'intents', 'intents', 0), (4, 'val', 'val texts', 0),
        (5, 'known', 'of these the train part has as well', 0),
        (6, 'accuracy', 'accuracy on val, %', 2), (7, 'new_accuracy', 'accuracy on the others alone, %', 2),
        (8, 'train', 'training, CPU s', 2), (9, 'train_model', 'train_model() in all, CPU s', 2),
        (10, 'peak', 'peak memory of the trainer, MB', 0), (11, 'process_peak', 'peak memory of the process, MB', 0),
        (12, 'size', 'model, MB', 2), (13, 'warm', 'a classification, us', 1),
        (14, 'cold', 'the first one, model load included, ms', 1),
        (15, 'cold_empty', 'an empty function''s first call, ms', 1), (16, 'ece', 'ECE, 15 bins, %', 2),
        (17, 'ece_chance', 'ECE by chance, were it calibrated, %', 2), (18, 'sure', 'share above 0.85, %', 1),
        (19, 'sure_right', 'right above 0.85, %', 1), (20, 'auroc', 'out of scope: AUROC of the confidence', 3),
        (21, 'caught', 'out of scope: below 0.70, %', 1),
        (22, 'refused', 'in scope: below 0.70, %', 1)) AS f (n, what, label, digits)
    LEFT JOIN (VALUES
        ('clinc150', 'accuracy', 94.0, false, NULL), ('hinglishtop_cs', 'accuracy', 86.7, false, NULL),
        ('hinglishtop_en', 'accuracy', 89.0, false, NULL),
        ('clinc150', 'ece', 2.0, true, NULL), ('hinglishtop_cs', 'ece', 2.5, true, NULL),
        ('hinglishtop_en', 'ece', 2.0, true, NULL),
        ('clinc150', 'sure_right', 98, false, NULL), ('hinglishtop_cs', 'sure_right', 96, false, NULL),
        ('hinglishtop_en', 'sure_right', 98, false, NULL),
        ('clinc150', 'sure', NULL, NULL, '88.5'), ('hinglishtop_cs', 'sure', NULL, NULL, '76.6'),
        ('hinglishtop_en', 'sure', NULL, NULL, '79.0'),
        ('clinc150', 'size', 2, true, NULL), ('hinglishtop_cs', 'size', 2, true, NULL),
        ('hinglishtop_en', 'size', 2, true, NULL),
        ('clinc150', 'warm', 30, true, NULL), ('hinglishtop_cs', 'warm', 30, true, NULL),
        ('hinglishtop_en', 'warm', 30, true, NULL),
        ('clinc150', 'auroc', NULL, NULL, '0.955'), ('clinc150', 'caught', NULL, NULL, '83.6'),
        ('clinc150', 'train', 3, true, NULL), ('scale', 'train', 30, true, NULL), ('scale', 'peak', 400, true, NULL)
    ) AS g (set, what, goal, is_upper, beside) ON g.set = s.set AND g.what = f.what;
END;

CREATE FUNCTION bench.shown(name text, by text, kind text, digits int) RETURNS text
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce((SELECT round(f.value::numeric, digits)::text FROM bench.figures f
                     WHERE f.set = name AND f.system = by AND f.what = kind),
                    (SELECT 'skipped' FROM bench.skipped k
                     WHERE k.system = by AND kind = 'accuracy' AND name <> 'scale'), '');
END;

CREATE VIEW bench.report AS
    SELECT r.set, r.label AS what, bench.shown(r.set, 'ours', r.what, r.digits) AS ours,
           bench.shown(r.set, 'fasttext', r.what, r.digits) AS "fastText",
           bench.shown(r.set, 'svm', r.what, r.digits) AS "linear SVM",
           bench.shown(r.set, 'logistic', r.what, r.digits) AS "logistic regr.",
           coalesce(CASE WHEN r.is_upper THEN '<= ' ELSE '>= ' END || r.goal, '(' || r.beside || ')', '') AS "on test",
           CASE WHEN r.goal IS NULL THEN '' WHEN (o.value <= r.goal) = r.is_upper OR o.value = r.goal THEN 'met'
                ELSE 'MISSED' END AS met
    FROM bench.report_rows() r
    JOIN bench.figures o ON o.set = r.set AND o.what = r.what AND o.system = 'ours'
    ORDER BY r.n;
