-- The evidence of a paired evaluation.
--
-- Where two versions agree, neither is better. Their difference in accuracy over all messages is therefore the fraction
-- of disagreements times the mean of d over disagreements. d is 1 if only the challenger is right, -1 if only the live
-- version is, and 0 if neither is. A message that was drawn with probability p has the weight p_min / p, with p_min the
-- smallest such probability. x = d p_min / p lies between -1 and 1; its mean over all disagreements has the sign of the
-- mean of d.
--
-- If the challenger is no better, a bettor who stakes the fraction k of their wealth on each x has a wealth of prod(1 +
-- k x). This is a supermartingale of mean 1, and so is its mean over any distribution of k in (0, 1). By Ville's
-- inequality (1939) it ever reaches 20 with probability at most 1/20, however often it is checked and whenever one
-- stops (Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, Journal of the Royal
-- Statistical Society B 86, 2024). The evidence for worse uses -x. The evidence for a loss below the margin uses d +
-- margin / fraction of disagreements. The distribution is uniform on 0.02, 0.04, ..., 0.98.

CREATE FUNCTION @extschema@.paired_evidence(outcomes double precision[]) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- exp(700) is close to the largest double; avg() squares its input.
    SELECT coalesce(sum(exp(greatest(least(w.log_wealth, 700), -700))) / 49, 1)
    FROM (SELECT sum(ln(1 + k * 0.02::double precision * greatest(-1, least(1, x)))) AS log_wealth
          FROM generate_series(1, 49) AS k, unnest(outcomes) AS x
          WHERE x IS NOT NULL
          GROUP BY k) w;
