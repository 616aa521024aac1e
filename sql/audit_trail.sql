-- The audit trail: rows of review_events and model_deployments are sealed after their commit, and verify_audit() finds
-- what was edited, removed or put in another order by somebody whom no trigger stops.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;

-- The newest form of each audited table covers every column: whoever adds a column adds a form.
SELECT f.relation, a.attname AS not_covered
FROM (SELECT DISTINCT ON (relation) * FROM tw_audit_forms() ORDER BY relation, form DESC) f
JOIN pg_attribute a ON a.attrelid = f.relation::regclass AND a.attnum > 0 AND NOT a.attisdropped
WHERE a.attname <> ALL (f.columns);
-- And the hash of an entry every column but its salt and the hashes that are made of it.
SELECT string_agg(a.attname, ', ' ORDER BY a.attnum) AS not_covered FROM pg_attribute a
WHERE a.attrelid = 'audit_chain'::regclass AND a.attnum > 0
  AND a.attname <> ALL (regexp_split_to_array(substring(pg_get_functiondef('tw_entry_hash'::regproc)
                                                        FROM '\{(.*)\}'), ','));

-- The canonical form depends on no setting, and not on the order of columns.
CREATE TABLE shape (n smallint, t text, at timestamptz, x double precision, j jsonb, b boolean, h bytea, d date);
INSERT INTO shape VALUES (-5, E'a:\n', '2026-11-25 12:00+05:30', 0.1 + 0.2, '{"b": 1.50, "a": [null]}', true, '\x00ff',
                          '2026-11-25'), (NULL, '', 'infinity', 'NaN', 'null', NULL, NULL, '-infinity');
CREATE TABLE shape_later (d date, extra text, n bigint, t text, at timestamptz, h bytea, x double precision, j jsonb,
                          b boolean);
INSERT INTO shape_later SELECT d, 'more', n, t, at, h, x, j, b FROM shape;
CREATE FUNCTION canonical(record, text[]) RETURNS bytea LANGUAGE c STRICT
    AS '$libdir/training_workflow', 'tw_canonical_row';
SELECT encode(canonical(s, '{n,t,at,x,j,b,h,d}'), 'escape') AS form FROM shape s;
CREATE TEMP TABLE forms AS SELECT canonical(s, '{n,t,at,x,j,b,h,d}') AS form FROM shape s;
SET timezone = 'Asia/Kathmandu';
SET datestyle = 'German';
SET extra_float_digits = -10;
SET bytea_output = 'escape';
SELECT count(*) FROM shape_later s JOIN forms f ON f.form = canonical(s, '{n,t,at,x,j,b,h,d}');
RESET timezone;
RESET datestyle;
RESET extra_float_digits;
RESET bytea_output;
SELECT canonical(s, '{nothing}') FROM shape s;
SELECT canonical(ROW(interval '1 day'), '{f1}');
DROP FUNCTION canonical;
DROP TABLE shape, shape_later;

-- Nothing yet.
SELECT * FROM verify_audit();
CALL seal_audit();
SELECT status, items_done, details FROM job_runs;

INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
SELECT 'chat', 'message ' || g, 'intent.a.b', 0.3, 'indicbert' FROM generate_series(1, 12) g;
SELECT count(approve_conversation(id, 'call +91 98765 4321' || id)) FROM conversation_logs WHERE id <= 6;
-- A rolled-back verdict uses a number up.
BEGIN;
SELECT approve_conversation(7);
ROLLBACK;
SELECT count(record_feedback(id, 'chat', 'negative')) FROM conversation_logs WHERE id BETWEEN 8 AND 10;
INSERT INTO model_deployments (model_type, version, to_status, to_percentage, reason)
VALUES ('router', 'v1', 'production', 100, 'first'), ('router', 'v2', 'canary', 10, NULL);
CREATE VIEW audit AS SELECT finding, is_problem, relation, found, examples FROM verify_audit();
SELECT * FROM audit;
CALL seal_audit();
SELECT * FROM audit;
SELECT seq, kind, relation, row_id, form, is_late, octet_length(salt) AS salt, receipt, note, session_role
FROM audit_chain;
SELECT details ->> 'head' = (SELECT detail FROM verify_audit() WHERE finding = 'head') AS head,
       details - 'head' AS details, items_done
