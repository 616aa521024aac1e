-- tw_person_tables(): where rows of a person are, for each table of the extension. export_user() is made of it; a test
-- fails when a table is missing here.

CREATE FUNCTION @extschema@.tw_person_tables(
    OUT relation text, OUT found_by text, OUT sorted_by text, OUT shown text, OUT left_out text[], OUT reason text)
    RETURNS SETOF record
    LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 45 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- found_by, sorted_by and shown are SQL about the row t; $1 are the conversations, $2 the samples, $3 the erasures
    -- of the person, $4 their texts. Without shown, all columns but those that are left out.
    WITH of_conversations (relation, sorted_by, left_out, reason) AS (VALUES
        ('blind_reviews', 't.conversation_log_id', NULL::text[], NULL::text),
        ('second_opinions', 't.conversation_log_id', '{first_reviewer,second_reviewer,third_reviewer}',
         'names of reviewers, who are other people'),
        ('paired_disagreements', 't.conversation_log_id, t.evaluation_id', NULL, NULL),
        ('paired_answers', 't.conversation_log_id, t.version', NULL, NULL),
        ('imported_conversations', 't.conversation_log_id', NULL, NULL),
        ('fleet_arrivals', 't.conversation_log_id', NULL, NULL)
    ), of_both (relation, sorted_by, left_out, reason) AS (VALUES
        ('review_events', 't.id', '{reviewer,session_role,calling_role}'::text[],
         'names of reviewers, who are other people'),
        ('review_claims', 't.id', '{reviewer}', 'the name of the reviewer, who is another person'),
        ('labelstudio_tasks', 't.id', NULL, NULL)
    ), of_samples (relation, sorted_by, left_out, reason) AS (VALUES
        ('model_evaluations', 't.id', NULL::text[], NULL::text),
        ('sample_import_lines', 't.import_id, t.line', NULL, NULL)
    ), nothing (relation, reason) AS (VALUES
        ('audit_chain', 'hashes of rows, in which nothing can be read, and notes of operators about the record'),
        ('audited_versions', 'about versions of models'),
        ('daily_statistics', 'counts of days'),
        ('erasures', 'the receipt of a finished one says the same; a running one deletes what is shown here'),
        ('erasure_rows', 'ids of rows that are shown themselves'),
        ('fleet_heartbeats', 'times'),
        ('fleet_replies', 'times, and versions of models'),
        ('fleet_rollout_steps', 'times'),
        ('imported_tables', 'about tables'),
        ('intent_aliases', 'names of intents'),
        ('labelstudio_projects', 'about projects'),
        ('model_artifacts', 'hashes of words, and weights; model_versions has those that learned from the person'),
        ('model_deployments', 'about versions of models'),
        ('paired_evaluations', 'figures of comparisons'),
        ('review_policies', 'rules of the filter'),
        ('role_modules', 'which modules roles see'),
        ('rollouts', 'about versions of models'),
        ('rollout_checks', 'figures of rollouts'),
        ('sample_imports', 'counts of imports'),
        ('training_settings', 'settings')
    )
    SELECT 'conversation_logs', 't.id = ANY ($1)', 't.id', NULL::text, NULL::text[], NULL::text
    UNION ALL
    SELECT 'training_samples', 't.id = ANY ($2)', 't.id', NULL, '{reviewed_by}',
           'the name of the reviewer, who is another person'
    UNION ALL
    SELECT c.relation, 't.conversation_log_id = ANY ($1)', c.sorted_by, NULL, c.left_out, c.reason
    FROM of_conversations c
    UNION ALL
    SELECT b.relation, 't.conversation_log_id = ANY ($1) OR t.sample_id = ANY ($2)', b.sorted_by, NULL, b.left_out,
           b.reason
    FROM of_both b
    UNION ALL
    SELECT s.relation, 't.sample_id = ANY ($2)', s.sorted_by, NULL, s.left_out, s.reason
    FROM of_samples s
    UNION ALL
    SELECT 'training_jobs', 't.pool && $1 OR t.test_samples && $2 OR EXISTS (SELECT FROM unnest($4) q '
           'WHERE strpos(concat_ws('' '', t.error_message, t.progress, t.parameters, t.result), q) > 0)', 't.id',
           'jsonb_build_object(''id'', t.id, ''model_type'', t.model_type, ''version'', t.version, '
           '''status'', t.status, ''created_at'', t.created_at, ''quotes'', (SELECT jsonb_agg(q) FROM unnest($4) q '
           'WHERE strpos(concat_ws('' '', t.error_message, t.progress, t.parameters, t.result), q) > 0), '
           '''conversations'', (SELECT jsonb_agg(i) FROM unnest(t.pool) i WHERE i = ANY ($1)), '
           '''test_samples'', (SELECT jsonb_agg(i) FROM unnest(t.test_samples) i WHERE i = ANY ($2)), '
           '''predictions'', (SELECT jsonb_agg(p) FROM jsonb_array_elements(t.handed_in -> ''predictions'') p '
           'WHERE (p ->> ''sample_id'')::bigint = ANY ($2) OR -(p ->> ''sample_id'')::bigint = ANY ($1)))',
           NULL, 'rows of other people, and the worker'
    UNION ALL
    SELECT 'job_runs', 'EXISTS (SELECT FROM unnest($4) q '
           'WHERE strpos(concat_ws('' '', t.error_message, t.details), q) > 0)', 't.id',
           'jsonb_build_object(''id'', t.id, ''job_name'', t.job_name, ''started_at'', t.started_at, '
           '''error_code'', t.error_code, ''quotes'', (SELECT jsonb_agg(q) FROM unnest($4) q '
           'WHERE strpos(concat_ws('' '', t.error_message, t.details), q) > 0))',
           NULL, 'the rest of the message, which may quote other people'
    UNION ALL
    SELECT 'training_export_jobs',
           't.id IN (SELECT x FROM @extschema@.tw_exports_with($2, NULL::bigint) x)', 't.id', NULL,
           '{requested_by,backend_pid,backend_start}',
           'the name of the operator, who is another person, and a process'
    UNION ALL
    SELECT 'model_versions', 't.version IN (SELECT l.version FROM @extschema@.tw_learned_from($2) l)',
           't.created_at, t.version',
           'jsonb_build_object(''version'', t.version, ''model_type'', t.model_type, ''status'', t.status, '
           '''created_at'', t.created_at, ''retired_at'', t.retired_at)', NULL, 'figures of the model'
    UNION ALL
    SELECT 'labelstudio_erasures', 't.erasure_id = ANY ($3) AND t.deleted_at IS NULL', 't.id', NULL, NULL, NULL
    UNION ALL
    SELECT 'erasure_exports', 't.erasure_id = ANY ($3)', 't.erasure_id, t.export_id', NULL, NULL, NULL
    UNION ALL
    SELECT 'erasure_models', 't.erasure_id = ANY ($3)', 't.erasure_id, t.version', NULL, NULL, NULL
    UNION ALL
    SELECT 'erasure_receipts', 't.erasure_id = ANY ($3)', 't.id', NULL, '{requested_by,session_role}',
           'names of operators, who are other people'
    UNION ALL
    SELECT n.relation, NULL, NULL, NULL, NULL, n.reason FROM nothing n;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_person_tables() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_person_tables() IS
    'The tables of the extension: how the rows of a person are found in each, what is shown of a row, which columns '
    'are left out, and why; found_by is NULL for a table that has nothing of a person';
