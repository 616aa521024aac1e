-- The learning loop with known truth, to see whether the gate tells it. For databases that are thrown away.
--
-- The real functions do everything: capture, filter, audit, promotion, verdicts, sides, training, gate, promotion of
-- models. Simulated are the chat, a fallback, and a reviewer who is never wrong. A run divides the texts of the data
-- anew: some are the seed, some the reserve that nobody ever captures, the rest the traffic. Whatever occurs more often
-- in the data does so here, on one side: no text of the reserve is ever trained on. The truth about a model is its
-- accuracy on the reserve.

CREATE SCHEMA bench;
CREATE TABLE bench.rows (text text, intent text, domain text, split text, lang text);
CREATE TABLE bench.texts (key text PRIMARY KEY, text text, intent text, times int);

-- What a run has.
CREATE TABLE bench.seed (key text, text text, intent text);
CREATE TABLE bench.reserve (key text, text text, intent text, times int);
CREATE TABLE bench.traffic (round int, key text, text text, intent text);
CREATE TABLE bench.labelled (text text, intent text, is_human boolean, is_usual boolean);
CREATE TABLE bench.learnable (text text, intent text, module_type text, weight double precision, label_source text);

-- What runs leave.
-- candidates: what the gate said of each, and what is true. next_batch: accuracy on the next round's traffic as it
-- comes, with its repetitions of texts that were learned. linear_se: the standard error of a weighted share by
-- linearisation, which knows what Kish's effective number of samples does not: that the rows of great weight are those
-- that are mostly right.
CREATE TABLE bench.candidates (scenario text, run int, round int, version text, decision text, samples int,
    accuracy double precision, lower double precision, upper double precision, truth double precision,
    truth_se double precision, linear_se double precision, next_batch double precision, live_accuracy double precision,
    live_truth double precision, trained_on int);
-- challengers: loss is the truth about the live version less that about the challenger. human_*: on everything that
-- people labelled in that round, whatever they were asked for, each row once; usual_*: on what they would have labelled
-- at the built-in audit rates.
CREATE TABLE bench.challengers (scenario text, run int, round int, kind text, live_truth double precision,
    loss double precision, samples int, accuracy double precision, live_accuracy double precision, passed boolean,
    human_samples int, human_accuracy double precision, human_live_accuracy double precision,
    usual_samples int, usual_accuracy double precision, usual_live_accuracy double precision);
-- slices: a model that learned all but a fifth of the model-labelled texts, tested on the labels of that fifth.
CREATE TABLE bench.slices (scenario text, run int, round int, samples int, accuracy double precision,
                           truth double precision);
-- twins: the last candidate on the reserve's texts with and without a near-twin in what it learned; which share of the
-- traffic the test split keeps from being learned, and of the test set's weight its heaviest text has.
CREATE TABLE bench.twins (scenario text, run int, share double precision, with_twin double precision,
    without_twin double precision, tested_traffic double precision, heaviest double precision);

-- One text has one intent here, the commonest.
CREATE PROCEDURE bench.load()
    LANGUAGE sql
AS $$
    INSERT INTO bench.texts
        SELECT tw_model_text(text), min(text), mode() WITHIN GROUP (ORDER BY intent), count(*)
        FROM bench.rows WHERE NOT tw_is_blank(tw_model_text(text))
        GROUP BY 1;
    ANALYZE bench.texts;
$$;

-- Scenarios:
--   usual  the traffic repeats itself as the data do: nine rows in ten are a text that comes once or twice
--   heads  besides, three messages in ten are one of thirty texts, the first of them about forty times a batch
-- rounds batches are captured, and one more shows what would come next.
CREATE PROCEDURE bench.prepare(scenario text, run int, rounds int, seed_texts int, reserve_texts int)
    LANGUAGE plpgsql
AS $$
DECLARE
    places int := seed_texts + reserve_texts;