FROM job_runs ORDER BY id DESC LIMIT 1;
-- Whoever has the rows can compute the chain.
SELECT count(*) AS right FROM audit_chain c LEFT JOIN audit_chain b ON b.seq = c.seq - 1
WHERE c.previous = coalesce(b.sha256, decode(repeat('00', 32), 'hex'))
  AND c.sha256 = sha256(c.previous || tw_entry_hash(c));
-- Nothing new: no entry, and the rows are not looked at once more.
CALL seal_audit();
SELECT items_done, details - 'head' AS details FROM job_runs ORDER BY id DESC LIMIT 1;
SELECT detail AS head FROM verify_audit() WHERE finding = 'head' \gset
SELECT finding FROM verify_audit(:'head');
SELECT finding FROM verify_audit('5');
SELECT finding FROM verify_audit('0:' || repeat('0', 64));

-- Append-only.
UPDATE audit_chain SET salt = NULL;
DELETE FROM audit_chain;
TRUNCATE audit_chain;
SET session_replication_role = replica;
UPDATE audit_chain SET note = 'x';
RESET session_replication_role;

-- Tampering, each in a transaction of its own: as a superuser who switches triggers off.
CREATE PROCEDURE tamper(what text) LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    ALTER TABLE review_events DISABLE TRIGGER ALL;
    ALTER TABLE model_deployments DISABLE TRIGGER ALL;
    ALTER TABLE audit_chain DISABLE TRIGGER ALL;
    EXECUTE what;
    FOR r IN SELECT * FROM audit WHERE is_problem LOOP
        RAISE NOTICE '% % of %: %', r.found, r.finding, r.relation, r.examples;
    END LOOP;
    ROLLBACK;
