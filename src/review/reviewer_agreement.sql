-- reviewer_agreement(): how far people agree about the same message, from second opinions.
--
-- Cohen's kappa (Educational and Psychological Measurement 20, 1960, 37-46) is the agreement beyond chance:
--
--   kappa = (po - pe) / (1 - pe)      po: fraction of pairs that agree
--                                     pe: sum over labels of (fraction of the first) * (fraction of the second)
--
-- Its interval is Wilson's for po, carried through that formula with pe as known, which is what Cohen's standard error
-- does; unlike the standard error it is not 0 where all pairs agree. test/bench/kappa.py measures how often it holds
-- kappa. For an intent, the labels are "this intent" and "another", and all pairs count; for a reviewer, the first
-- label is that of the reviewer. Only the first two people of a conversation count: a third is asked where these
-- differ, which is no random part.

CREATE FUNCTION @extschema@.tw_kappa(first text[], second text[],
    OUT kappa double precision, OUT kappa_lower double precision, OUT kappa_upper double precision, OUT reason text)
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH pair AS (
        SELECT p.a, p.b FROM unnest(first, second) AS p (a, b)
    ), side AS (
        SELECT x.label, sum(x.a) AS a, sum(x.b) AS b
        FROM (SELECT p.a AS label, 1 AS a, 0 AS b FROM pair p UNION ALL SELECT p.b, 0, 1 FROM pair p) x
        GROUP BY x.label
    ), figures AS (
        SELECT n.n, (SELECT count(*) FROM pair p WHERE p.a = p.b) / n.n AS po,
               (SELECT sum(s.a * s.b) FROM side s)::double precision / n.n ^ 2 AS pe
        FROM (SELECT count(*)::double precision AS n FROM pair) n WHERE n.n > 0
    )
    SELECT CASE WHEN r.reason IS NULL THEN (f.po - f.pe) / (1 - f.pe) END,
           CASE WHEN r.reason IS NULL THEN (w.lower - f.pe) / (1 - f.pe) END,
           CASE WHEN r.reason IS NULL THEN (w.upper - f.pe) / (1 - f.pe) END, r.reason
    FROM (SELECT) one
    LEFT JOIN figures f ON true
    CROSS JOIN LATERAL (SELECT CASE
        WHEN coalesce(f.n, 0) < 20 THEN format('%s pairs: fewer than 20', coalesce(f.n, 0))
        WHEN f.pe > 1 - 1e-9 THEN 'all gave one label: nothing is beyond chance' END AS reason) r
    CROSS JOIN LATERAL @extschema@.tw_wilson(f.po, f.n) w;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_kappa(text[], text[]) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_kappa(text[], text[]) IS
    'Cohen''s kappa of pairs of labels with its 95 % interval; NULL, with the reason, for fewer than 20 pairs and '
    'where there is only one label';

CREATE FUNCTION @extschema@.reviewer_agreement(
    from_date date DEFAULT NULL, to_date date DEFAULT NULL,
    OUT scope text, OUT reviewer text, OUT intent text, OUT opinions bigint, OUT agreed bigint,
    OUT agreement double precision, OUT kappa double precision, OUT kappa_lower double precision,
    OUT kappa_upper double precision, OUT reason text, OUT differences jsonb)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF from_date > to_date THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('the period begins on %s, after its end on %s', from_date, to_date),
            HINT = 'Both days belong to the period; NULL stands for no limit.';
    END IF;
    RETURN QUERY
    WITH pair AS MATERIALIZED (
        SELECT o.first_reviewer, o.second_reviewer, o.first_label, o.second_label, o.agrees
        FROM @extschema@.second_opinions o
        CROSS JOIN LATERAL (SELECT (o.asked_at AT TIME ZONE @extschema@.training_setting('time_zone'::text))::date
                                AS day) d
        WHERE o.agrees IS NOT NULL
          AND (@extschema@.tw_sees_all_modules() OR @extschema@.tw_sees_conversation(o.conversation_log_id))
          AND d.day BETWEEN coalesce(from_date, '-infinity') AND coalesce(to_date, 'infinity')
    ), seen AS (
        SELECT 'total' AS scope, NULL::text AS reviewer, NULL::text AS intent, p.first_label AS a, p.second_label AS b,
               p.first_label AS k_a, p.second_label AS k_b, p.agrees, true AS counts
        FROM pair p
        UNION ALL
        SELECT 'reviewer', p.first_reviewer, NULL, p.first_label, p.second_label, p.first_label, p.second_label,
               p.agrees, true
        FROM pair p
        UNION ALL
        SELECT 'reviewer', p.second_reviewer, NULL, p.second_label, p.first_label, p.second_label, p.first_label,
               p.agrees, true
        FROM pair p
        UNION ALL
        SELECT 'intent', NULL, l.label, p.first_label, p.second_label,
               CASE WHEN p.first_label = l.label THEN 'this' ELSE 'another' END,
               CASE WHEN p.second_label = l.label THEN 'this' ELSE 'another' END,
               p.agrees, l.label IN (p.first_label, p.second_label)
        FROM pair p, (SELECT q.first_label AS label FROM pair q UNION SELECT q.second_label FROM pair q) l
    ), difference AS (
        SELECT s.scope, s.reviewer, s.intent, s.a, s.b, count(*) AS n
        FROM seen s WHERE NOT s.agrees AND s.counts GROUP BY s.scope, s.reviewer, s.intent, s.a, s.b
    ), row_of AS (
        SELECT s.scope, s.reviewer, s.intent, count(*) FILTER (WHERE s.counts) AS opinions,
               count(*) FILTER (WHERE s.counts AND s.agrees) AS agreed, array_agg(s.k_a) AS k_a, array_agg(s.k_b) AS k_b
        FROM seen s GROUP BY s.scope, s.reviewer, s.intent
    )
    SELECT r.scope, r.reviewer, r.intent, r.opinions, r.agreed, r.agreed::double precision / r.opinions,
           k.kappa, k.kappa_lower, k.kappa_upper, k.reason,
           coalesce((SELECT jsonb_agg(jsonb_build_object('first', d.a, 'second', d.b, 'count', d.n)
                                      ORDER BY d.n DESC, d.a COLLATE "C", d.b COLLATE "C")
                     FROM difference d
                     WHERE (d.scope, d.reviewer, d.intent) IS NOT DISTINCT FROM (r.scope, r.reviewer, r.intent)), '[]')
    FROM row_of r
    CROSS JOIN LATERAL @extschema@.tw_kappa(r.k_a, r.k_b) k
    ORDER BY array_position('{total,reviewer,intent}'::text[], r.scope), r.reviewer COLLATE "C", r.intent COLLATE "C";
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.reviewer_agreement(date, date) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.reviewer_agreement(date, date) IS
    'How far people agree about the same message, from the second opinions asked for from from_date to to_date (both '
    'included, NULL = open, days in the time zone of the settings). scope is total, reviewer or intent: one row for '
    'all pairs of verdicts, one for each reviewer (first is then this reviewer''s label), and one for each label that '
    'anybody gave (intent; (unclear) and (no-such-intent) for rejections). opinions: pairs, for an intent those in '
    'which either person gave it; agreed: those with two equal labels; agreement: their fraction. kappa is Cohen''s '
    '(Educational and Psychological Measurement 20, 1960) with its 95 % interval, kappa_lower and kappa_upper; for an '
    'intent, of this label against all others in all pairs. It is NULL, and reason says why, for fewer than 20 pairs '
    'and where there is only one label. differences: [{"first", "second", "count"}, ...], most frequent first. '
    'Raises 22023 for a period that ends before it begins';