BEGIN
    PERFORM setseed(run / 100000.0);
    -- Which half of the texts may be tested on hangs on a hash of the text: without another one in each run all runs
    -- would test on one and the same half of these few texts. Punctuation within a text is nothing that the router
    -- looks at.
    CREATE TEMP TABLE shuffled ON COMMIT DROP AS
        SELECT tw_model_text(m.marked) AS key, m.marked AS text, t.intent, t.times,
               row_number() OVER (ORDER BY hashtextextended(t.key, run), t.key) AS place
        FROM bench.texts t,
             LATERAL (SELECT translate(run::text, '0123456789', '~^|<>{}[];') AS mark) k,
             LATERAL (SELECT regexp_replace(t.text, '(?<=\S) +(?=\S)', ' ' || k.mark || ' ') AS marked) m;
    INSERT INTO bench.seed SELECT key, text, intent FROM shuffled WHERE place <= seed_texts;
    INSERT INTO bench.reserve
        SELECT key, text, intent, times FROM shuffled WHERE place > seed_texts AND place <= places;
    INSERT INTO bench.traffic
        WITH stream AS (
            SELECT s.key, s.text, s.intent FROM shuffled s, generate_series(1, s.times) WHERE s.place > places
        ), heads AS (
            SELECT s.key, s.text, s.intent
            FROM shuffled s,
                 generate_series(1, (0.3 / 0.7 * (SELECT count(*) FROM stream) / (s.place - places)
                                     / (SELECT sum(1.0 / h) FROM generate_series(1, 30) AS h))::int)
            WHERE scenario = 'heads' AND s.place > places AND s.place <= places + 30
        )
        SELECT ntile(rounds + 1) OVER (ORDER BY random()), a.* FROM (TABLE stream UNION ALL TABLE heads) a;
    ANALYZE bench.reserve, bench.traffic;

    INSERT INTO training_samples (text, intent, review_status, label_source, source)
        SELECT tw_sample_text(text), intent, 'approved', 'human', 'synthetic' FROM bench.seed;
    -- The data are few: the built-in rates of 5 % and 10 % would take five times the traffic to the same test set.
    INSERT INTO review_policies (audit_rate_approved, audit_rate_review, note) VALUES (0.25, 0.50, 'simulation');
END
$$;

-- se: what the reserve's size leaves uncertain about the truth.
CREATE FUNCTION bench.truth(version text, OUT accuracy double precision, OUT se double precision)
    LANGUAGE sql
AS $$
    WITH answers AS MATERIALIZED (
        SELECT r.times, (c.intent IS NOT DISTINCT FROM r.intent)::int AS is_right
        FROM bench.reserve r, classify_intent(r.text, 'router', version) c
    ), total AS (
        SELECT sum(times * is_right)::float8 / sum(times) AS accuracy, sum(times)::float8 AS times FROM answers
    )
    SELECT t.accuracy, (SELECT sqrt(sum((a.times * (a.is_right - t.accuracy)) ^ 2)) / t.times FROM answers a)
    FROM total t
$$;

-- What the model is unsure of goes to a fallback that is right nine times in ten and as sure when it is wrong.
CREATE PROCEDURE bench.capture(batch int)
    LANGUAGE sql
AS $$
    INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                   nlu_model_version, metadata)
        SELECT format('round %s', batch), t.text,
               CASE WHEN p.is_model THEN c.intent WHEN p.luck < 0.9 THEN t.intent
                    ELSE (SELECT i.intent FROM bench.texts i WHERE i.intent <> t.intent
                          ORDER BY hashtextextended(i.key, (1e9 * p.luck)::bigint) LIMIT 1) END,
               CASE WHEN p.is_model THEN c.confidence ELSE 0.5 + p.sureness / 2 END,
               CASE WHEN p.is_model THEN 'indicbert' ELSE 'llm' END,
               c.model_version, to_jsonb(t.intent)
        FROM bench.traffic t, classify_intent(t.text) c,
             LATERAL (SELECT c.confidence >= 0.45 AS is_model, random() AS luck, random() AS sureness
                      WHERE t.text IS NOT NULL) p
        WHERE t.round = batch;
$$;

-- The audit is finished, and three in ten of the rest of the batch's queue.
CREATE PROCEDURE bench.review(batch int)
    LANGUAGE plpgsql
