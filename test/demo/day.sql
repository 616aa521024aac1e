-- day.sql: a day of a rollout, number :day. Included by demo.sql.
--
-- 600 sessions of one to three messages, each answered by the version that assign_model_version() gives it; where that
-- is not sure, by a fallback that is right in four cases of five. Every message is one of demo_conversations.
SELECT :'day_1'::timestamptz + (:day - 1) * interval '1 day' AS began \gset
SET ROLE chatbot;
INSERT INTO conversation_logs (session_id, user_message, message_language, nlu_intent, nlu_confidence, nlu_module_type,
                               nlu_module_id, nlu_provider, nlu_model_version, nlu_processing_time_ms,
                               response_success, created_at)
SELECT s.session_id, a.user_message, a.message_language,
       CASE WHEN f.is_right IS NULL THEN a.intent WHEN f.is_right THEN a.true_intent END, a.confidence,
       a.module_type, a.module_id, CASE WHEN f.is_right IS NULL THEN 'indicbert' ELSE 'llm' END, a.version,
       20 + g % 30, CASE WHEN f.is_right IS NULL THEN a.intent = a.true_intent ELSE f.is_right END,
       :'began'::timestamptz + (s.n * 2.3 + g) * interval '1 minute'
FROM (SELECT n, format('day %s, session %s', :day, n) AS session_id FROM generate_series(1, 600) n) s
CROSS JOIN LATERAL generate_series(1, 1 + s.n % 3) g
JOIN (SELECT x.*, row_number() OVER (PARTITION BY x.version ORDER BY x.user_message, x.true_intent) AS number,
             count(*) OVER (PARTITION BY x.version) AS size
      FROM answers x) a
  ON a.version = assign_model_version('router', s.session_id)
      AND a.number = 1 + (s.n * 37 + g * 101 + :day * 53) % a.size
CROSS JOIN LATERAL (SELECT CASE WHEN a.confidence < 0.5 THEN (s.n + g) % 5 > 0 END AS is_right) f;
RESET ROLE;
-- Reviewers do what the audit drew.
\o /dev/null
SELECT CASE WHEN a.true_intent = c.nlu_intent THEN approve_conversation(c.id, 'as predicted', 'demo reviewer')
            ELSE fix_conversation(c.id, a.true_intent, NULL, NULL, 'demo reviewer') END
FROM conversation_logs c
JOIN answers a ON a.user_message = c.user_message AND a.version = c.nlu_model_version
WHERE c.is_audit AND c.review_priority IS NOT NULL AND c.created_at >= :'began';
\o
CALL check_rollouts(at => :'began'::timestamptz + interval '24 hours');
SELECT :day AS day, k.traffic_percentage AS percent, k.canary_units AS canary,
       k.production_units AS production, k.verdict,
       (SELECT string_agg(format('%s %s / %s', m ->> 'metric', round((m ->> 'canary')::numeric, 3),
                                 round((m ->> 'production')::numeric, 3)), ', ')
        FROM jsonb_array_elements(k.metrics) m WHERE m ->> 'kind' = 'guardrail') AS "canary / production"
FROM rollout_checks k ORDER BY k.id DESC LIMIT 1;
