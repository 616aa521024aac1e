# Tokens.pm - a person who is everywhere: a word of their own in every column that takes text, planted through public
# SQL where there is a way, and what finds these words again, by SQL and in the files.
#
# A word is the person's name and what it stands for, in small letters, so that nothing masks or changes it.

package TW::Tokens;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;
use TW::Util;

our @EXPORT = qw(prepare plant tokens_in_tables tokens_in_files rewrite_tables);

# What planting needs once in a database: nothing is drawn, but everything of one module.
sub prepare {
    my ($node, $database) = @_;
    $node->safe_psql($database, <<'SQL');
        INSERT INTO review_policies (module_type, audit_rate_approved, audit_rate_review)
            VALUES (NULL, 0, 0), ('audited', 1, 1);
        SELECT set_training_setting('second_opinion_rate', '1');
        SELECT setval('model_evaluations_evaluation_seq', 1);
        CREATE SERVER label_studio FOREIGN DATA WRAPPER training_workflow_labelstudio
            OPTIONS (url 'http://127.0.0.1:9');
        INSERT INTO labelstudio_projects (server_name, project_id, title) VALUES ('label_studio', 7, 'Food');
        INSERT INTO model_versions (version, model_type)
            VALUES ('router-v1.0.0', 'router'), ('router-v1.1.0', 'router');
        INSERT INTO paired_evaluations (model_type, challenger, live_version, status, first_id, scored_to,
                                        approved_rate)
            VALUES ('router', 'router-v1.1.0', 'router-v1.0.0', 'running', 0, 0, 1);
SQL
    return;
}

# The person's conversations: number, module and confidence of each.
my @CONVERSATIONS = (
    [ 'first',    'food',    0.95 ],    # promoted
    [ 'approved', 'food',    0.4 ],
    [ 'fixed',    'food',    0.4 ],
    [ 'rejected', 'food',    0.4 ],
    [ 'claimed',  'food',    0.4 ],
    [ 'audited',  'audited', 0.95 ],    # of which a second person is asked
    [ 'paired',   'food',    0.4 ],
    [ 'blind',    'food',    0.4 ],
    [ 'pushed',   'food',    0.4 ],     # to Label Studio
    [ 'response', 'food',    0.4 ],
    [ 'feedback', 'food',    0.95 ],
);

sub _conversations {
    my ($p, $phone) = @_;
    my $rows = join ",\n", map { sprintf q{('%s', '%s', %s)}, @$_ } @CONVERSATIONS;
    return <<"SQL";
        INSERT INTO conversation_logs (session_id, phone_number, user_id, user_message, message_language, nlu_intent,
                nlu_confidence, nlu_module_type, nlu_provider, nlu_model_version, nlu_entities, nlu_tone, routed_to,
                response_text, user_correction, backend_reference, metadata, idempotency_key)
            SELECT '${p}session', '$phone', '${p}user', '${p}message of ' || n, 'en', 'intent.food.item.search', c, m,
                   'indicbert', 'router-v1.0.0',
                   '[{"start": 0, "end": 3, "label": "dish", "value": "${p}entity"}, {"${p}entitykey": 1}]',
                   '${p}tone', '${p}routed', '${p}answer', '${p}correction', '${p}reference',
                   '{"${p}metakey": "${p}metavalue"}', '${p}key of ' || n
            FROM (VALUES $rows) AS v (n, m, c);
        -- One that is stored outside of its row, and one that names nobody.
        INSERT INTO conversation_logs (session_id, user_id, user_message, response_text, nlu_intent, nlu_confidence)
            SELECT '${p}session', '${p}user', string_agg(md5(g::text), ' ${p}long '),
                   string_agg(md5(g::text), ' ${p}longanswer '), 'intent.food.item.search', 0.4
            FROM generate_series(1, 300) g;
        INSERT INTO conversation_logs (session_id, user_message) VALUES ('${p}session', '${p}nameless');
        CREATE TEMP VIEW said AS SELECT id, substring(user_message FROM '^${p}message of (.*)') AS n, session_id
            FROM conversation_logs WHERE session_id = '${p}session';
SQL
}