AS $$
BEGIN
    CREATE TEMP TABLE verdicts ON COMMIT DROP AS
        SELECT id, nlu_intent, metadata #>> '{}' AS intent
        FROM conversation_logs
        WHERE session_id = format('round %s', batch) AND (is_audit OR review_priority IS NOT NULL AND random() < 0.3);
    PERFORM approve_conversations(array_agg(id)) FROM verdicts WHERE nlu_intent = intent HAVING count(*) > 0;
    PERFORM fix_conversations(array_agg(id), intent)
    FROM verdicts WHERE nlu_intent IS DISTINCT FROM intent GROUP BY intent;
END
$$;

-- Texts that a model may be trained on besides: what comes after this batch,
-- with its true intent, but nothing of the test set.
CREATE FUNCTION bench.future(batch int) RETURNS TABLE (text text, intent text)
    LANGUAGE sql
AS $$
    WITH tested AS MATERIALIZED (
        SELECT DISTINCT tw_model_text(s.text) AS text FROM training_samples s WHERE s.split = 'test'
    ), later AS MATERIALIZED (
        SELECT array_agg(t.key) AS keys, array_agg(t.intent) AS intents
        FROM (SELECT DISTINCT key, intent FROM bench.traffic WHERE round > batch AND key NOT IN (TABLE tested)
                 AND key NOT IN (SELECT l.text FROM bench.learnable l)
                 AND key NOT IN (SELECT n.key FROM bench.traffic n WHERE n.round = batch)) t
    )
    SELECT f.text, f.intent
    FROM later l, unnest(l.keys, l.intents, near_twins(l.keys, ARRAY(TABLE tested))) AS f (text, intent, twin)
    WHERE f.twin IS NULL
$$;

-- Trains a version on a changed training set and registers it, as a trainer outside would: only a share of the texts,
-- the labels of a share of those exchanged for another row's, a share of the future.
CREATE FUNCTION bench.make(batch int, kept double precision, exchanged double precision, foreseen double precision)
    RETURNS text
    LANGUAGE sql
AS $$
    WITH kept AS MATERIALIZED (
        SELECT l.*, random() < exchanged AS is_exchanged, row_number() OVER (ORDER BY random()) AS place
        FROM bench.learnable l WHERE random() < kept
    ), examples AS (
        SELECT k.text, CASE WHEN k.is_exchanged THEN o.intent ELSE k.intent END AS intent, k.module_type, k.weight
        FROM kept k JOIN kept o ON o.place = 1 + k.place % (SELECT count(*) FROM kept)
        UNION ALL
        SELECT f.text, f.intent, NULL, 1 FROM bench.future(batch) f WHERE random() < foreseen
    )
    SELECT register_model(next_model_version(), 'router', artifact => (
        SELECT t.artifact
        FROM (SELECT array_agg(e.text) AS texts, array_agg(e.intent) AS intents, array_agg(e.module_type) AS modules,
                     array_agg(e.weight) AS weights FROM examples e) a,
                               LATERAL tw_train_router(a.texts, a.intents, a.modules, a.weights) t))
$$;

CREATE PROCEDURE bench.remember_learnable()
    LANGUAGE sql
AS $$
    TRUNCATE bench.learnable;
    INSERT INTO bench.learnable SELECT t.text, t.intent, t.module_type, t.weight, t.label_source
                                FROM tw_training_texts('router') t WHERE t.excluded IS NULL;
$$;

-- What people labelled in this round, before the round's training: neither the live version nor the challengers have
-- seen it, so that a test set of it shows nothing but how its rows were chosen. The audit's rates here are five times
-- the built-in ones.
CREATE PROCEDURE bench.remember_labelled(batch int)
    LANGUAGE sql
AS $$
    TRUNCATE bench.labelled;
    INSERT INTO bench.labelled
        SELECT c.user_message, c.metadata #>> '{}', c.review_status = 'approved',
               c.is_audit AND c.luck < 0.2 OR c.filter_outcome = 'needs-review' AND c.turn < 0.3
        FROM (SELECT *, random() AS luck, random() AS turn FROM conversation_logs
              WHERE session_id = format('round %s', batch)) c
        WHERE NOT EXISTS (SELECT FROM bench.learnable l WHERE l.text = tw_model_text(c.user_message));
$$;

