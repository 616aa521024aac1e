-- check_integrity(): checks for what foreign keys would guarantee (a parallel restore would lose rows to them), and for
-- additions to our tables that no dump contains.

CREATE FUNCTION @extschema@.tw_table_objects(
    OUT table_id oid, OUT object_kind text, OUT object_name text, OUT state text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH objects (table_id, object_kind, object_name, state) AS (
        SELECT a.attrelid, 'column', a.attname::text, '' FROM pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT i.indrelid, 'index', c.relname::text, CASE WHEN i.indisvalid THEN 'valid' ELSE 'invalid' END
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        UNION ALL
        -- NOT NULL is part of its column; PostgreSQL 18 lists it as a constraint as well.
        SELECT k.conrelid, 'constraint', k.conname::text, '' FROM pg_constraint k WHERE k.contype NOT IN ('n', 't')
        UNION ALL
        SELECT t.tgrelid, 'trigger', t.tgname::text,
               CASE t.tgenabled WHEN 'A' THEN 'always' WHEN 'R' THEN 'replica' WHEN 'O' THEN 'enabled' ELSE 'off' END
        FROM pg_trigger t WHERE NOT t.tgisinternal
    )
    SELECT o.table_id, o.object_kind, o.object_name, o.state
    FROM pg_extension e
    JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
        AND d.classid = 'pg_class'::regclass
    JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'r'
    JOIN objects o ON o.table_id = c.oid
    WHERE e.extname = 'training_workflow';
END;
REVOKE ALL ON FUNCTION @extschema@.tw_table_objects() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_table_objects() IS
    'The columns, indexes, constraints and triggers of the extension''s tables, and the state of indexes and triggers';

-- The catalogs record which tables belong to the extension, but not which of their columns, indexes, constraints and
-- triggers. When this script has just made the tables, all of them do: a function with their list is created now.
DO $inventory$
DECLARE
    own text := (
        SELECT string_agg(format('(%L::regclass, %L, %L, %L::text[])',
                                 o.table_id::regclass, o.object_kind, o.state, o.names), ', '
                          ORDER BY o.table_id::regclass::text COLLATE "C", o.object_kind, o.state)
        FROM (SELECT t.table_id, t.object_kind, t.state, array_agg(t.object_name ORDER BY t.object_name) AS names
              FROM @extschema@.tw_table_objects() t
              -- An event trigger of another role may have added a trigger to a new table.
              WHERE (t.object_kind <> 'trigger' OR EXISTS (
                  SELECT FROM pg_trigger g
                  JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = g.tgfoid AND d.deptype = 'e'
                  WHERE g.tgrelid = t.table_id AND g.tgname = t.object_name))
                -- What people had added before an update (upgrade/begin.sql).
                AND NOT coalesce(current_setting('tw_update.added', true)::jsonb @> jsonb_build_array(
                    jsonb_build_object('table', t.table_id, 'kind', t.object_kind, 'name', t.object_name)), false)
              GROUP BY t.table_id, t.object_kind, t.state) o);
BEGIN
    EXECUTE $function$
        CREATE FUNCTION @extschema@.tw_own_objects(
            OUT table_id oid, OUT object_kind text, OUT object_name text, OUT state text)
            RETURNS SETOF record
            LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
        BEGIN ATOMIC
            SELECT o.table_id, o.object_kind, n, o.state
            FROM (VALUES $function$ || own || $function$) o (table_id, object_kind, state, names), unnest(o.names) n;
        END$function$;
END
$inventory$;
REVOKE ALL ON FUNCTION @extschema@.tw_own_objects() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_own_objects() IS
    'What tw_table_objects() returned when the extension was created: the objects that belong to the extension''s '
    'tables';

CREATE FUNCTION @extschema@.tw_structure_problems(
    OUT problem text, OUT relation text, OUT found bigint, OUT example text, OUT hint text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH own AS (
        SELECT * FROM @extschema@.tw_own_objects()
    ), compared AS (
        SELECT table_id::regclass AS relation, object_kind, object_name, o.state AS right_state,
               o.table_id IS NULL AS is_foreign, p.table_id IS NULL AS is_missing,
               -- pg_restore --disable-triggers changes ENABLE ALWAYS triggers to plain ENABLE.
               p.state IS DISTINCT FROM o.state AND p.state <> 'always' AS is_disabled
        FROM @extschema@.tw_table_objects() p
        FULL JOIN own o USING (table_id, object_kind, object_name)
    )
    SELECT CASE WHEN c.is_foreign THEN 'foreign ' WHEN c.is_missing THEN 'missing ' ELSE 'disabled ' END
           || c.object_kind, c.relation::text, 1::bigint, c.object_name,
           CASE WHEN c.is_foreign AND c.object_kind = 'column'
                THEN 'A restore of a dump will fail on this column: keep the data in a table of your own, or in '
                     'metadata, and drop it.'
                WHEN c.is_foreign AND c.object_kind = 'trigger' AND NOT EXISTS (
                    SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
                    WHERE t.tgrelid = c.relation AND t.tgname = c.object_name
                      AND EXISTS (SELECT FROM unnest(p.proconfig) k WHERE k LIKE 'search_path=%'))
                THEN 'It runs with the owner''s rights when an application captures: give its function SET search_path '
                     '= pg_catalog, <schemas>, pg_temp. And pg_dump does not carry it: keep its definition.'
                WHEN c.is_foreign
                THEN 'pg_dump does not carry it: keep its definition where you can run it again after a restore.'
                WHEN c.is_missing
                THEN 'The extension needs it: restore it from the install script of this version.'
                WHEN c.object_kind = 'trigger'
                THEN format('ALTER TABLE %s ENABLE %sTRIGGER %I;%s', c.relation,
                            CASE c.right_state WHEN 'always' THEN 'ALWAYS ' WHEN 'replica' THEN 'REPLICA ' ELSE '' END, c.object_name,
                            CASE c.relation WHEN '@extschema@.conversation_logs'::regclass
                            THEN ' and then SELECT * FROM promote_missed_conversations(); for what came in since'
                            ELSE '' END)
                ELSE format('REINDEX INDEX %I; it is not valid.', c.object_name)
           END
    FROM compared c
    WHERE c.is_foreign OR c.is_missing OR c.is_disabled
    UNION ALL
    SELECT 'foreign parent or child', i.inhrelid::regclass::text, 1, i.inhparent::regclass::text,
           'pg_dump does not carry it, and rows that come by way of a parent are promoted by the sweep only: ALTER '
           'TABLE ... NO INHERIT or DETACH PARTITION.'
    FROM pg_inherits i
    WHERE i.inhrelid IN (SELECT own.table_id FROM own) OR i.inhparent IN (SELECT own.table_id FROM own)
    UNION ALL
    SELECT 'different owner', o.oid::regclass::text, 1, pg_get_userbyid(o.relowner),
           format('Promotion writes as the owner of conversation_logs: ALTER TABLE %s OWNER TO %I;', o.oid::regclass,
                  pg_get_userbyid(l.relowner))
    FROM pg_class o, pg_class l
    WHERE o.oid IN (SELECT own.table_id FROM own) AND l.oid = '@extschema@.conversation_logs'::regclass
      AND o.relowner <> l.relowner
    UNION ALL
    SELECT g.problem, '@extschema@.conversation_logs'::regclass::text, 1, g.name,
           format('%s: ALTER EVENT TRIGGER %I ENABLE ALWAYS;', g.without_it, g.name)
    FROM (VALUES ('disabled drop guard', 'training_workflow_drop_guard',
                  'DROP EXTENSION would delete every conversation'),
                 ('disabled name guard', 'training_workflow_name_guard',
                  'Functions of other roles can be called instead of its own')) AS g (problem, name, without_it)
    WHERE NOT EXISTS (SELECT FROM pg_event_trigger e WHERE e.evtname = g.name AND e.evtenabled = 'A')
    ORDER BY 2, 1, 4;
END;
REVOKE ALL ON FUNCTION @extschema@.tw_structure_problems() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_structure_problems() IS
    'The part of check_integrity() that checks the catalogs: one row for each object that is foreign, missing or '
    'disabled';

CREATE FUNCTION @extschema@.tw_sequence_problems(
    OUT problem text, OUT relation text, OUT found bigint, OUT example text, OUT hint text)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    q record;
    highest bigint;
    given bigint;
BEGIN
    FOR q IN
        SELECT s.oid::regclass AS sequence_id, a.attrelid::regclass AS table_id, a.attname
        FROM pg_extension e
        JOIN pg_depend m ON m.refclassid = 'pg_extension'::regclass AND m.refobjid = e.oid AND m.deptype = 'e'
            AND m.classid = 'pg_class'::regclass
        JOIN pg_class s ON s.oid = m.objid AND s.relkind = 'S'
        -- The column that uses the sequence: as identity, or by OWNED BY.
        JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.refclassid = 'pg_class'::regclass
            AND d.deptype IN ('i', 'a')
        JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE e.extname = 'training_workflow'
          -- Rows of the hub come with their ids, and nobody else inserts any.
          AND NOT (@extschema@.tw_fleet_role() = 'node'
                   AND a.attrelid IN (SELECT @extschema@.tw_fleet_tables('hub'::text)))
        ORDER BY 2, 1
    LOOP
        IF q.table_id = '@extschema@.conversation_logs'::regclass AND @extschema@.tw_fleet_node() IS NOT NULL THEN
            highest := @extschema@.tw_fleet_last_id(@extschema@.tw_fleet_node());
        ELSE
            EXECUTE format('SELECT max(%I) FROM %s', q.attname, q.table_id) INTO highest;
        END IF;
        -- pg_sequence_last_value() says nothing of a sequence that was restarted and not called yet.
        EXECUTE format('SELECT s.last_value - CASE WHEN s.is_called THEN 0 ELSE 1 END FROM %s s', q.sequence_id)
        INTO given;
        IF highest > given THEN
            -- Causes: an import with ids, the promotion of a subscriber, or a failed restore that set the sequence
            -- back.
            RETURN QUERY SELECT 'sequence behind its table', q.table_id::text, 1::bigint, highest::text,
                format('The next INSERT would get an id that exists: SELECT setval(%L, %s);', q.sequence_id, highest);
        END IF;
    END LOOP;
END
$function$;
REVOKE ALL ON FUNCTION @extschema@.tw_sequence_problems() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.tw_sequence_problems() IS
    'The part of check_integrity() that checks sequences: one row for each that would return a number already in use';

CREATE FUNCTION @extschema@.check_integrity(
    OUT problem text, OUT relation text, OUT found bigint, OUT example text, OUT hint text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH problems (problem, relation, found, example, hint) AS (
        SELECT 'conversation not filtered', '@extschema@.conversation_logs'::regclass::text, count(*), min(c.id)::text,
               'Rows came in while triggers did not fire: SELECT * FROM promote_missed_conversations();'
        FROM @extschema@.conversation_logs c
        WHERE c.review_status IS NULL
        UNION ALL
        SELECT 'auto-approved conversation without a sample', '@extschema@.conversation_logs'::regclass::text, count(*),
               min(c.id)::text, 'See job_runs for the cause, then SELECT * FROM promote_missed_conversations(''0'');'
        FROM @extschema@.conversation_logs c
        WHERE c.review_status = 'auto-approved' AND c.filter_outcome = 'auto-approved' AND c.anonymised_at IS NULL
          AND NOT EXISTS (SELECT FROM @extschema@.training_samples s WHERE s.conversation_log_id = c.id)
          -- The hub makes the samples of its nodes, a moment after a conversation has arrived.
          AND @extschema@.tw_fleet_role() <> 'node'
          AND NOT EXISTS (SELECT FROM @extschema@.fleet_arrivals a WHERE a.conversation_log_id = c.id)
          -- The text exceeds a limit that was lowered since: the sweep makes no sample of it either.
          AND NOT @extschema@.tw_is_too_long(NULL::integer, c.user_message, c.nlu_intent, c.nlu_module_type,
              c.message_language, c.routed_to, c.nlu_entities)
        UNION ALL
        SELECT 'sample of a conversation that does not exist', '@extschema@.training_samples'::regclass::text, count(*),
               min(s.id)::text, 'The conversation was deleted and its sample was not: delete the sample, or set its '
                                'conversation_log_id to NULL.'
        FROM @extschema@.training_samples s
        WHERE s.conversation_log_id IS NOT NULL
          AND NOT EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id = s.conversation_log_id)
        UNION ALL
        SELECT 'live sample of a rejected conversation', '@extschema@.training_samples'::regclass::text, count(*),
               min(s.id)::text,
               'A model would learn what a person rejected: set the sample''s review_status to rejected.'
        FROM @extschema@.training_samples s
        JOIN @extschema@.conversation_logs c ON c.id = s.conversation_log_id
        WHERE s.review_status = 'approved' AND c.review_status IN ('rejected', 'not-applicable')
        UNION ALL
        SELECT 'approved conversation without a live sample', '@extschema@.conversation_logs'::regclass::text, count(*),
               min(c.id)::text, 'What a person approved is not learned: give the verdict again with '
                                'approve_conversation() or fix_conversation().'
        FROM @extschema@.conversation_logs c
        WHERE c.review_status = 'approved' AND c.filtered_at IS NOT NULL AND c.anonymised_at IS NULL
          AND NOT EXISTS (SELECT FROM @extschema@.training_samples s
                          WHERE s.conversation_log_id = c.id AND s.review_status = 'approved')
        UNION ALL
        SELECT 'verdict that is not in the events', '@extschema@.conversation_logs'::regclass::text, count(*),
               min(c.id)::text, 'review_status was changed by hand and counts in no estimate: give the verdict again '
                                'with approve_, fix_ or reject_conversation().'
        FROM @extschema@.conversation_logs c
        WHERE c.review_status IN ('approved', 'rejected') AND c.filtered_at IS NOT NULL
          AND c.review_status IS DISTINCT FROM (
              SELECT e.to_status FROM @extschema@.review_events e
              WHERE e.conversation_log_id = c.id AND @extschema@.tw_is_persons_word(e.action)
              ORDER BY e.id DESC LIMIT 1)
        UNION ALL
        SELECT 'event of a conversation that does not exist', '@extschema@.review_events'::regclass::text, count(*),
               min(e.id)::text, 'The conversation was deleted without its events.'
        FROM @extschema@.review_events e
        WHERE e.conversation_log_id IS NOT NULL
          AND NOT EXISTS (SELECT FROM @extschema@.conversation_logs c WHERE c.id = e.conversation_log_id)
        UNION ALL
        SELECT 'rejected sample in the queue', '@extschema@.training_samples'::regclass::text, count(*),
               min(s.id)::text, 'Nobody needs to review it: set its review_priority and review_reason to NULL.'
        FROM @extschema@.training_samples s
        WHERE s.review_priority IS NOT NULL AND s.review_status = 'rejected' AND s.review_reason <> 'verdict withdrawn'
        UNION ALL
        SELECT 'line of an import that does not exist', '@extschema@.sample_import_lines'::regclass::text, count(*),
               min(l.import_id)::text, 'sample_imports has no such row: restore it, or delete the lines.'
        FROM @extschema@.sample_import_lines l
        WHERE NOT EXISTS (SELECT FROM @extschema@.sample_imports i WHERE i.id = l.import_id)
        UNION ALL
        SELECT 'Label Studio task of an unknown project', '@extschema@.labelstudio_tasks'::regclass::text, count(*),
               min(t.id)::text, 'labelstudio_projects has no such project: restore its row, or delete the task''s.'
        FROM @extschema@.labelstudio_tasks t
        WHERE NOT EXISTS (SELECT FROM @extschema@.labelstudio_projects p WHERE p.id = t.project)
        UNION ALL
        SELECT 'unfinished task of a retired Label Studio project', '@extschema@.labelstudio_tasks'::regclass::text,
               count(*), min(t.id)::text,
               'Its verdict will not be collected, and its conversation is not served: UPDATE labelstudio_tasks SET '
               'status = ''closed'' for it.'
        FROM @extschema@.labelstudio_tasks t
        JOIN @extschema@.labelstudio_projects p ON p.id = t.project
        WHERE NOT p.is_active AND @extschema@.tw_task_holds(t.status)
        UNION ALL
        SELECT 'Label Studio project of an unknown server', '@extschema@.labelstudio_projects'::regclass::text,
               count(*), min(p.id)::text, 'The foreign server was dropped or renamed: create it again under this name, '
                                          'or SELECT labelstudio_retire_project(...);'
        FROM @extschema@.labelstudio_projects p
        WHERE p.is_active AND NOT EXISTS (SELECT FROM pg_foreign_server f WHERE f.srvname = p.server_name)
        UNION ALL
        SELECT 'task of an erased row whose Label Studio server is gone',
               '@extschema@.labelstudio_erasures'::regclass::text, count(*), min(e.id)::text,
               'The project or its server was deleted here while the deletion waited: create it again under its name, '
               'or, when the task is gone, SELECT labelstudio_confirm_deleted(project);'
        FROM @extschema@.labelstudio_erasures e
        LEFT JOIN @extschema@.labelstudio_projects p ON p.id = e.project
        WHERE e.deleted_at IS NULL AND NOT EXISTS (SELECT FROM pg_foreign_server f WHERE f.srvname = p.server_name)
        UNION ALL
        SELECT 'task of an erased row that is still in Label Studio',
               '@extschema@.labelstudio_erasures'::regclass::text, count(*), min(e.id)::text,
               'Its deletion has waited for more than a day, or is of a retired project and failed: see last_error, '
               'and CALL labelstudio_sync(). If the project is gone there: SELECT labelstudio_confirm_deleted(project);'
        FROM @extschema@.labelstudio_erasures e
        JOIN @extschema@.labelstudio_projects p ON p.id = e.project
        JOIN pg_foreign_server f ON f.srvname = p.server_name
        WHERE e.deleted_at IS NULL
          AND (e.asked_at < now() - interval '1 day' OR NOT p.is_active AND e.last_error IS NOT NULL)
        UNION ALL
        SELECT 'sample learned by an unknown version', '@extschema@.training_samples'::regclass::text, count(*),
               min(s.id)::text, 'model_versions has no such version: restore its row, or set model_version_target to '
                                'NULL to train on the sample again.'
        FROM @extschema@.training_samples s
        WHERE s.model_version_target IS NOT NULL
          AND NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = s.model_version_target)
        UNION ALL
        SELECT 'version based on an unknown version', '@extschema@.model_versions'::regclass::text, count(*),
               min(m.version), 'model_versions has no such base_version: restore its row, or set base_version to NULL.'
        FROM @extschema@.model_versions m
        WHERE m.base_version IS NOT NULL
          AND NOT EXISTS (SELECT FROM @extschema@.model_versions b WHERE b.version = m.base_version)
        UNION ALL
        SELECT 'deployment of an unknown version', '@extschema@.model_deployments'::regclass::text, count(*),
               min(d.id)::text, 'model_versions has no such version: restore its row.'
        FROM @extschema@.model_deployments d
        WHERE NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = d.version)
        UNION ALL
        SELECT 'rollout of an unknown version', '@extschema@.rollouts'::regclass::text, count(*), min(r.id)::text,
               'model_versions has no such version or previous_version: restore its row.'
        FROM @extschema@.rollouts r
        WHERE NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = r.version)
           OR NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = r.previous_version)
        UNION ALL
        SELECT 'canary without a rollout', '@extschema@.model_versions'::regclass::text, count(*), min(m.version),
               'It has sessions and is not watched: restore its row of rollouts, or SELECT rollback_rollout(...) '
               'after that.'
        FROM @extschema@.model_versions m
        WHERE m.status = 'canary'
          AND NOT EXISTS (SELECT FROM @extschema@.rollouts r WHERE r.version = m.version AND r.status = 'running')
        UNION ALL
        SELECT 'rollout without a canary', '@extschema@.rollouts'::regclass::text, count(*), min(r.id)::text,
               'It is running, and its version is no canary: model_versions was changed by hand. UPDATE rollouts SET '
               'status = ''finished'', ended_at = now() for it.'
        FROM @extschema@.rollouts r
        WHERE r.status = 'running'
          AND NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = r.version AND m.status = 'canary')
        UNION ALL
        SELECT 'raised audit without a rollout', '@extschema@.audited_versions'::regclass::text, count(*),
               min(a.model_version), 'No rollout waits for its audit: DELETE FROM audited_versions for it.'
        FROM @extschema@.audited_versions a
        WHERE a.model_version <> '*' AND NOT EXISTS (SELECT FROM @extschema@.rollouts r
                          WHERE r.status IN ('running', 'watching')
                            AND a.model_version IN (r.version, r.previous_version))
        UNION ALL
        SELECT 'check of an unknown rollout', '@extschema@.rollout_checks'::regclass::text, count(*), min(c.id)::text,
               'rollouts has no such row: restore it, or delete the checks.'
        FROM @extschema@.rollout_checks c
        WHERE NOT EXISTS (SELECT FROM @extschema@.rollouts r WHERE r.id = c.rollout_id)
        UNION ALL
        SELECT 'paired evaluation of an unknown version', '@extschema@.paired_evaluations'::regclass::text, count(*),
               min(p.id)::text, 'model_versions has no such challenger or live_version: restore its row, or delete the '
                                'evaluation and its disagreements.'
        FROM @extschema@.paired_evaluations p
        WHERE NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = p.challenger)
           OR NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = p.live_version)
        UNION ALL
        SELECT 'unfinished erasure', '@extschema@.erasures'::regclass::text, count(*), min(e.id)::text,
               'It was interrupted more than a day ago, and rows of it are left: CALL finish_erasures();'
        FROM @extschema@.erasures e
        WHERE e.status = 'running' AND e.started_at < now() - interval '1 day'
          AND EXISTS (SELECT FROM @extschema@.erasure_rows r WHERE r.erasure_id = e.id)
        UNION ALL
        SELECT 'rows of an unknown erasure', '@extschema@.erasure_rows'::regclass::text, count(*),
               min(r.erasure_id)::text, 'erasures has no such row, and nobody erases them: restore it.'
        FROM @extschema@.erasure_rows r
        WHERE NOT EXISTS (SELECT FROM @extschema@.erasures e WHERE e.id = r.erasure_id)
        UNION ALL
        SELECT 'disagreement of an unknown evaluation', '@extschema@.paired_disagreements'::regclass::text, count(*),
               min(d.conversation_log_id)::text,
               'paired_evaluations has no such row: restore it, or delete the disagreements.'
        FROM @extschema@.paired_disagreements d
        WHERE NOT EXISTS (SELECT FROM @extschema@.paired_evaluations p WHERE p.id = d.evaluation_id)
        UNION ALL
        SELECT 'blind review without suggestions', '@extschema@.conversation_logs'::regclass::text, count(*),
               min(c.id)::text, 'It has no suggestions in blind_reviews to choose from: give the verdict '
                                'with fix_ or reject_conversation().'
        FROM @extschema@.conversation_logs c
        WHERE c.review_priority IS NOT NULL AND c.review_reason = 'model disagreement'
          AND NOT EXISTS (SELECT FROM @extschema@.blind_reviews b WHERE b.conversation_log_id = c.id)
        UNION ALL
        SELECT 'artifact of an unknown version', '@extschema@.model_artifacts'::regclass::text, count(*),
               min(a.version), 'model_versions has no such version: restore its row, or delete the artifact.'
        FROM @extschema@.model_artifacts a
        WHERE NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = a.version)
        UNION ALL
        SELECT 'damaged artifact', '@extschema@.model_artifacts'::regclass::text, count(*), min(a.version),
               'Its bytes do not have the SHA-256 of its row, and no session will load it: SELECT '
               'fetch_model_artifact(...) if it is in the object store, restore the row, or train again.'
        FROM @extschema@.model_artifacts a
        WHERE a.sha256 <> encode(sha256(a.bytes), 'hex') OR a.size_bytes <> octet_length(a.bytes)
        UNION ALL
        SELECT 'artifact that is not the stored one', '@extschema@.model_artifacts'::regclass::text, count(*),
               min(a.version), 'Its checksum is not that of the object that was verified in the store: SELECT '
                               'fetch_model_artifact(...);'
        FROM @extschema@.model_artifacts a JOIN @extschema@.model_versions m ON m.version = a.version
        WHERE m.artifact_stored_at IS NOT NULL AND a.sha256 <> m.artifact_sha256
        UNION ALL
        SELECT 'evaluation of an unknown version', '@extschema@.model_evaluations'::regclass::text, count(*),
               min(e.version), 'model_versions has no such version: restore its row, or delete its answers.'
        FROM @extschema@.model_evaluations e
        WHERE NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = e.version)
        UNION ALL
        SELECT 'training job of an unknown version', '@extschema@.training_jobs'::regclass::text, count(*),
               min(j.id)::text, 'model_versions has no such version: restore its row, or delete the job.'
        FROM @extschema@.training_jobs j
        WHERE j.version IS NOT NULL
          AND NOT EXISTS (SELECT FROM @extschema@.model_versions m WHERE m.version = j.version)
        UNION ALL
        SELECT 'version in training without a job', '@extschema@.model_versions'::regclass::text, count(*),
               min(m.version),
               'No job will finish it: UPDATE model_versions SET status = ''failed'' for it.'
        FROM @extschema@.model_versions m
        WHERE m.status = 'training'
          AND NOT EXISTS (SELECT FROM @extschema@.training_jobs j WHERE j.version = m.version
              AND j.status IN ('queued', 'running', 'handed-in'))
        UNION ALL
        SELECT 'former name of a former name', '@extschema@.intent_aliases'::regclass::text, count(*), min(a.alias),
               'It is looked up once only: UPDATE intent_aliases and set intent to the current name.'
        FROM @extschema@.intent_aliases a
        WHERE EXISTS (SELECT FROM @extschema@.intent_aliases n WHERE n.alias = a.intent)
        UNION ALL
        SELECT 'text in both splits', '@extschema@.training_samples'::regclass::text, count(*), min(s.id)::text,
               'A text that is tested on is learned from: set split of its samples to test.'
        FROM @extschema@.training_samples s
        WHERE s.split = 'train'
          AND EXISTS (SELECT FROM @extschema@.training_samples t WHERE t.text_hash = s.text_hash AND t.split = 'test')
    )
    SELECT p.problem, p.relation, p.found, p.example, p.hint FROM problems p WHERE p.found > 0
    UNION ALL
    SELECT s.problem, s.relation, s.found, s.example, s.hint FROM @extschema@.tw_sample_problems() s
    UNION ALL
    SELECT s.problem, s.relation, s.found, s.example, s.hint FROM @extschema@.tw_sequence_problems() s
    UNION ALL
    SELECT s.problem, s.relation, s.found, s.example, s.hint FROM @extschema@.tw_structure_problems() s
    UNION ALL
    SELECT s.problem, s.relation, s.found, s.example, s.hint FROM @extschema@.tw_schema_problems() s
    UNION ALL
    SELECT s.problem, s.relation, s.found, s.example, s.hint FROM @extschema@.tw_old_table_problems() s
    UNION ALL
    SELECT s.problem, s.relation, s.found, s.example, s.hint FROM @extschema@.tw_capture_problems() s
    UNION ALL
    SELECT s.problem, s.relation, s.found, s.example, s.hint FROM @extschema@.tw_fleet_problems() s
    UNION ALL
    SELECT l.* FROM @extschema@.tw_limit_problems() l
    UNION ALL
    SELECT 'audit trail: ' || v.finding, format('%s.%I', '@extschema@', v.relation)::regclass::text, v.found,
           v.examples[1]::text, format('%s. SELECT * FROM verify_audit();', v.detail)
    FROM @extschema@.verify_audit(NULL::text) v WHERE v.is_problem;
END;
REVOKE ALL ON FUNCTION @extschema@.check_integrity() FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.check_integrity() IS
    'One row for each kind of orphan or contradiction; for each column, index, constraint or trigger on the '
    'extension''s tables that is foreign (pg_dump would not dump it), missing or disabled; for what other roles may '
    'create, or have created, in its schema; for each imported table that got rows since its import, or that cannot be '
    'checked; for each problem that verify_audit() finds; for limits to modules that do not hold; and, of the last '
    'seven days, for conversations that came with a verdict and for an application that has the owner''s rights. found '
    'is the number of rows (of days, for capture with the owner''s rights), example the id or name of one, hint what '
    'to do. Empty when there is no problem. Raises no error of its own';