sub _reviews {
    my ($p) = @_;
    return <<"SQL";
        SELECT record_response(id, session_id, '${p}lateanswer', true, '${p}laterouted', '${p}latereference')
            FROM said WHERE n = 'response';
        SELECT record_feedback(id, session_id, 'negative', '${p}latecorrection') FROM said WHERE n = 'feedback';
        SELECT approve_conversation(id, '${p}approvenote') FROM said WHERE n = 'approved';
        SELECT fix_conversation(id, 'intent.food.other', '{"${p}fixkey": "${p}fixvalue"}', '${p}fixnote')
            FROM said WHERE n = 'fixed';
        SELECT reject_conversation(id, 'unclear', '${p}rejectnote') FROM said WHERE n = 'rejected';
        SELECT approve_conversation(id, '${p}firstnote', 'anna') FROM said WHERE n = 'audited';
        SELECT fix_conversation(id, 'intent.food.other', '{"a": "${p}opinionvalue"}', '${p}opinionnote', 'bela')
            FROM said WHERE n = 'audited';
        INSERT INTO review_claims (conversation_log_id, reviewer, claimed_at, expires_at)
            SELECT id, 'anna', now(), now() + interval '1 day' FROM said WHERE n = 'claimed';
SQL
}

# Samples whose text is the person's, and what other tables say of them.
sub _samples {
    my ($p) = @_;
    return <<"SQL";
        SELECT import_training_samples(format('{"text": "${p}message of %s", "intent": "intent.food.item.search", '
            '"split": "test", "entities": [{"start": 0, "end": 3, "label": "dish", "value": "${p}sampleentity"}]}', n))
            FROM unnest(ARRAY['first', 'claimed']) n;
        UPDATE training_samples SET review_status = 'pending', review_priority = 2, review_reason = 'label conflict'
            WHERE conversation_log_id IS NULL AND text = '${p}message of claimed';
        SELECT fix_sample(id, 'intent.food.other',
                          '[{"start": 0, "end": 2, "label": "dish", "value": "${p}samplefix"}]',
                          '${p}samplenote')
            FROM training_samples WHERE conversation_log_id IS NULL AND text = '${p}message of claimed';
        INSERT INTO model_evaluations (evaluation_id, version, sample_id, text_hash, intent, weight, predicted_intent)
            SELECT 1, 'router-v1.0.0', id, text_hash, '${p}evaluated', 1, '${p}predicted' FROM training_samples
            WHERE text LIKE '${p}message%';
        INSERT INTO paired_disagreements (evaluation_id, conversation_log_id, challenger_intent, live_intent,
                                          probability, is_drawn)
            SELECT 1, id, '${p}challenger', '${p}live', 1, true FROM said WHERE n = 'paired';
        INSERT INTO paired_answers SELECT 'router-v1.1.0', id, '${p}paired' FROM said WHERE n = 'paired';
        INSERT INTO blind_reviews (conversation_log_id, suggestions)
            SELECT id, '{${p}suggested,${p}othersuggested}' FROM said WHERE n = 'blind';
        INSERT INTO labelstudio_tasks (project, conversation_log_id, batch_id, status, task_id, spans, error_message)
            SELECT 1, id, gen_random_uuid(), 'open', id, '[[0, 3, "${p}span"]]', 'not read: ${p}taskerror'
            FROM said WHERE n = 'pushed';
SQL
}