-- Small losses and gains too: how the chance to pass depends on them is what says something about the gate.
CREATE PROCEDURE bench.challenge(scenario text, run int, batch int)
    LANGUAGE plpgsql
AS $$
DECLARE
    live text := (SELECT m.version FROM model_versions m WHERE m.status = 'production');
    live_truth double precision := (bench.truth(live)).accuracy;
    challenger text;
BEGIN
    CALL bench.remember_learnable();
    CALL bench.remember_labelled(batch);
    FOR kind IN 1 .. 3 LOOP
        challenger := bench.make(batch,
            kept => CASE kind WHEN 1 THEN 0.15 + 0.45 * random() WHEN 2 THEN 1 ELSE 0.4 + 0.6 * random() END,
            exchanged => CASE kind WHEN 2 THEN 0.10 + 0.35 * random() ELSE 0 END,
            foreseen => CASE kind WHEN 3 THEN random() ELSE 0 END);
        PERFORM evaluate_model(challenger);
        INSERT INTO bench.challengers
            SELECT scenario, run, batch, (ARRAY['fewer texts', 'wrong labels', 'other texts'])[kind], live_truth,
                   live_truth - (bench.truth(challenger)).accuracy, m.test_samples, m.test_accuracy, m.base_accuracy,
                   m.gate_decision = 'passed', h.*
            FROM model_versions m,
                 (SELECT count(*) FILTER (WHERE is_human), avg(challenger_right) FILTER (WHERE is_human),
                         avg(live_right) FILTER (WHERE is_human), count(*) FILTER (WHERE is_usual),
                         avg(challenger_right) FILTER (WHERE is_usual), avg(live_right) FILTER (WHERE is_usual)
                  FROM (SELECT d.is_human, d.is_usual,
                               (c.intent IS NOT DISTINCT FROM d.intent)::int AS challenger_right,
                               (l.intent IS NOT DISTINCT FROM d.intent)::int AS live_right
                        FROM bench.labelled d, classify_intent(d.text, 'router', challenger) c,
                             classify_intent(d.text, 'router', live) l) a) h
            WHERE m.version = challenger;
    END LOOP;
END
$$;

-- A model of another kind, outside the database: it is right in a share of all texts, whichever they are, so that it
-- shares no weakness with the live version. Its truth is known without a reserve. As its worker would, it takes an
-- evaluate job.
CREATE FUNCTION bench.judge_stranger(share double precision) RETURNS text
    LANGUAGE plpgsql
AS $$
DECLARE
    version text := register_model(next_model_version(), 'router', minio_path => 's3://models/stranger');
    job bigint;
    secret text;
BEGIN
    PERFORM request_evaluation(version);
    SELECT j.job_id, j.secret INTO STRICT job, secret FROM claim_training_job('stranger') j;
    PERFORM complete_training_job(job, secret, (
        SELECT jsonb_agg(jsonb_build_object('sample_id', t.sample_id, 'intent',
                                            CASE WHEN random() < share THEN s.intent ELSE 'something else' END))
        FROM training_job_test_set(job, secret) t JOIN training_samples s ON s.id = t.sample_id));
    -- As run_training_jobs() does.
    PERFORM tw_take_in(j) FROM training_jobs j WHERE j.id = job;
    PERFORM evaluate_model(version);
    RETURN version;
END
$$;

CREATE PROCEDURE bench.challenge_by_strangers(scenario text, run int, batch int)
    LANGUAGE plpgsql
AS $$
DECLARE
    live text := (SELECT m.version FROM model_versions m WHERE m.status = 'production');
    live_truth double precision := (bench.truth(live)).accuracy;
    loss double precision;
    stranger text;