END $$;
CALL tamper('SELECT');
CALL tamper($$UPDATE review_events SET note = 'never said' WHERE id = 2$$);
CALL tamper($$UPDATE review_events SET created_at = created_at + '1 microsecond' WHERE id = 2$$);
CALL tamper($$UPDATE review_events SET reviewer = calling_role || ' ', details = '{}' WHERE id IN (1, 3)$$);
CALL tamper($$UPDATE model_deployments SET reason = '' WHERE id = 2$$);
CALL tamper('DELETE FROM review_events WHERE id = 4');
CALL tamper('DELETE FROM model_deployments');
CALL tamper('TRUNCATE review_events');
-- Another order of rows, and of entries.
CALL tamper('UPDATE review_events SET id = CASE id WHEN 1 THEN -2 ELSE -1 END WHERE id IN (1, 2);
             UPDATE review_events SET id = -id WHERE id < 0');
CALL tamper('UPDATE review_events a SET created_at = b.created_at FROM review_events b
             WHERE (a.id, b.id) IN ((1, 2), (2, 1))');
CALL tamper('UPDATE audit_chain SET seq = CASE seq WHEN 4 THEN 105 ELSE 104 END WHERE seq IN (4, 5);
             UPDATE audit_chain SET seq = seq - 100 WHERE seq > 100');
-- Entries.
CALL tamper($$UPDATE audit_chain SET sealed_at = sealed_at - interval '1 day' WHERE seq = 3$$);
CALL tamper('UPDATE audit_chain SET row_id = 100 WHERE seq = 3');
CALL tamper('UPDATE audit_chain SET salt = NULL WHERE seq = 3');
CALL tamper($$UPDATE audit_chain SET salt = decode(repeat('00', 16), 'hex') WHERE seq = 3$$);
CALL tamper('UPDATE audit_chain SET form = 2 WHERE seq = 3');
CALL tamper('DELETE FROM audit_chain WHERE seq = 1');
CALL tamper('DELETE FROM audit_chain WHERE seq = 5');
CALL tamper('DELETE FROM audit_chain WHERE seq = 5; DELETE FROM review_events WHERE id = 3');
CALL tamper('UPDATE audit_chain SET previous = sha256(previous) WHERE seq = 5');
-- An edited row whose entry was given the hash of it, and its own: the next entry does not fit.
CALL tamper($$UPDATE review_events SET note = 'never said' WHERE id = 2;
    UPDATE audit_chain c SET row_sha256 = sha256(c.salt || tw_canonical_row(e, f.columns))
        FROM review_events e, tw_audit_forms() f
        WHERE c.relation = 'review_events' AND c.row_id = 2 AND e.id = 2 AND f.relation = 'review_events';
    UPDATE audit_chain c SET sha256 = sha256(c.previous || tw_entry_hash(c))
        WHERE c.relation = 'review_events' AND c.row_id = 2$$);
-- The last entry cut off with its row: the chain is whole, but a run knows another head, and so does who kept it.
CALL tamper('DELETE FROM audit_chain WHERE seq = 11; DELETE FROM review_events WHERE id = 10');
CALL tamper('TRUNCATE audit_chain, review_events, model_deployments');
BEGIN;
ALTER TABLE audit_chain DISABLE TRIGGER ALL;
ALTER TABLE review_events DISABLE TRIGGER ALL;
DELETE FROM audit_chain WHERE seq = 11;
DELETE FROM review_events WHERE id = 10;
DELETE FROM job_runs;
SELECT finding, is_problem, found, examples FROM verify_audit(NULL) WHERE is_problem;
SELECT finding, is_problem, found, examples FROM verify_audit(:'head') WHERE is_problem;
ROLLBACK;

-- A row with an old number, inserted by hand or committed late, is sealed late, and dated back or ahead it is noted.
INSERT INTO review_events (id, conversation_log_id, action, reviewer, calling_role, created_at)
VALUES (7, 7, 'feedback', 'nobody', 'nobody', '2020-01-01'), (20, 7, 'feedback', 'nobody', 'nobody', '2100-01-01'),
       (-9223372036854775808, 8, 'conflict', 'x', 'x', '-infinity'),
       (9223372036854775807, 8, 'conflict', 'x', 'x', 'infinity');
CALL seal_audit();
SELECT * FROM audit;
SELECT sum((details ->> 'rows sealed')::integer) AS sealed, max(details ->> 'problems') AS problems FROM job_runs;

-- Erasure: what it does to the rows, and its tombstones.
INSERT INTO erasures (id, kind, mode, reason, requested_by)
SELECT i, 'retention', 'erase', 'a test', 'test' FROM unnest('{1,41,42,44}'::bigint[]) i;
CREATE PROCEDURE erase(what text, receipt bigint) LANGUAGE plpgsql AS $$
BEGIN
    ALTER TABLE review_events DISABLE TRIGGER ALL;
    EXECUTE what;
    ALTER TABLE review_events ENABLE ALWAYS TRIGGER review_events_append_only;
    PERFORM tw_tombstone('review_events', '{2,3,999,NULL,2}', receipt, NULL);
END $$;
BEGIN;
CALL erase($$DELETE FROM review_events WHERE id = 2; UPDATE review_events SET note = NULL WHERE id = 3$$, 41);
SELECT * FROM audit WHERE is_problem OR relation = 'review_events' AND finding IN ('erased', 'anonymised');
COMMIT;
SELECT seq, kind, row_id, row_sha256 IS NOT NULL AS hash, salt IS NOT NULL AS salt, receipt, note,
       session_role = session_user AS role
FROM audit_chain WHERE relation = 'review_events' AND row_id IN (2, 3) ORDER BY seq;
-- Once more, for the same rows.
CALL erase($$DELETE FROM review_events WHERE id = 3$$, 42);
SELECT * FROM audit WHERE is_problem OR relation = 'review_events' AND finding IN ('erased', 'anonymised');
SELECT finding FROM verify_audit(:'head') WHERE is_problem;
-- A forged tombstone is an entry like any other; taken out, it is missed; without it, the row is.
CALL tamper($$UPDATE audit_chain SET receipt = 43 WHERE kind = 'erased' AND row_id = 3$$);
CALL tamper($$DELETE FROM audit_chain WHERE kind = 'erased' AND row_id = 3$$);
CALL tamper($$DELETE FROM audit_chain WHERE kind <> 'row'$$);
-- An erased row that comes back, and an anonymised one that is changed.
CALL tamper($$INSERT INTO review_events (id, conversation_log_id, action, reviewer, calling_role)
              VALUES (3, 7, 'feedback', 'nobody', 'nobody')$$);
BEGIN;
ALTER TABLE model_deployments DISABLE TRIGGER ALL;
UPDATE model_deployments SET actor = 'somebody' WHERE id = 1;
SELECT tw_tombstone('model_deployments', '{1}', 44, NULL);
SELECT * FROM audit WHERE is_problem;
UPDATE model_deployments SET actor = 'somebody else' WHERE id = 1;
SELECT * FROM audit WHERE is_problem;
ROLLBACK;
SELECT tw_tombstone('conversation_logs', '{1}', 1, NULL);
SELECT tw_tombstone('review_events', NULL, 1, NULL);
SELECT tw_tombstone('review_events', '{1}', NULL, ' ');
SELECT tw_tombstone('review_events', '{1000}', 1, NULL);

-- The daily comparison finds a problem: the job fails until it is settled, and compares again every hour;
-- check_integrity() names it.
ALTER TABLE review_events DISABLE TRIGGER ALL;
UPDATE review_events SET note = 'never said' WHERE id = 5;
ALTER TABLE review_events ENABLE ALWAYS TRIGGER review_events_append_only;
CALL seal_audit();
SELECT status FROM job_runs ORDER BY id DESC LIMIT 1;
UPDATE job_runs SET finished_at = finished_at - interval '1 day', started_at = started_at - interval '1 day';
CALL seal_audit();
CALL seal_audit();
SELECT status, error_code, error_message, details -> 'problems' AS problems FROM job_runs ORDER BY id DESC LIMIT 2;
SELECT state, advice FROM job_health WHERE job_name = 'seal_audit';
SELECT problem, relation, found, example, hint FROM check_integrity() WHERE problem ~ '^audit';
-- Somebody looked into it, and says so: that stays in the chain.
SELECT tw_tombstone('review_events', '{5}', NULL, 'restored by hand from the backup of Monday');
CALL seal_audit();
UPDATE job_runs SET finished_at = finished_at - interval '1 hour', started_at = started_at - interval '1 hour';
CALL seal_audit();
SELECT state FROM job_health WHERE job_name = 'seal_audit';
SELECT count(*) FROM check_integrity() WHERE problem ~ '^audit';

-- A run looks back over the last 10,000 sealed rows; what is older waits for the daily one.
INSERT INTO review_events (id, conversation_log_id, action, reviewer, calling_role)
SELECT g, 12, 'feedback', 'many', 'many' FROM generate_series(1000, 11100) g WHERE g NOT IN (1050, 11050);
SELECT setval('review_events_id_seq', 11100);
CALL seal_audit();
INSERT INTO review_events (id, conversation_log_id, action, reviewer, calling_role)
VALUES (1050, 12, 'feedback', 'late', 'late'), (11050, 12, 'feedback', 'late', 'late');
CALL seal_audit();
SELECT * FROM audit WHERE finding IN ('not sealed yet', 'sealed late');
UPDATE job_runs SET finished_at = finished_at - interval '1 day', started_at = started_at - interval '1 day';
CALL seal_audit();
SELECT * FROM audit WHERE is_problem OR finding IN ('not sealed yet', 'sealed late');
SELECT count(*) AS entries, max(seq), (SELECT count(*) FROM review_events) + (SELECT count(*) FROM model_deployments)
    AS rows, count(*) FILTER (WHERE kind <> 'row') AS tombstones FROM audit_chain;

-- Who may what.
CREATE ROLE regress_tw_analyst;
CREATE ROLE regress_tw_operator;
CREATE ROLE regress_tw_reviewer;
SELECT grant_training_role('regress_tw_analyst', 'analyst'), grant_training_role('regress_tw_operator', 'operator'),
       grant_training_role('regress_tw_reviewer', 'reviewer');
SET ROLE regress_tw_analyst;
SELECT bool_or(is_problem) FROM verify_audit();
SELECT count(*) FROM audit_chain;
CALL seal_audit();
SET ROLE regress_tw_operator;
SELECT bool_or(is_problem) FROM verify_audit();
SELECT count(*) > 10 FROM audit_chain;
CALL seal_audit();
INSERT INTO audit_chain SELECT * FROM audit_chain;
SELECT tw_seal_portion('review_events', 1, 1);
SELECT tw_tombstone('review_events', '{1}', 1, NULL);
SELECT tw_remove_salts('review_events', '{1}');
SET ROLE regress_tw_reviewer;
SELECT count(*) FROM verify_audit();
RESET ROLE;
DROP OWNED BY regress_tw_analyst, regress_tw_operator, regress_tw_reviewer;
DROP ROLE regress_tw_analyst, regress_tw_operator, regress_tw_reviewer;
DROP PROCEDURE tamper, erase;
DROP VIEW audit;