# Messages of jobs that quote: a failed promotion, a worker's progress and predictions.
sub _jobs {
    my ($p) = @_;
    return <<"SQL";
        SET client_min_messages = error;
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            \$\$ BEGIN RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = format('no: %s', NEW.text); END \$\$;
        CREATE TRIGGER refuse BEFORE INSERT ON training_samples FOR EACH ROW EXECUTE FUNCTION refuse();
        INSERT INTO conversation_logs (session_id, user_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
            VALUES ('${p}session', '${p}user', '${p}quoted in a message', 'intent.food.item.search', 0.95, 'indicbert');
        DROP TRIGGER refuse ON training_samples;
        DROP FUNCTION refuse;
        RESET client_min_messages;
        SELECT promote_missed_conversations('0');
        SELECT request_training('food-agent', 'outside');
        CREATE TEMP TABLE job AS SELECT * FROM claim_training_job('worker', model_types => '{food-agent}');
        SELECT heartbeat_training_job(job_id, secret, '{"reads": "${p}message of first"}') FROM job;
        SELECT c.status FROM job, complete_training_job(job_id, secret,
            (SELECT jsonb_agg(jsonb_build_object('sample_id', t.sample_id, 'confidence', 0.5, 'intent',
                                                 CASE WHEN t.text LIKE '${p}%' THEN '${p}handedin' END))
             FROM training_job_test_set(job_id, secret) t),
            '\\x00ff') c;
        DROP TABLE job;
SQL
}

sub _import {
    my ($p, $file) = @_;
    return <<"SQL";
        CREATE TABLE old_logs (id text, "sessionId" text, "userId" text, "userMessage" text, extra text,
                               "createdAt" timestamp);
        INSERT INTO old_logs VALUES ('${p}source', '${p}oldsession', '${p}user', '${p}oldmessage', '${p}extra',
                                     '2025-12-31 23:30');
        SELECT imported FROM import_conversations('old_logs', review_status => 'needs-review');
        DROP TABLE old_logs;
        CALL export_training_samples_to_file('$file', include_split => 'all');
        DROP VIEW said;
SQL
}

# Plants a person of this name and phone number; the file is an export with their samples in it.
sub plant {
    my ($node, $database, $name, $phone, $file) = @_;
    $node->safe_psql($database, join '', _conversations($name, $phone), _reviews($name), _samples($name), _jobs($name),
        _import($name, $file));
    # Statistics for the planner hold values of columns.
    $node->safe_psql($database, 'ANALYZE');
    return;
}

# Which words of this person stand in which table, that of statistics and TOAST included: { word => "tables" }.
sub tokens_in_tables {
    my ($node, $database, $name) = @_;
    my $queries = $node->safe_psql($database, <<"SQL");
        SELECT string_agg(format(
            'SELECT DISTINCT %L AS r, m[1] AS t FROM %s x, regexp_matches(%s, ''$name\[a-z]+'', ''g'') m',
            CASE WHEN c.relkind = 't'
                 THEN 'TOAST of ' || (SELECT o.relname FROM pg_class o WHERE o.reltoastrelid = c.oid)
                 ELSE c.oid::regclass::text END, c.oid::regclass,
            CASE c.relkind WHEN 't' THEN 'encode(x.chunk_data, ''escape'')' ELSE 'x::text' END), ' UNION ')
        FROM pg_class c WHERE c.relkind IN ('r', 'm', 't') AND c.relpersistence = 'p'
SQL
    my %found;
    my $words = "SELECT t, string_agg(r, ' ' ORDER BY r) FROM ($queries) q GROUP BY t";
    for (split /\n/, $node->safe_psql($database, $words)) {
        my ($token, $tables) = split /\|/;
        $found{$token} = $tables;
    }
    return \%found;
}

# The words of this person in the files of the database, as they lie on the disk: { word => number of files }.
sub tokens_in_files {
    my ($node, $database, $name) = @_;
    $node->safe_psql($database, 'CHECKPOINT');
    my $folder = $node->data_dir . '/base/'
        . $node->safe_psql($database, 'SELECT oid FROM pg_database WHERE datname = current_database()');
    my %found;
    for my $file (grep { -f } glob "$folder/*") {
        my $bytes = slurp_file($file);
        my %here = map { $_ => 1 } $bytes =~ /($name[a-z]+)/g;
        $found{$_}++ for keys %here;
    }
    return \%found;
}

# Writes every table that has bytes of this extension, and the statistics, anew.
sub rewrite_tables {
    my ($node, $database) = @_;
    $node->safe_psql($database, <<'SQL');
        SELECT format('VACUUM (FULL, ANALYZE) %s', c.oid::regclass)
        FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
        WHERE c.relkind = 'r' \gexec
        VACUUM FULL pg_statistic;
SQL
    return;
}

1;