BEGIN
    FOREACH loss IN ARRAY '{0, 0.05}'::double precision[] LOOP
        stranger := bench.judge_stranger(live_truth - loss);
        INSERT INTO bench.challengers
            SELECT scenario, run, batch, 'stranger', live_truth, loss, m.test_samples, m.test_accuracy, m.base_accuracy,
                   m.gate_decision = 'passed', h.*
            FROM model_versions m,
                 (SELECT count(*) FILTER (WHERE is_human), avg(stranger_right) FILTER (WHERE is_human),
                         avg(live_right) FILTER (WHERE is_human), count(*) FILTER (WHERE is_usual),
                         avg(stranger_right) FILTER (WHERE is_usual), avg(live_right) FILTER (WHERE is_usual)
                  FROM (SELECT d.is_human, d.is_usual, (random() < live_truth - loss)::int AS stranger_right,
                               (l.intent IS NOT DISTINCT FROM d.intent)::int AS live_right
                        FROM bench.labelled d, classify_intent(d.text, 'router', live) l) a) h
            WHERE m.version = stranger;
    END LOOP;
END
$$;

CREATE PROCEDURE bench.slice(scenario text, run int, batch int)
    LANGUAGE plpgsql
AS $$
DECLARE
    version text;
BEGIN
    CALL bench.remember_learnable();
    CREATE TEMP TABLE slice ON COMMIT DROP AS SELECT text, intent FROM bench.learnable
        WHERE label_source = 'model' AND random() < 0.2;
    DELETE FROM bench.learnable l USING slice s WHERE l.text = s.text;
    version := bench.make(batch, 1, 0, 0);
    INSERT INTO bench.slices
        SELECT scenario, run, batch, count(*), avg((c.intent IS NOT DISTINCT FROM s.intent)::int),
               (bench.truth(version)).accuracy
        FROM slice s, classify_intent(s.text, 'router', version) c;
END
$$;

CREATE PROCEDURE bench.look_closer(scenario text, run int, batch int, version text)
    LANGUAGE sql
AS $$
    CALL bench.remember_learnable();
    INSERT INTO bench.twins
        SELECT scenario, run, sum(a.times) FILTER (WHERE a.is_twin) / sum(a.times),
               sum(a.times * a.is_right) FILTER (WHERE a.is_twin) / sum(a.times) FILTER (WHERE a.is_twin),
               sum(a.times * a.is_right) FILTER (WHERE NOT a.is_twin) / sum(a.times) FILTER (WHERE NOT a.is_twin),
               (SELECT avg((t.key IN (SELECT tw_model_text(s.text) FROM training_samples s
                                      WHERE s.split = 'test'))::int) FROM bench.traffic t WHERE t.round <= batch),
               (SELECT max(weight) / sum(weight) FROM model_test_set())
        FROM (SELECT t.times::float8, t.twin IS NOT NULL AS is_twin,
                     (c.intent IS NOT DISTINCT FROM t.intent)::int AS is_right
              FROM (SELECT array_agg(key) AS keys, array_agg(text) AS texts, array_agg(intent) AS intents,
                           array_agg(times) AS times FROM bench.reserve) r,
                   unnest(r.texts, r.intents, r.times, near_twins(
                       r.keys, ARRAY(SELECT DISTINCT l.text FROM bench.learnable l))) AS t (text, intent, times, twin),
                   classify_intent(t.text, 'router', version) c) a;
$$;

CREATE PROCEDURE bench.learn(scenario text, run int, batch int, rounds int)
    LANGUAGE plpgsql
AS $$
DECLARE
    live text := (SELECT m.version FROM model_versions m WHERE m.status = 'production');
    t record;
BEGIN
    SELECT * INTO t FROM train_model();
    INSERT INTO bench.candidates
        SELECT scenario, run, batch, m.version, m.gate_decision, m.test_samples, m.test_accuracy, m.test_accuracy_lower,
               m.test_accuracy_upper, r.accuracy, r.se,
               (SELECT sqrt(sum((e.weight * ((e.predicted_intent IS NOT DISTINCT FROM e.intent)::int
                                             - m.test_accuracy)) ^ 2)) / sum(e.weight)
                FROM model_evaluations e WHERE e.evaluation_id = m.evaluation_id AND e.version = m.version),
               (SELECT avg((c.intent IS NOT DISTINCT FROM n.intent)::int)
                FROM bench.traffic n, classify_intent(n.text, 'router', m.version) c WHERE n.round = batch + 1),
               m.base_accuracy, (bench.truth(live)).accuracy, t.training_samples
        FROM model_versions m, bench.truth(m.version) r
        WHERE m.version = t.version;
    IF batch IN (rounds / 2, rounds) THEN
        CALL bench.slice(scenario, run, batch);
    END IF;
    IF batch = rounds THEN
        CALL bench.look_closer(scenario, run, batch, t.version);
    END IF;
    IF t.gate_decision = 'passed' THEN
        PERFORM promote_model(t.version, 'the gate said so');
    END IF;