END;
REVOKE ALL ON FUNCTION @extschema@.paired_evidence(double precision[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.paired_evidence(double precision[]) IS
    'Evidence (an e-value) that outcomes between -1 and 1 have a mean above 0; larger ones are cut, and NULLs left '
    'out. If they have not, it reaches 20 at any check with probability at most 5 %. A mixture of bets (Waudby-Smith '
    'and Ramdas, JRSS B 86, 2024); the order of the outcomes does not matter; 1 without outcomes. Raises no error of '
    'its own';

CREATE FUNCTION @extschema@.tw_paired_outcomes(
    evaluation bigint, OUT conversation_log_id bigint, OUT outcome double precision, OUT weight double precision)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- Only blind choices count: a verdict given before, or with the answer in sight, favours the live version. The
    -- newest verdict counts; unclear and withdrawn ones do not.
    SELECT d.conversation_log_id,
           CASE WHEN v.action <> 'reject' THEN
               (@extschema@.tw_resolve_intent(d.challenger_intent) IS NOT DISTINCT FROM v.intent)::integer
               - (@extschema@.tw_resolve_intent(d.live_intent) IS NOT DISTINCT FROM v.intent)::integer
                ELSE 0 END::double precision,
           p.approved_rate / d.probability
    FROM @extschema@.paired_evaluations p
    JOIN @extschema@.paired_disagreements d ON d.evaluation_id = p.id AND d.asked_at IS NOT NULL
    CROSS JOIN LATERAL (SELECT e.action, @extschema@.tw_resolve_intent(e.intent) AS intent,
                               e.reject_reason FROM @extschema@.review_events e
                        WHERE e.conversation_log_id = d.conversation_log_id AND @extschema@.tw_is_persons_word(e.action)
                        ORDER BY e.id DESC LIMIT 1) v
    WHERE p.id = evaluation AND v.action <> 'withdraw' AND v.reject_reason IS DISTINCT FROM 'unclear'
      AND EXISTS (SELECT FROM @extschema@.review_events b
                  WHERE b.conversation_log_id = d.conversation_log_id AND b.action IN ('fix', 'reject')
                    AND b.review_reason = 'model disagreement');
END;
REVOKE ALL ON FUNCTION @extschema@.tw_paired_outcomes(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_paired_outcomes(bigint) IS
    'People''s decisions about the disagreements of an evaluation: 1 only the challenger is right, -1 only the live '
    'version, 0 neither; weight is p_min / p (see the top of this file)';

CREATE FUNCTION @extschema@.tw_weigh_evidence(evaluation bigint) RETURNS @extschema@.paired_evaluations
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- The interval of a weighted mean, with one more outcome of each sign, so that its width is never 0.
    WITH outcomes AS (
        SELECT coalesce(array_agg(o.outcome * o.weight), '{}') AS x, count(*)::integer AS labels,
               sum(o.outcome * o.weight) / nullif(sum(o.weight), 0) AS mean,
               (sum((o.outcome * o.weight) ^ 2) + 2) / nullif(sum(o.weight) + 2, 0) ^ 2 AS square,
               sum(o.weight) + 2 AS weight
        FROM @extschema@.tw_paired_outcomes(evaluation) o
    )
    UPDATE @extschema@.paired_evaluations p
    SET labels = o.labels, better_evidence = @extschema@.paired_evidence(o.x),
        worse_evidence = @extschema@.paired_evidence(ARRAY(SELECT - v FROM unnest(o.x) AS v)),
        difference = s.fraction * o.mean,
        difference_lower = s.fraction
            * greatest(-1, o.mean - 1.96 * sqrt(greatest(o.square - o.mean ^ 2 / o.weight, 0))),
        difference_upper = s.fraction
            * least(1, o.mean + 1.96 * sqrt(greatest(o.square - o.mean ^ 2 / o.weight, 0)))
    FROM outcomes o, @extschema@.paired_evaluations q,
         LATERAL (SELECT q.disagreements::double precision / nullif(q.messages, 0) AS fraction) s
    WHERE q.id = evaluation AND p.id = q.id
    RETURNING p.*;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_weigh_evidence(bigint) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_weigh_evidence(bigint) IS
    'Updates the labels, difference and evidence of an evaluation, and returns it';

CREATE FUNCTION @extschema@.tw_labels_needed(p @extschema@.paired_evaluations) RETURNS integer
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    max_labels CONSTANT integer := @extschema@.training_setting('paired_max_labels');
    growth double precision;
BEGIN
    -- Extrapolates the labels so far, with one more of each sign: the evidence of the best bet grows by this factor
    -- with each label.
    SELECT max(g.growth) INTO growth
    FROM (SELECT avg(ln(1 + side * k * 0.02::double precision * o.x)) AS growth
          FROM generate_series(1, 49) k, (VALUES (1), (-1)) s (side),
               (SELECT r.outcome * r.weight AS x FROM @extschema@.tw_paired_outcomes(p.id) r UNION ALL
                VALUES (1), (-1)) o
          GROUP BY k, side) g;
    -- 60 instead of 20: the best bet is not known beforehand.
    RETURN greatest(1, least(max_labels - p.labels, CASE WHEN growth > 0.001 THEN ceil(
        ln(60 / greatest(p.better_evidence, p.worse_evidence, 1)) / growth) ELSE max_labels END));
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_labels_needed(@extschema@.paired_evaluations) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_labels_needed(@extschema@.paired_evaluations) IS
    'Expected number of labels that a running evaluation still needs, extrapolated from those so far; at most what '
    'paired_max_labels leaves';

CREATE FUNCTION @extschema@.tw_paired_decision(p @extschema@.paired_evaluations, OUT decision text, OUT reason text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    max_labels CONSTANT integer := @extschema@.training_setting('paired_max_labels');
    margin CONSTANT double precision := @extschema@.training_setting('paired_margin');
    fraction CONSTANT double precision := p.disagreements::double precision / nullif(p.messages, 0);
    slack CONSTANT double precision := margin / nullif(fraction, 0);
    is_close boolean;
BEGIN
    IF p.better_evidence >= 20 OR p.worse_evidence >= 20 THEN
        decision := CASE WHEN p.better_evidence >= 20 THEN 'better' ELSE 'worse' END;
    ELSIF p.disagreements = 0 AND (1 - margin) ^ p.messages <= 0.05 THEN
        -- If more than the margin of all messages were answered differently, this many without a disagreement would
        -- occur in at most one case in twenty.
        decision := 'undecided';
        reason := format('both gave the same answer to all of %s messages: there is no gain over %s', p.messages,
            p.live_version);
        RETURN;
    ELSIF p.labels >= max_labels THEN
        -- With the margin added, x is divided by its new maximum, so that it lies between -1 and 1 again.
        is_close := slack >= 1 OR @extschema@.paired_evidence(ARRAY(SELECT (o.outcome + slack) * o.weight / (1 + slack)
                                                                    FROM @extschema@.tw_paired_outcomes(p.id) o)) >= 20;
        decision := CASE WHEN is_close THEN 'non-inferior' ELSE 'undecided' END;
    ELSE
        RETURN;
    END IF;
    reason := format('%s on %s messages, %s of them answered differently and %s of those judged: %s points (%s to %s), '
                     'evidence %s to 1%s',
        CASE decision WHEN 'better' THEN 'better than ' || p.live_version
             WHEN 'worse' THEN 'worse than ' || p.live_version
             WHEN 'non-inferior' THEN format('at most %s points worse than %s', round(100 * margin::numeric, 2),
                                             p.live_version)
             ELSE format('not shown to be better than %s, nor close to it', p.live_version) END,
        p.messages, p.disagreements, p.labels, to_char(100 * p.difference, 'FMSG990.0'),
        to_char(100 * p.difference_lower, 'FMSG990.0'), to_char(100 * p.difference_upper, 'FMSG990.0'),
        round(least(greatest(p.better_evidence, p.worse_evidence), 1e9)::numeric, 1),
        CASE WHEN decision IN ('non-inferior', 'undecided') THEN format(' after %s labels', max_labels) ELSE '' END);
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_paired_decision(@extschema@.paired_evaluations) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_paired_decision(@extschema@.paired_evaluations) IS
    'The decision that the evidence allows: better or worse; at paired_max_labels also non-inferior or undecided; '
    'NULL while there is not enough';
