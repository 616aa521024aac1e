-- The gate: whether a candidate is better than the live model, both scored now on the same samples.

CREATE FUNCTION @extschema@.tw_is_servable(version text) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN EXISTS (SELECT FROM @extschema@.model_artifacts a
               WHERE a.version = tw_is_servable.version AND a.format = 'router');
REVOKE ALL ON FUNCTION @extschema@.tw_is_servable(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_is_servable(text) IS 'Whether the database itself can answer with this version';

CREATE FUNCTION @extschema@.tw_has_location(version text) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = tw_has_location.version
    AND (NOT m.location_unknown OR m.minio_path IS NOT NULL));
REVOKE ALL ON FUNCTION @extschema@.tw_has_location(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_has_location(text) IS
    'Whether the location of a version is known: false where a worker handed it in with neither an artifact nor a '
    'location. A version registered by register_model() counts as known';

CREATE FUNCTION @extschema@.tw_answers(
    version text, model_type text,
    OUT sample_id bigint, OUT text_hash bigint, OUT intent text, OUT weight double precision,
    OUT predicted_intent text, OUT confidence double precision, OUT is_answered boolean)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF @extschema@.tw_is_servable(version) THEN
        RETURN QUERY
            SELECT t.sample_id, t.text_hash, t.intent, t.weight, c.intent, c.confidence, true
            FROM @extschema@.model_test_set(tw_answers.model_type) t
            CROSS JOIN LATERAL @extschema@.classify_intent(t.text, tw_answers.model_type, tw_answers.version) c;
    ELSE
        -- Answers are kept: a version never changes, so its answer to a text does not either.
        RETURN QUERY
            SELECT t.sample_id, t.text_hash, t.intent, t.weight, @extschema@.tw_resolve_intent(e.predicted_intent),
                   e.confidence, e.id IS NOT NULL
            FROM @extschema@.model_test_set(tw_answers.model_type) t
            LEFT JOIN LATERAL (SELECT m.id, m.predicted_intent, m.confidence FROM @extschema@.model_evaluations m
                               WHERE m.version = tw_answers.version AND m.text_hash = t.text_hash
                               ORDER BY m.id DESC LIMIT 1) e ON true;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_answers(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_answers(text, text) IS
    'A version''s answers to the test set of a model type: classified now, or for a version outside, as its worker '
    'reported them; is_answered is false for samples that it never answered';

CREATE FUNCTION @extschema@.tw_require_version(version text, OUT model_type text, OUT status text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    SELECT m.model_type, m.status INTO model_type, status FROM @extschema@.model_versions m
    WHERE m.version = tw_require_version.version;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('model version "%s" does not exist', coalesce(@extschema@.tw_excerpt(version), 'NULL')),
            HINT = 'SELECT version, status FROM model_versions; shows those that do.';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_require_version(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_require_version(text) IS 'Type and status of a version, or 42704 (undefined_object)';

CREATE FUNCTION @extschema@.compare_models(
    first text, second text,
    OUT samples bigint,
    OUT first_accuracy double precision, OUT first_lower double precision, OUT first_upper double precision,
    OUT second_accuracy double precision, OUT second_lower double precision, OUT second_upper double precision,
    OUT first_macro_f1 double precision, OUT second_macro_f1 double precision,
    OUT first_calibration_error double precision, OUT second_calibration_error double precision,
    OUT only_first_right bigint, OUT only_second_right bigint, OUT mcnemar_p double precision, OUT unanswered bigint,
    OUT paired_status text, OUT paired_messages bigint, OUT paired_disagreements bigint, OUT paired_labels integer,
    OUT paired_difference double precision, OUT paired_lower double precision, OUT paired_upper double precision)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    first_type text := (@extschema@.tw_require_version(first)).model_type;
    second_type text := (@extschema@.tw_require_version(second)).model_type;
    answers record;
BEGIN
    IF first_type <> second_type THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('"%s" and "%s" are models of different types', @extschema@.tw_excerpt(first),
                             @extschema@.tw_excerpt(second)),
            HINT = 'Only versions of one type have a test set in common.';
    END IF;
    SELECT array_agg(a.intent ORDER BY a.sample_id) AS labels, array_agg(a.weight ORDER BY a.sample_id) AS weights,
           array_agg(a.predicted_intent ORDER BY a.sample_id) AS intents_a,
           array_agg(b.predicted_intent ORDER BY a.sample_id) AS intents_b,
           array_agg(a.confidence ORDER BY a.sample_id) AS confidences_a,
           array_agg(b.confidence ORDER BY a.sample_id) AS confidences_b,
           count(*) FILTER (WHERE a.intent = a.predicted_intent
                              AND a.intent IS DISTINCT FROM b.predicted_intent) AS only_a,
           count(*) FILTER (WHERE a.intent = b.predicted_intent
                              AND a.intent IS DISTINCT FROM a.predicted_intent) AS only_b
    INTO answers
    FROM @extschema@.tw_answers(first, first_type) a
    JOIN @extschema@.tw_answers(second, first_type) b USING (sample_id)
    WHERE a.is_answered AND b.is_answered;

    SELECT one.samples, one.accuracy, one.lower, one.upper, other.accuracy, other.lower, other.upper, one.macro_f1,
           other.macro_f1, one.calibration_error, other.calibration_error, answers.only_a, answers.only_b,
           @extschema@.mcnemar_p(answers.only_a, answers.only_b),
           (SELECT count(*) FROM @extschema@.model_test_set(first_type)) - one.samples
    INTO samples, first_accuracy, first_lower, first_upper, second_accuracy, second_lower, second_upper, first_macro_f1,
         second_macro_f1, first_calibration_error, second_calibration_error, only_first_right, only_second_right,
         mcnemar_p, unanswered
    FROM @extschema@.tw_scores(answers.labels, answers.intents_a, answers.confidences_a, answers.weights) one,
         @extschema@.tw_scores(answers.labels, answers.intents_b, answers.confidences_b, answers.weights) other;

    -- Seen from the other version, the difference changes its sign, and better becomes worse.
    SELECT CASE WHEN p.challenger = first THEN p.status WHEN p.status = 'better' THEN 'worse'
                WHEN p.status = 'worse' THEN 'better' ELSE p.status END,
           p.messages, p.disagreements, p.labels,
           CASE WHEN p.challenger = first THEN p.difference ELSE - p.difference END,
           CASE WHEN p.challenger = first THEN p.difference_lower ELSE - p.difference_upper END,
           CASE WHEN p.challenger = first THEN p.difference_upper ELSE - p.difference_lower END
    INTO paired_status, paired_messages, paired_disagreements, paired_labels, paired_difference, paired_lower,
         paired_upper
    FROM @extschema@.paired_evaluations p
    WHERE p.challenger IN (first, second) AND p.live_version IN (first, second)
    ORDER BY p.id DESC LIMIT 1;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.compare_models(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.compare_models(text, text) IS
    'Two versions of one type, first and second, on the same test samples, scored now: weighted accuracy with 95 % '
    'interval (Wilson, JASA 22, 1927), macro-F1, calibration error (Naeini et al., AAAI 2015), all 0 to 1, the numbers '
    'of samples that only one of them gets right, and the two-sided p-value of the exact McNemar test (mcnemar_p). '
    'unanswered is the number of samples left out because a version outside has not answered them. The columns '
    'paired_... come from the last paired evaluation of the two, seen from the first version; NULL where there was '
    'none. Changes nothing. Raises 42704 for an unknown version, 22023 for versions of different types';

-- The decision about a candidate with these figures. The order of the reasons matters: the most important one for a
-- person comes first.
CREATE FUNCTION @extschema@.tw_gate_decision(
    samples bigint, effective double precision, accuracy double precision, live_version text,
    live_accuracy double precision, min_samples integer, target double precision, paired @extschema@.paired_evaluations,
    OUT decision text, OUT reason text)
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT d.decision, d.reason
    FROM (SELECT round(accuracy::numeric, 4) AS mine, round(live_accuracy::numeric, 4) AS its,
                 round(target::numeric, 4) AS goal) r,
         LATERAL (VALUES
            -- A blind comparison by people comes first: it needs fewer labels, and uses messages that neither version
            -- has learned from.
            (-2, (paired).status IN ('worse', 'undecided'), 'failed', 'paired review: ' || (paired).reason),
            (-1, (paired).status IN ('better', 'non-inferior') AND accuracy < target AND live_accuracy >= target
             AND effective >= min_samples, 'failed',
             format('paired review: %s; but below the target accuracy: %s of %s on %s samples', (paired).reason, r.mine,
                    r.goal, samples)),
            (0, (paired).status IN ('better', 'non-inferior'), 'passed', 'paired review: ' || (paired).reason),
            -- A millionth of a sample is rounding.
            (1, coalesce(effective, 0) < min_samples - 1e-6, 'undecided',
             concat_ws('; ', format('too few test samples: %s of at least %s',
                                    CASE WHEN floor(effective + 1e-6) < samples
                                         THEN format('%s, which count for %s', samples, floor(effective + 1e-6))
                                         ELSE coalesce(samples, 0)::text END, min_samples),
                             CASE WHEN (paired).status = 'running' THEN format(
                                 'people review disagreements: %s labels so far', (paired).labels) END)),
            (2, accuracy <= live_accuracy, 'failed',
             format('not better than %s: %s against %s on %s samples', live_version, r.mine, r.its, samples)),
            (3, accuracy < target AND (live_accuracy IS NULL OR live_accuracy >= target), 'failed',
             format('below the target accuracy: %s of %s on %s samples', r.mine, r.goal, samples)),
            (4, live_version IS NOT NULL, 'passed',
             format('better than %s: %s against %s on %s samples', live_version, r.mine, r.its, samples)),
            (5, true, 'passed',
             format('reaches the target accuracy: %s of %s on %s samples; there is no live version', r.mine,
                    r.goal, samples))
         ) AS d (number, applies, decision, reason)
    WHERE d.applies
    ORDER BY d.number
    LIMIT 1;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_gate_decision(bigint, double precision, double precision, text, double precision,
                                                    integer, double precision, @extschema@.paired_evaluations)
    FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_gate_decision(bigint, double precision, double precision, text, double precision,
                                                 integer, double precision, @extschema@.paired_evaluations) IS
    'The gate''s rule. The decision of a paired evaluation counts first, where it has ended. Otherwise a candidate '
    'needs enough samples (effective number), a higher weighted accuracy than the live version, and the target '
    'accuracy unless the live version is itself below it; without a live version, the samples and the target';

CREATE FUNCTION @extschema@.tw_store_answers(evaluation_id bigint, version text, model_type text) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO @extschema@.model_evaluations (evaluation_id, version, sample_id, text_hash, intent, weight,
                                               predicted_intent, confidence)
    SELECT tw_store_answers.evaluation_id, tw_store_answers.version, a.sample_id, a.text_hash, a.intent, a.weight,
           a.predicted_intent, a.confidence
    FROM @extschema@.tw_answers(version, model_type) a
    WHERE a.is_answered
    ORDER BY a.sample_id;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_store_answers(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_store_answers(bigint, text, text) IS
    'Stores a version''s current answer to each test sample';

CREATE FUNCTION @extschema@.tw_stored_scores(
    evaluation_id bigint, version text, beside text,
    OUT samples bigint, OUT accuracy double precision, OUT lower double precision, OUT upper double precision,
    OUT macro_f1 double precision, OUT calibration_error double precision, OUT only_right bigint,
    OUT effective double precision)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT s.samples, s.accuracy, s.lower, s.upper, s.macro_f1, s.calibration_error, a.only_right, a.effective
    FROM (SELECT array_agg(@extschema@.tw_resolve_intent(e.intent) ORDER BY e.sample_id) AS labels,
                 array_agg(@extschema@.tw_resolve_intent(e.predicted_intent) ORDER BY e.sample_id) AS answers,
                 array_agg(e.confidence ORDER BY e.sample_id) AS confidences,
                 array_agg(e.weight ORDER BY e.sample_id) AS weights,
                 count(*) FILTER (WHERE @extschema@.tw_resolve_intent(e.intent)
                                        = @extschema@.tw_resolve_intent(e.predicted_intent)
                                    AND @extschema@.tw_resolve_intent(o.intent)
                                        IS DISTINCT FROM @extschema@.tw_resolve_intent(o.predicted_intent))
                     AS only_right,
                 -- Effective sample size (Kish, Survey Sampling, 1965): the number of equally weighted samples of the
                 -- same variance.
                 coalesce(sum(e.weight) ^ 2 / nullif(sum(e.weight ^ 2), 0), 0) AS effective
          FROM @extschema@.model_evaluations e
          JOIN @extschema@.model_evaluations o ON o.evaluation_id = e.evaluation_id AND o.version = beside
              AND o.sample_id = e.sample_id
          WHERE e.evaluation_id = tw_stored_scores.evaluation_id AND e.version = tw_stored_scores.version) a,
         LATERAL @extschema@.tw_scores(a.labels, a.answers, a.confidences, a.weights) s;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_stored_scores(bigint, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_stored_scores(bigint, text, text) IS
    'The scores of a version in an evaluation, on the samples that the other version (or itself) answered as well, '
    'with the number of samples that only the first gets right, and the effective number of samples';

CREATE FUNCTION @extschema@.tw_run_gate(candidate text, OUT decision text, OUT reason text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    kind text := (@extschema@.tw_require_version(candidate)).model_type;
    live text := (SELECT m.version FROM @extschema@.model_versions m
                  WHERE m.model_type = kind AND m.status = 'production');
    min_samples integer := @extschema@.training_setting('min_test_samples');
    evaluation bigint := nextval('@extschema@.model_evaluations_evaluation_seq');
    own record;
    its record;
    paired @extschema@.paired_evaluations;
BEGIN
    SELECT * INTO paired FROM @extschema@.paired_evaluations p
    WHERE p.challenger = candidate AND p.live_version = live AND p.status <> 'cancelled' ORDER BY p.id DESC LIMIT 1;
    PERFORM @extschema@.tw_store_answers(evaluation, candidate, kind);
    SELECT * INTO own FROM @extschema@.tw_stored_scores(evaluation, candidate, candidate);
    IF live IS NOT NULL THEN
        PERFORM @extschema@.tw_store_answers(evaluation, live, kind);
    END IF;
    -- All NULL, with no samples, where nothing is live.
    SELECT s.*, (@extschema@.tw_stored_scores(evaluation, candidate, live)).only_right AS only_own_right
    INTO its FROM @extschema@.tw_stored_scores(evaluation, live, candidate) s;

    IF live IS NOT NULL AND its.samples < own.samples AND own.effective >= min_samples
       AND coalesce(paired.status, 'running') = 'running' THEN
        decision := 'undecided';
        reason := format('%s runs outside the database and has to be evaluated first: job %s', live,
                         @extschema@.tw_queue_evaluation(live));
    ELSE
        SELECT g.decision, g.reason INTO decision, reason
        FROM @extschema@.tw_gate_decision(own.samples, own.effective, own.accuracy, live, its.accuracy, min_samples,
                                          @extschema@.training_setting('target_accuracy')::double precision, paired) g;
    END IF;

    IF decision = 'passed' AND NOT @extschema@.tw_has_location(candidate) THEN
        reason := format('%s; its worker handed in neither an artifact nor a location, so a person has to say that '
                         'it is there: %s(version, reason)',
                         reason, CASE WHEN live IS NULL THEN 'promote_model' ELSE 'start_rollout' END);
    ELSIF decision = 'passed' AND live IS NULL AND NOT @extschema@.tw_is_stored(candidate) THEN
        reason := reason || '; its artifact has to be stored first (store_model_artifacts)';
    END IF;

    -- Lock order: the registry's lock before its rows.
    PERFORM @extschema@.tw_lock_registry();
    UPDATE @extschema@.model_versions m
    SET status = CASE tw_run_gate.decision WHEN 'failed' THEN 'rejected' ELSE 'candidate' END,
        test_accuracy = own.accuracy, test_accuracy_lower = own.lower, test_accuracy_upper = own.upper,
        test_samples = own.samples,
        effective_test_samples = own.effective,
        macro_f1 = own.macro_f1, calibration_error = own.calibration_error, base_version = live,
        evaluation_id = evaluation,
        -- Figures of two versions are stored side by side only if they come from the same samples.
        base_accuracy = CASE WHEN its.samples = own.samples THEN its.accuracy END,
        mcnemar_p = CASE WHEN live IS NOT NULL AND its.samples = own.samples
                         THEN @extschema@.mcnemar_p(its.only_own_right, its.only_right) END,
        gate_decision = tw_run_gate.decision, gate_reason = tw_run_gate.reason
    WHERE m.version = candidate;

    -- The first version of its type has nothing to be compared with in production, and no version to take traffic from.
    -- One that is not in the object store yet waits: store_model_artifacts() makes it live.
    IF decision = 'passed' AND live IS NULL AND @extschema@.training_setting('auto_deploy') = 'on'
       AND @extschema@.tw_is_stored(candidate)
       AND @extschema@.tw_has_location(candidate) THEN
        -- Another version may have gone live while this one was scored.
        IF NOT EXISTS (SELECT FROM @extschema@.model_versions m
                       WHERE m.model_type = kind AND m.status = 'production') THEN
            PERFORM @extschema@.tw_make_live(candidate, 'the first of its type, and it passed the gate: ' || reason,
                NULL::jsonb, NULL::timestamptz, session_user::text);
        END IF;
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_run_gate(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_run_gate(text) IS
    'Scores a candidate and the live version on the current test set, stores every answer, decides, and sets the '
    'candidate''s status; the first version of a type that passes goes live while auto_deploy is on';

CREATE FUNCTION @extschema@.model_intent_scores(
    version text, evaluation_id bigint DEFAULT NULL,
    OUT intent text, OUT samples bigint, OUT answered bigint, OUT "precision" double precision,
    OUT recall double precision, OUT f1 double precision)
    RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT i.intent, i.samples, i.answered, i."precision", i.recall, i.f1
    FROM (SELECT array_agg(@extschema@.tw_resolve_intent(e.intent) ORDER BY e.id) AS labels,
                 array_agg(@extschema@.tw_resolve_intent(e.predicted_intent) ORDER BY e.id) AS answers,
                 array_agg(e.weight ORDER BY e.id) AS weights
          FROM @extschema@.model_versions m
          JOIN @extschema@.model_evaluations e
            ON e.version = m.version AND e.evaluation_id = coalesce(model_intent_scores.evaluation_id, m.evaluation_id)
          WHERE m.version = model_intent_scores.version
            AND (@extschema@.tw_require_version(model_intent_scores.version)).status IS NOT NULL) a,
         LATERAL @extschema@.tw_intent_scores(a.labels, a.answers, a.weights) i
    WHERE @extschema@.tw_sees_module(NULL::text, i.intent)
    ORDER BY i.samples DESC, i.intent COLLATE "C";
END;
REVOKE ALL ON FUNCTION @extschema@.model_intent_scores(text, bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.model_intent_scores(text, bigint) IS
    'Precision, recall and F1 of each intent, 0 to 1 and weighted, from the evaluation behind the figures of a '
    'version, or from the evaluation evaluation_id of that version (its successor''s, say; NULL: its own). samples is '
    'the number of labels, answered the number of answers. No row without an evaluation. Raises 42704 for an unknown '
    'version';

CREATE FUNCTION @extschema@.evaluate_model(version text, OUT gate_decision text, OUT gate_reason text)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $function$
BEGIN
    IF (@extschema@.tw_require_version(version)).status NOT IN ('candidate', 'rejected') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('model "%s" is not a candidate', @extschema@.tw_excerpt(version)),
            HINT = 'The gate decides about candidates and rejected versions only; compare_models() compares any two '
                   'versions, without a decision.';
    END IF;
    SELECT g.decision, g.reason INTO gate_decision, gate_reason FROM @extschema@.tw_run_gate(version) g;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.evaluate_model(text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.evaluate_model(text) IS
    'Takes the version, a candidate, through the gate again, on the current test set and against the current live '
    'version: for one that was undecided, or rejected before the target or the test set changed. A candidate that '
    'fails is rejected. Returns the gate''s decision (passed, failed or undecided) and its reason. Raises 42704 for an '
    'unknown version, 55000 for one that is no candidate, 55P03 where a lock is not free within 5 seconds';