END
$$;

CREATE PROCEDURE bench.run(scenario text, run int, rounds int, seed_texts int, reserve_texts int)
    LANGUAGE plpgsql
AS $$
BEGIN
    CALL bench.prepare(scenario, run, rounds, seed_texts, reserve_texts);
    COMMIT;
    PERFORM promote_model(t.version, 'the seed') FROM train_model() t;
    COMMIT;
    FOR batch IN 1 .. rounds LOOP
        CALL bench.capture(batch);
        COMMIT;
        ANALYZE conversation_logs, training_samples;
        CALL bench.review(batch);
        COMMIT;
        -- Where there is no test set yet, nobody is compared.
        IF EXISTS (SELECT FROM bench.candidates c WHERE c.decision <> 'undecided') THEN
            CALL bench.challenge(scenario, run, batch);
            COMMIT;
            CALL bench.challenge_by_strangers(scenario, run, batch);
            COMMIT;
        END IF;
        CALL bench.learn(scenario, run, batch, rounds);
        COMMIT;
    END LOOP;
END
$$;

-- What is reported. In points (hundredths). Rounds of a run share their test set and the challengers of a run its
-- traffic: a "+-" is the standard error from run to run (of ratios: linearised).

CREATE FUNCTION bench.points(value double precision, se double precision) RETURNS text
    LANGUAGE sql
AS $$
    SELECT round(100 * value::numeric, 1) || coalesce(' +- ' || round(100 * se::numeric, 1), '')
$$;

-- Every figure of a run that is a mean over some of its rows: their sum and number.
CREATE VIEW bench.measured AS
    SELECT c.scenario, c.run, m.place, m.measure, sum(m.value) AS total, count(m.value) AS n
    FROM (SELECT *, min(round) FILTER (WHERE decision <> 'undecided') OVER w AS first_round,
                 max(round) OVER w AS last_round
          FROM bench.candidates WINDOW w AS (PARTITION BY scenario, run)) c,
         LATERAL (SELECT c.accuracy - c.truth AS bias, (c.truth BETWEEN c.lower AND c.upper)::int AS covered,
                         -- Both are uncertain, independently.
                         (abs(c.truth - c.accuracy) <= sqrt((CASE WHEN c.truth < c.accuracy THEN c.accuracy - c.lower
                                                                  ELSE c.upper - c.accuracy END) ^ 2
                                                            + (1.959964 * c.truth_se) ^ 2))::int AS covered_allowing,
                         (abs(c.truth - c.accuracy) <= 1.959964 * sqrt(c.linear_se ^ 2
                                                                       + c.truth_se ^ 2))::int AS covered_linear,
                         c.decision <> 'undecided' AS decided, c.truth - c.live_truth AS gain) b,
         LATERAL (VALUES
             (11, 'gate accuracy less truth, decided gates', CASE WHEN decided THEN bias END),
             (12, 'the same, first decided gate', CASE WHEN round = first_round THEN bias END),
             (13, 'the same, last gate', CASE WHEN round = last_round THEN bias END),
             (14, 'the same, those that passed', CASE WHEN decision = 'passed' THEN bias END),
             (15, 'the same, undecided: too few test samples', CASE WHEN NOT decided THEN bias END),
             (21, 'interval covers the truth, decided gates', CASE WHEN decided THEN covered END),
             (22, 'covers it, allowing for the reserve''s own error', CASE WHEN decided THEN covered_allowing END),
             (23, 'covers it, allowing for that, first decided gate',
              CASE WHEN round = first_round THEN covered_allowing END),
             (24, 'covers it, allowing for that, last gate', CASE WHEN round = last_round THEN covered_allowing END),
             (25, 'covers it, allowing for that, an interval by linearisation',
              CASE WHEN decided THEN covered_linear END),
             (31, 'half of the interval, decided gates', CASE WHEN decided THEN (upper - lower) / 2 END),
             (32, 'squared error of the gate''s accuracy', CASE WHEN decided THEN bias ^ 2 END),
             (33, 'squared standard error of the truth', CASE WHEN decided THEN truth_se ^ 2 END),
             (34, 'truth of the candidates, decided gates', CASE WHEN decided THEN truth END),
             (35, 'gate accuracy less accuracy on the next batch, repetitions included',
              CASE WHEN decided THEN accuracy - next_batch END),
             (41, 'retrained, truly 1 point better or more: passed',
              CASE WHEN decided AND gain >= 0.01 THEN (decision = 'passed')::int END),
             (42, 'retrained, truly 1 point worse or more: passed',
              CASE WHEN decided AND gain <= -0.01 THEN (decision = 'passed')::int END)
         ) AS m (place, measure, value)
    GROUP BY c.scenario, c.run, m.place, m.measure
    UNION ALL
    SELECT scenario, run, 51, 'tested on a slice of the auto-approved: accuracy less truth',
           sum(accuracy - truth), count(*)
    FROM bench.slices GROUP BY scenario, run
    UNION ALL
    SELECT c.scenario, c.run, m.place, m.measure, sum(m.value), count(m.value)
    FROM (SELECT * FROM bench.challengers WHERE kind <> 'stranger') c,
         LATERAL (VALUES
             (52, 'live version on all that people labelled: accuracy less truth',
              c.human_live_accuracy - c.live_truth),
             (53, 'challengers on the same: accuracy less truth', c.human_accuracy - (c.live_truth - c.loss)),
             (54, 'live version on the same at the built-in audit rates', c.usual_live_accuracy - c.live_truth),
             (55, 'challengers on the same at the built-in audit rates', c.usual_accuracy - (c.live_truth - c.loss))
         ) AS m (place, measure, value)
    GROUP BY c.scenario, c.run, m.place, m.measure
    UNION ALL
    SELECT t.scenario, t.run, m.place, m.measure, m.value, (m.value IS NOT NULL)::int
    FROM bench.twins t,
         LATERAL (VALUES
             (61, 'reserve: share with a near-twin in the training set', t.share),
             (62, 'truth of the last candidate on those', t.with_twin),
             (63, 'truth of the last candidate on the others', t.without_twin),
             (64, 'traffic whose text is on the test split', t.tested_traffic),
             (65, 'heaviest test text: share of the weight', t.heaviest)
         ) AS m (place, measure, value);

CREATE VIEW bench.figures AS
    SELECT r.scenario, r.place, r.measure, r.runs, r.value,
           (SELECT sqrt(sum((m.total - r.value * m.n) ^ 2) * r.runs / nullif(r.runs - 1, 0)) / r.n
            FROM bench.measured m WHERE m.scenario = r.scenario AND m.place = r.place) AS se
    FROM (SELECT scenario, place, measure, count(*) FILTER (WHERE n > 0) AS runs, sum(n) AS n,
                 sum(total) / nullif(sum(n), 0) AS value
          FROM bench.measured GROUP BY scenario, place, measure) r;

-- kind: ours share the live version's way of learning, and most of what it learned.
CREATE VIEW bench.bins AS
    SELECT scenario, CASE kind WHEN 'stranger' THEN 'stranger' ELSE 'ours' END AS kind, b.bin, run, count(*) AS n,
           sum(loss) AS loss, sum(passed::int) AS passed, sum((accuracy > live_accuracy)::int) AS higher,
           sum(passed::int) FILTER (WHERE samples < 300) AS passed_early,
           count(*) FILTER (WHERE samples < 300) AS n_early,
           sum(passed::int) FILTER (WHERE samples >= 450) AS passed_late,
           count(*) FILTER (WHERE samples >= 450) AS n_late, sum((human_accuracy > human_live_accuracy)::int) AS human,
           sum((usual_accuracy > usual_live_accuracy)::int) AS usual
    FROM bench.challengers,
         LATERAL (SELECT width_bucket(loss, ARRAY[-0.04, -0.01, 0.01, 0.02, 0.04, 0.06, 0.08]) AS bin) b
    GROUP BY scenario, 2, b.bin, run;

CREATE VIEW bench.pass_rates AS
    SELECT p.*, b.passed, b.passed_se, b.higher, b.higher_se, b.human, b.human_se, b.usual, b.usual_se
    FROM (SELECT scenario, kind, bin, sum(n) AS n, sum(loss) / sum(n) AS loss, sum(passed) / sum(n) AS passed_share,
                 sum(higher) / sum(n) AS higher_share, sum(human) / sum(n) AS human_share,
                 sum(usual) / sum(n) AS usual_share, sum(passed_early) / nullif(sum(n_early), 0) AS passed_early,
                 sum(passed_late) / nullif(sum(n_late), 0) AS passed_late
          FROM bench.bins GROUP BY scenario, kind, bin) p,
         LATERAL (SELECT passed_share AS passed, sqrt(sum((r.passed - passed_share * r.n) ^ 2)) / p.n AS passed_se,
                         higher_share AS higher, sqrt(sum((r.higher - higher_share * r.n) ^ 2)) / p.n AS higher_se,
                         human_share AS human, sqrt(sum((r.human - human_share * r.n) ^ 2)) / p.n AS human_se,
                         usual_share AS usual, sqrt(sum((r.usual - usual_share * r.n) ^ 2)) / p.n AS usual_se
                  FROM bench.bins r WHERE (r.scenario, r.kind, r.bin) = (p.scenario, p.kind, p.bin)) b;

CREATE VIEW bench.challenger_report AS
    SELECT scenario, kind, (ARRAY['gain of 4 or more', 'gain of 1 to 4', 'equal: within 1', 'loss of 1 to 2',
                                  'loss of 2 to 4', 'loss of 4 to 6', 'loss of 6 to 8',
                                  'loss of 8 or more'])[bin + 1] AS challenger,
           n AS challengers, bench.points(loss, NULL) AS mean_loss,
           bench.points(passed, passed_se) AS passed, bench.points(passed_early, NULL) AS below_300_samples,
           bench.points(passed_late, NULL) AS from_450_samples,
           bench.points(higher, higher_se) AS higher_alone, bench.points(human, human_se) AS all_labelled,
           bench.points(usual, usual_se) AS all_labelled_usual_rates,
           CASE WHEN bin = 5 THEN 'passed at most 5' ELSE '' END AS target
    FROM bench.pass_rates
    ORDER BY scenario <> 'usual', scenario, kind, bin;

CREATE VIEW bench.round_report AS
    SELECT scenario, round, round(avg(samples)) AS test_samples, bench.points(avg(accuracy), NULL) AS gate_accuracy,
           bench.points(avg(lower), NULL) || ' to ' || bench.points(avg(upper), NULL) AS "interval",
           bench.points(avg(truth), NULL) AS truth,
           bench.points(avg(accuracy - truth), stddev(accuracy - truth) / sqrt(count(*))) AS bias,
           bench.points(avg((truth BETWEEN lower AND upper)::int), NULL) AS covered,
           bench.points(avg(live_truth), NULL) AS live_truth,
           bench.points(avg((decision = 'passed')::int), NULL) AS passed,
           bench.points(avg((decision = 'undecided')::int), NULL) AS undecided
    FROM bench.candidates GROUP BY scenario, round ORDER BY scenario <> 'usual', scenario, round;

CREATE VIEW bench.report AS
    SELECT f.scenario, f.measure, bench.points(f.value, f.se) AS points, f.runs,
           CASE WHEN f.scenario = 'usual' AND f.place = 11 OR f.place = 35 THEN 'within 2'
                WHEN f.scenario = 'usual' AND f.place = 22 THEN 'about 95' ELSE '' END AS target
    FROM (SELECT * FROM bench.figures WHERE place NOT IN (32, 33)
          UNION ALL
          SELECT e.scenario, 32, 'RMSE of the gate''s accuracy, less the reserve''s own error', e.runs,
                 sqrt(greatest(e.value - t.value, 0)), NULL
          FROM bench.figures e JOIN bench.figures t USING (scenario) WHERE e.place = 32 AND t.place = 33) f
    ORDER BY f.scenario <> 'usual', f.scenario, f.place;
