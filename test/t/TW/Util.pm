# Util.pm - what the TAP tests share: a node with the extension, representative data, and its contents for comparison.

package TW::Util;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Erasures;

our @EXPORT = qw(
    start_node start_standby create_database fill
    schema_of dump_rows dump_tables dump_catalog
    integrity_is_empty follow_hints samples_match
    sqlstate_is run_program wait_for_end
    CONFIDENT
);

# The application's columns of a message that the built-in policy auto-approves, for SELECT lists.
use constant CONFIDENT =>
    q{'intent.food.item.search' AS nlu_intent, 0.95 AS nlu_confidence, 'indicbert' AS nlu_provider};

# What the caller set for their own sessions must not find its way into the tests'.
delete @ENV{qw(PGOPTIONS PGTZ PGDATESTYLE)};

# A running server. Options: streaming => 1 or 'logical', conf => lines for postgresql.conf.
sub start_node {
    my ($name, %option) = @_;
    my $node = PostgreSQL::Test::Cluster->new($name);

    # The extension needs UTF8, whatever the locale of whoever runs the tests.
    $node->init(
        extra            => [ '--encoding=UTF8', '--no-locale' ],
        allows_streaming => $option{streaming} // 0
    );

    # Autovacuum would consume transaction ids and take locks that the tests count; logging whole bulk loads costs time.
    $node->append_conf('postgresql.conf', "autovacuum = off\nlog_statement = none\n" . ($option{conf} // ''));
    $node->start;
    return $node;
}

# A streaming standby of such a server, which allows it.
sub start_standby {
    my ($primary) = @_;
    my $standby = PostgreSQL::Test::Cluster->new('standby');

    $primary->backup('backup');
    $standby->init_from_backup($primary, 'backup', has_streaming => 1);
    $standby->start;
    return $standby;
}

# A database with the extension in it, in a schema of its own (given unquoted) or in public.
sub create_database {
    my ($node, $database, $schema) = @_;

    $node->safe_psql('postgres', qq{CREATE DATABASE "$database"});
    $node->safe_psql($database,
        defined $schema
        ? qq{CREATE SCHEMA "$schema"; CREATE EXTENSION training_workflow SCHEMA "$schema"}
        : 'CREATE EXTENSION training_workflow');
    return;
}

# The quoted name of the schema that the extension lives in.
sub schema_of {
    my ($node, $database) = @_;
    return $node->safe_psql(
        $database,
        q{SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
          WHERE e.extname = 'training_workflow'}
    );
}

# One character in 61 of every Unicode plane (the surrogates are no characters), and all of ASCII: what COPY has to
# escape, and what a wrong length in bytes would cut.
sub _unicode_rows {
    return <<'SQL';
        SELECT 'unicode', string_agg(chr(c), '' ORDER BY c), 'text', 'intent.parcel.track', 0.99, 'parcel', 'indicbert'
        FROM generate_series(33, 1114111, 61) c WHERE c NOT BETWEEN 55296 AND 57343 GROUP BY c >> 16
        UNION ALL
        SELECT 'unicode', string_agg(chr(c), '' ORDER BY c), 'text', E'intent.\\odd"\'\t.name', 0.9, E'\\N', 'indicbert'
        FROM generate_series(1, 127) c
SQL
}

# Messages that between them get every answer of the filter, some of them odd.
sub _message_rows {
    return <<'SQL';
        VALUES
        ('1', 'Kothrud mein veg pizza milega?', 'text', 'intent.food.item.search', 0.95, 'food', 'indicbert'),
        ('1', 'haan', 'text', 'intent.food.item.search', 0.9, 'food', 'IndicBERT'),
        ('1', 'अरे भाई', 'TEXT', 'intent.food.item.search', 0.86, NULL, 'indicbert'),
        ('2', 'kya?', 'text', NULL, 0.95, 'food', 'indicbert'),
        ('2', 'no confidence', 'text', 'intent.food.order.cancel', NULL, 'food', 'indicbert'),
        ('2', 'blank intent', 'text', '  ', 0.95, 'food', 'indicbert'),
        ('2', 'too high', 'text', 'intent.food.order.cancel', 1.7, 'food', 'indicbert'),
        ('2', 'not a number', 'text', 'intent.food.order.cancel', 'NaN', 'food', 'indicbert'),
        ('2', 'infinite', 'text', 'intent.food.order.cancel', '-Infinity', 'food', 'indicbert'),
        ('2', 'negative zero', 'text', 'intent.food.order.cancel', '-0', 'food', 'indicbert'),
        ('2', 'fallback', 'text', 'intent.food.order.cancel', 0.99, 'food', 'LLM'),
        ('2', 'low', 'text', 'intent.food.order.cancel', 0.6999999999999999, 'food', 'indicbert'),
        ('2', 'lower medium', 'text', 'intent.food.order.cancel', 0.7, 'food', 'indicbert'),
        ('2', 'upper medium', 'text', 'intent.food.order.cancel', 0.85, 'food', 'indicbert'),
        ('2', 'just high', 'text', 'intent.food.order.cancel', 0.85000000000000009, 'food', 'indicbert'),
        ('2', 'a real', 'text', 'intent.food.order.cancel', 0.85::real::double precision, 'food', 'indicbert'),
        ('2', 'untrusted', 'text', 'intent.food.order.cancel', 1, 'food', 'rasa'),
        ('2', 'nobody', 'text', 'intent.food.order.cancel', 0.99, 'food', NULL),
        ('3', 'trusted by its policy', 'text', 'intent.parcel.track', 0.6, 'parcel', 'Rasa'),
        ('3', 'audited', 'text', 'intent.parcel.track', 0.9, 'audited', 'indicbert'),
        ('3', 'audited, low', 'text', 'intent.parcel.track', 0.1, 'audited', 'indicbert'),
        ('3', 'a picture', 'image', 'intent.food.item.search', 0.95, 'food', 'indicbert'),
        ('3', '', 'text', 'intent.food.item.search', 0.95, 'food', 'indicbert'),
        ('3', U&'\200B\00A0\FEFF', 'text', 'intent.food.item.search', 0.95, 'food', 'indicbert'),
        ('', 'no type', NULL, 'intent.food.item.search', 0.95, '', 'indicbert'),
        ('3', (SELECT string_agg(md5(g::text), ' ') FROM generate_series(1, 5000) g),
         'text', 'intent.food.item.search', 0.95, 'food', 'indicbert')
SQL
}

# Fills every table of the extension with rows of every kind, through public SQL, as applications and people would.
# The roles tw_capture, tw_reviewer, tw_analyst, tw_operator, and tw_food, who reviews one module, are made unless they
# are there.
sub fill {
    my ($node, $database) = @_;
    my $s       = schema_of($node, $database);
    my $columns = 'session_id, user_message, message_type, nlu_intent, nlu_confidence, nlu_module_type, nlu_provider';
    my $sql     = '';

    for my $kind (qw(capture reviewer analyst operator)) {
        $sql .= <<"SQL";
            SELECT 'CREATE ROLE tw_$kind LOGIN'
            WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tw_$kind') \\gexec
            SELECT $s.grant_training_role('tw_$kind', '$kind');
SQL
    }

    $sql .= <<"SQL";
        SELECT 'CREATE ROLE tw_food LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tw_food') \\gexec
        SELECT $s.grant_training_role('tw_food', 'reviewer', '{food,"odd, \\"module\\"",""}');
        SELECT $s.set_training_setting('time_zone', 'Asia/Kolkata');
        SELECT $s.set_training_setting('training_threshold', '500');
        SELECT $s.set_training_setting('rollout_steps', '5, 50, 100');
        -- One that only a later version would know.
        INSERT INTO $s.training_settings (name, value, updated_by) VALUES ('not_invented_yet', E'a\\tb', 'somebody');

        INSERT INTO $s.review_policies (module_type, intent, review_below, approve_above, trusted_providers,
                                        fallback_providers, audit_rate_approved, audit_rate_review, note) VALUES
            (NULL, NULL, NULL, NULL, NULL, ARRAY['llm', 'gpt "4", {x}'], 0.2, 0.3, 'the default'),
            ('gone', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'leaves a gap in the numbers'),
            ('parcel', NULL, 0.3, 0.5, ARRAY['indicbert', 'rasa'], NULL, NULL, NULL, E'line\\nbreak'),
            (NULL, 'intent.food.order.cancel', NULL, 0.85, NULL, NULL, NULL, NULL, NULL),
            ('audited', NULL, NULL, NULL, NULL, '{}', 1, 1, 'everything'),
            ('food', 'intent.food.item.search', 0.55, 0.85, NULL, NULL, 0, 0, 'nothing');
        DELETE FROM $s.review_policies WHERE module_type = 'gone';
        INSERT INTO $s.intent_aliases (alias, intent, made_by, note, reviewer, session_role, created_at) VALUES
            ('intent.food.find', 'intent.food.search', 'rename', E'line\nbreak', 'asha', 'tw_operator', '2024-02-29'),
            ('intent.food.look', 'intent.food.search', 'merge', NULL, 'tw_operator', 'tw_operator', 'infinity');

        INSERT INTO $s.conversation_logs ($columns) @{[ _message_rows() ]};
        INSERT INTO $s.conversation_logs ($columns) @{[ _unicode_rows() ]};
        -- So many that both answers of every draw are among them.
        INSERT INTO $s.conversation_logs ($columns)
            SELECT 'many', 'message ' || g % 90, 'text', 'intent.food.order.cancel', (g % 100) / 99.0, 'food',
                   (ARRAY['indicbert', 'llm', 'rasa'])[1 + g % 3]
            FROM generate_series(1, 600) g;
        INSERT INTO $s.conversation_logs (session_id, phone_number, user_id, user_message, message_language, nlu_intent,
                nlu_confidence, nlu_module_id, nlu_module_type, nlu_provider, nlu_model_version, nlu_entities, nlu_tone,
                nlu_processing_time_ms, routed_to, response_text, response_success, user_feedback, user_correction,
                backend_reference, metadata, created_at, idempotency_key)
            SELECT 'all columns', '+91 98765 43210', 'u' || g, 'veg pizza', 'hinglish', 'intent.food.item.search',
                   0.97, 4, 'food', 'indicbert', 'router-v1.0.0',
                   '[{"start": 0, "end": 3, "label": "diet"}]', 'neutral',
                   12 * g, 'opensearch', E'Yes,\\r\\nwe \\\\ have', g % 2 = 0, 'negative', 'no',
                   'order ' || g, '{"a": [1, null, "\\u0001"]}', t, 'key of ' || g
            FROM unnest(ARRAY['2024-02-29 18:29:59.999999+00', '2024-02-29 18:30+00', NULL, 'infinity', '-infinity',
                              '0044-03-15 12:00:00+00 BC',
                              '294276-12-31 12:00+00']::timestamptz[]) WITH ORDINALITY AS x (t, g);
        -- Numbers that an application chose itself.
        INSERT INTO $s.conversation_logs (id, session_id, user_message)
        VALUES (-5, 'own number', 'x'), (0, 'own number', 'y');
        SET ROLE tw_capture;
        INSERT INTO $s.conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
            SELECT 'by the application', 'hi', @{[ CONFIDENT ]} FROM generate_series(1, 3);
        RESET ROLE;

        -- Imported with somebody else's verdict: not ours to filter or promote.
        INSERT INTO $s.conversation_logs
            (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, review_status, review_reason)
            SELECT 'imported', 'old ' || v, 'intent.food.item.search', 0.95, 'indicbert', v, 'import'
            FROM unnest(ARRAY['auto-approved', 'needs-review', 'approved', 'rejected', 'not-applicable']) v;
        -- And what an earlier table held.
        CREATE TEMP TABLE old_logs (id text, "sessionId" text, "userMessage" text, tenant jsonb, "createdAt" timestamp);
        INSERT INTO old_logs SELECT 'cl' || g, 'moved in', 'from before ' || g, '{"n": [1]}', '2025-12-31 23:30'
                             FROM generate_series(1, 3) g;
        SELECT imported FROM $s.import_conversations('old_logs', review_status => 'needs-review');
        DROP TABLE old_logs;

        -- Verdicts of people, feedback of users, and claims.
        CREATE TEMP VIEW message AS SELECT id, user_message AS said FROM $s.conversation_logs
            WHERE session_id IN ('1', '2');
        SELECT $s.approve_conversation(id, 'right') FROM message WHERE said IN ('upper medium', 'just high');
        SELECT $s.fix_conversation(id, 'intent.food.other', '{"a": 1}', E'not\\tthat') FROM message WHERE said = 'low';
        SELECT $s.reject_conversation(id, 'unclear') FROM message WHERE said IN ('lower medium', 'haan');
        SELECT $s.record_feedback(id, '2', 'negative', 'pizza') FROM message WHERE said = 'a real';
        SELECT count(*) FROM $s.claim_reviews(5);
        INSERT INTO $s.second_opinions (conversation_log_id, rate, first_event, first_reviewer, first_label)
            SELECT e.conversation_log_id, 0.05, e.id, e.reviewer, e.intent FROM $s.review_events e
            WHERE e.action = 'approve' ORDER BY e.id LIMIT 1
            ON CONFLICT DO NOTHING;
        DROP VIEW message;
        INSERT INTO $s.training_samples
            (text, intent, entities, language, review_status, source, split, quality_score, text_hash,
             normalizer) VALUES
            ('synthetic', 'intent.parcel.track', '{}', 'en', 'approved', 'synthetic', 'train', 1,
             -9223372036854775808, 1),
            (E'manual\\\\.\\n', 'intent.parcel.track', NULL, NULL, 'pending', 'manual', 'test', 0, 0, NULL);
        -- Samples without a conversation: one was judged, one waits and is claimed.
        SELECT $s.fix_sample(id, intent, '[]', E'a\\tnote') FROM $s.training_samples WHERE source = 'synthetic';
        UPDATE $s.training_samples SET review_priority = 3, review_reason = 'label conflict'
        WHERE source = 'manual' AND review_status = 'pending';
        INSERT INTO $s.review_claims (sample_id, reviewer, claimed_at, expires_at)
        SELECT id, 'asha', '2026-01-01', '2026-01-02' FROM $s.training_samples WHERE review_reason = 'label conflict';

        INSERT INTO $s.model_versions
            (version, model_type, status, traffic_percentage, test_accuracy, base_version, sample_counts) VALUES
            ('router-v1.0.0', 'router', 'retired', 0, 0.8, NULL, NULL),
            ('router-v1.1.0', 'router', 'production', 100, 0.1 + 0.2, 'router-v1.0.0', '{"human": 812, "model": 4010}'),
            ('router-v1.2.0', 'router', 'candidate', 0, 0.91, 'router-v1.1.0', NULL),
            ('food-agent-v0.0.1', 'food-agent', 'rejected', 0, 1e-300, NULL, NULL);
        INSERT INTO $s.model_deployments (model_type, version, from_status, to_status, to_percentage, reason, figures)
        VALUES
            ('router', 'router-v1.1.0', 'candidate', 'production', 100, 'first', '{"z": 1.5}');
        -- A rollout that is under way, and was looked at.
        SELECT rollout_id FROM $s.start_rollout('router-v1.2.0', E'by the\ttest');
        CALL $s.check_rollouts();
        -- Entries of the audit trail, of each kind that leaves the row.
        CALL $s.seal_audit();
        SELECT $s.tw_tombstone('model_deployments', ARRAY[1], NULL, E'the\\ttest says so');
        UPDATE $s.training_samples SET model_version_target = 'router-v1.0.0' WHERE id % 7 = 0;
        -- A model that the trainer made, evaluated; one that somebody else made; jobs in every state.
        SELECT $s.import_training_samples(string_agg(jsonb_build_object('text', w || ' number ' || md5(w || g),
                                                                        'intent', 'intent.' || m,
                'split', CASE WHEN g > 20 THEN 'test' ELSE 'train' END)::text, E'\n'))
            FROM (VALUES ('track', 'parcel.track'), ('order', 'food.order.place')) AS x (w, m),
                 generate_series(1, 30) g;
        -- Lines that contradict others, and that ask for what cannot be.
        SELECT $s.import_training_samples('{"text": "disputed", "intent": "intent.a.b"}');
        SELECT $s.import_training_samples(E'{"text": "disputed", "intent": "intent.a.c"}\\n{"text": "no intent"}\\n'
            '{"text": "disputed", "intent": "intent.a.b", "split": "test"}\\n'
            '{"text": "disputed", "intent": "intent.a.b", "split": "train"}', bad_lines => 'skip');
        SELECT $s.set_training_setting('min_test_samples', '10');
        SELECT $s.train_model('router', major => true);
        SELECT $s.register_model('food-agent-v1.0.0', 'food-agent', artifact => decode(repeat('00ff10', 50), 'hex'));
        SELECT $s.request_training('food-agent', 'outside', '{"note": "\\u0001 \\"quoted\\""}');
        SELECT $s.request_training('parcel-agent');
        SELECT job_id FROM $s.claim_training_job('worker 1');
        SELECT $s.request_training('shop-agent', 'outside');
        SELECT h.status FROM $s.claim_training_job('worker 2', model_types => ARRAY['shop-agent']) c,
                             $s.complete_training_job(c.job_id, c.secret, '[]', '\\x00ff', 's3://models/"shop"') h;
        SELECT $s.cancel_training_job($s.request_training('ride-agent'), 'not needed');
        INSERT INTO $s.training_export_jobs (format, location, status, row_count, byte_count, sha256, finished_at)
        VALUES
            ('jsonl', '/tmp/x', 'succeeded', 3, 99, repeat('ab', 32), now()),
            ('csv', NULL, 'running', NULL, NULL, NULL, NULL);
        INSERT INTO $s.labelstudio_projects (server_name, project_id, title, entity_labels, is_active,
                                             pulled_to, last_error)
            VALUES ('label_studio', 7, 'Food: हिन्दी', '{dish,"a, b"}', false, '2026-01-01 00:00:00.123456+00',
                    E'no\t"answer"');
        INSERT INTO $s.labelstudio_tasks (project, conversation_log_id, batch_id, status, task_id, spans, error_message)
            SELECT 1, c.id, gen_random_uuid(), v.status, 100 + v.n, '[[0, 3, "dish"]]', v.status || E'\n'
            FROM unnest(ARRAY['unusable', 'done', 'superseded', 'closed', 'deleted'])
                 WITH ORDINALITY AS v (status, n)
            JOIN (SELECT l.id, row_number() OVER (ORDER BY l.id) AS n FROM $s.conversation_logs l
                  WHERE l.session_id = 'many') c ON c.n = v.n;
        INSERT INTO $s.labelstudio_tasks (project, sample_id, batch_id, status, task_id)
            SELECT 1, id, gen_random_uuid(), 'closed', 200 FROM $s.training_samples
            WHERE review_reason = 'label conflict';
        INSERT INTO $s.job_runs (job_name) VALUES ('daily_training_capture');
        -- What the databases of a fleet tell each other.
        INSERT INTO $s.fleet_heartbeats (number, sent_at) VALUES (7, '2026-01-01 00:00:00.123456+00');
        INSERT INTO $s.fleet_replies VALUES
            (1, 7, '2026-01-01', '2026-01-01', '{"router": {"production": "router-v1.1.0"}}', 'infinity', NULL, NULL),
            (1023, 1, NULL, '2026-01-02', '{}', NULL, '-infinity', '2026-01-02');
        INSERT INTO $s.fleet_rollout_steps SELECT r.id, 1, 1, '2026-01-01' FROM $s.rollouts r;
        INSERT INTO $s.fleet_arrivals SELECT id FROM $s.conversation_logs WHERE session_id = 'many' LIMIT 3;
        -- A comparison that people are asked about, one that is over, and what a worker answered.
        INSERT INTO $s.paired_evaluations (model_type, challenger, live_version, status, first_id, scored_to, messages,
                                           disagreements, approved_rate, labels, difference, better_evidence, reason,
                                           decided_at) VALUES
            ('router', 'router-v1.2.0', 'router-v1.1.0', 'better', 3, 90, 80, 9, 0.1 + 0.2, 9, 0.01, 1e300,
             E'by\t"far"', now()),
            ('router', 'router-v2.0.0', 'router-v1.1.0', 'running', 0, 0, 0, 1, 1, 0, NULL, 1, NULL, NULL);
        INSERT INTO $s.conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
            VALUES ('two models', 'which of the two', 'intent.food.order.cancel', 0.4, 'indicbert');
        INSERT INTO $s.paired_disagreements (evaluation_id, conversation_log_id, challenger_intent, live_intent,
                                             probability, is_drawn, asked_at)
            SELECT p.id, c.id, 'intent.food.order.track', NULL, 1, true, now()
            FROM $s.paired_evaluations p, $s.conversation_logs c
            WHERE p.status = 'running' AND c.session_id = 'two models';
        SELECT asked
        FROM $s.paired_disagreements d,
             $s.tw_ask_blindly(ARRAY[d.conversation_log_id], ARRAY['intent.food.order.track'], ARRAY[NULL]);
        INSERT INTO $s.paired_answers SELECT 'food-agent-v1.0.0', d.conversation_log_id, E'intent.\\odd'
                                      FROM $s.paired_disagreements d;

        -- A promotion that fails, leaves its row in job_runs, and is made up for.
        SET client_min_messages = error;
        BEGIN;
        CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS
            \$\$ BEGIN RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = E'no\\t"samples" today'; END \$\$;
        CREATE TRIGGER refuse BEFORE INSERT ON $s.training_samples FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse();
        INSERT INTO $s.conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
            SELECT 'failed', 'promotion ' || g, @{[ CONFIDENT ]} FROM generate_series(1, 2) g;
        DROP TRIGGER refuse ON $s.training_samples;
        COMMIT;
        RESET client_min_messages;
        SELECT $s.promote_missed_conversations('0');
SQL
    $sql .= fill_erasures($s);
    $node->safe_psql($database, $sql);

    my @missing = grep { $node->safe_psql($database, "SELECT EXISTS (SELECT FROM $s.conversation_logs
        WHERE $_)") ne 't' } (
        (map { "review_status = '$_'" } qw(auto-approved needs-review approved rejected not-applicable)),
        (
            map { "review_reason = '$_'" } 'missing prediction',
            'invalid confidence',
            'llm fallback',
            'low confidence',
            'untrusted provider',
            'medium confidence', 'audit'
        ),
        'filter_outcome IS NULL',
        'is_audit',
        'NOT is_audit',
        'filter_policy_id IS NOT NULL',
        q{created_on > (created_at AT TIME ZONE 'UTC')::date}
    );
    is("@missing", '', "$database: there are conversations of every kind");
    is($node->safe_psql($database, "SELECT items_total, error_code FROM $s.job_runs WHERE job_name = 'promotion'"),
        '2|P0001', "$database: there is a failed promotion");

    # A table that a later version adds is compared by the tests only if it has something to compare.
    my $rows = dump_rows($node, $database);
    is_deeply([ grep { !@{ $rows->{$_} } } sort keys %$rows ], [], "$database: no table of the extension is empty");
    return;
}

# The extension's tables and sequences: those that pg_dump is told to dump, and those that belong to the extension,
# which ought to be the same, but for the stored figures of days, which are no more than a copy of what the others say,
# and the unlogged sequence for lastval(), which means something to one session only.
sub _own_relations {
    my ($node, $database) = @_;
    my $list = $node->safe_psql($database, <<'SQL');
        SET search_path = pg_catalog;
        SELECT DISTINCT c.relkind, c.oid::regclass
        FROM pg_extension e
        CROSS JOIN LATERAL (
            SELECT unnest(e.extconfig)
            UNION
            SELECT d.objid FROM pg_depend d
            WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
              AND d.classid = 'pg_class'::regclass AND d.deptype = 'e') AS x (relid)
        JOIN pg_class c ON c.oid = x.relid
        WHERE e.extname = 'training_workflow' AND c.relkind IN ('r', 'p', 'S')
          AND c.relname !~ '^daily_statistics' AND c.relpersistence <> 'u'
        ORDER BY 2
SQL
    return map { [ split /\|/, $_, 2 ] } split /\n/, $list;
}

# Everything the extension holds: for each of its tables the rows as text, sorted, for each sequence its state.
sub dump_rows {
    my ($node, $database) = @_;
    my %rows = map { $_->[1] => [] } _own_relations($node, $database);
    my @parts;

    for (_own_relations($node, $database)) {
        my ($kind, $name) = @$_;
        my $row = $kind eq 'S' ? '(t.last_value, t.is_called)' : 't';

        # As a JSON string, so that each row is one line whatever is in it.
        push @parts, "SELECT \$n\$$name\$n\$, to_json($row\::text) FROM $name t";
    }

    my $list = $node->safe_psql($database,
        "SET timezone = 'UTC'; SET search_path = pg_catalog; " . join(' UNION ALL ', @parts));
    for (split /\n/, $list) {
        my ($name, $row) = split /\|/, $_, 2;
        push @{ $rows{$name} }, $row;
    }
    @$_ = sort @$_ for values %rows;
    return \%rows;
}

# The same without the sequences, which run ahead on a standby, in steps that
# are written to the log, and stand still on a subscriber.
sub dump_tables {
    my $rows = dump_rows(@_);
    delete $rows->{$_} for grep { /_seq$/ } keys %$rows;
    return $rows;
}

# What a dump has to carry besides the rows: owners and privileges of everything that belongs to the extension, and
# whether its triggers are enabled.
sub dump_catalog {
    my ($node, $database) = @_;
    my $list = $node->safe_psql($database, <<'SQL');
        SET search_path = pg_catalog;
        WITH member AS (
            SELECT d.classid, d.objid FROM pg_depend d
            JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
            WHERE d.deptype = 'e' AND e.extname = 'training_workflow'
        ), item (what, owner, acl) AS (
            SELECT c.oid::regclass::text, c.relowner, c.relacl
            FROM member m JOIN pg_class c ON c.oid = m.objid AND m.classid = 'pg_class'::regclass
            UNION ALL
            SELECT c.oid::regclass || '.' || a.attname, c.relowner, a.attacl
            FROM member m JOIN pg_class c ON c.oid = m.objid AND m.classid = 'pg_class'::regclass
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND a.attacl IS NOT NULL
            UNION ALL
            SELECT p.oid::regprocedure::text, p.proowner, p.proacl
            FROM member m JOIN pg_proc p ON p.oid = m.objid AND m.classid = 'pg_proc'::regclass
            UNION ALL
            SELECT n.oid::regnamespace::text, n.nspowner, n.nspacl
            FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'training_workflow'
        )
        SELECT concat_ws(' ', i.what, 'owned by', i.owner::regrole) FROM item i
        UNION ALL
        SELECT concat_ws(' ', i.what, CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END,
                         x.privilege_type, x.is_grantable)
        FROM item i, aclexplode(i.acl) x
        UNION ALL
        SELECT concat_ws(' ', c.oid::regclass, 'policy', p.polname, p.polcmd)
        FROM pg_class c LEFT JOIN pg_policy p ON p.polrelid = c.oid WHERE c.relrowsecurity
        UNION ALL
        SELECT concat_ws(' ', t.tgrelid::regclass, 'trigger', t.tgname, t.tgenabled)
        FROM member m JOIN pg_trigger t ON t.tgrelid = m.objid AND m.classid = 'pg_class'::regclass
        UNION ALL
        SELECT concat_ws(' ', 'event trigger', t.evtname, t.evtenabled)
        FROM member m JOIN pg_event_trigger t ON t.oid = m.objid AND m.classid = 'pg_event_trigger'::regclass
SQL
    return [ sort split /\n/, $list ];
}

sub integrity_is_empty {
    my ($node, $database, $name) = @_;
    my $s = schema_of($node, $database);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($node->safe_psql($database, "SELECT * FROM $s.check_integrity()"), '', "$name: check_integrity() is empty");
    return;
}

# Does what check_integrity() says about one kind of problem: its hints hold commands that match this expression.
sub follow_hints {
    my ($node, $database, $problem, $command) = @_;
    my $s = schema_of($node, $database);

    $node->safe_psql($database,
        "SELECT substring(hint FROM '$command') FROM $s.check_integrity() WHERE problem = '$problem' \\gexec");
    return;
}

# Every conversation that our filter auto-approved has exactly one sample, or none once it is anonymous, and no other
# has one that is labelled by a model alone. check_integrity() is not asked: it is under test itself.
sub samples_match {
    my ($node, $database, $name) = @_;
    my $s = schema_of($node, $database);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($node->safe_psql($database, <<"SQL"), '', "$name: one sample for each auto-approved conversation, and no other");
        SELECT c.id, c.filter_outcome, c.review_status, count(s.id), string_agg(s.label_source, ', ')
        FROM (SELECT *, to_jsonb(l) ->> 'anonymised_at' IS NOT NULL AS is_anonymous FROM $s.conversation_logs l) c
        FULL JOIN (SELECT * FROM $s.training_samples WHERE source = 'production') s ON s.conversation_log_id = c.id
        GROUP BY c.id, c.filter_outcome, c.review_status, c.is_anonymous
        HAVING c.id IS NULL
            OR count(s.id) > CASE WHEN c.is_anonymous THEN 0 ELSE 1 END
            OR c.filter_outcome = 'auto-approved' AND NOT c.is_anonymous AND count(s.id) = 0
            OR c.filter_outcome IS DISTINCT FROM 'auto-approved' AND bool_or(s.label_source = 'model')
        ORDER BY 1 LIMIT 10
SQL
    return;
}

# Runs SQL in a connection of its own, which has to fail with this SQLSTATE;
# returns what psql said. Options: user => a role.
sub sqlstate_is {
    my ($node, $database, $sql, $sqlstate, $name, %option) = @_;
    my ($status, $stdout, $stderr) = $node->psql(
        $database,
        "\\set VERBOSITY verbose\n$sql",
        extra_params => [ defined $option{user} ? ('-U', $option{user}) : () ]
    );

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($got) = $stderr =~ /ERROR:  ([0-9A-Z]{5}):/;
    is($got // "success: $stdout $stderr", $sqlstate, $name) or diag $stderr;
    return $stderr;
}

# Runs a client program; returns whether it succeeded, and what it said.
sub run_program {
    my (@command) = @_;
    my ($stdout, $stderr) = ('', '');
    my $succeeded = IPC::Run::run(\@command, '<', \undef, '>', \$stdout, '2>', \$stderr,
        IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

    note "@command\n$stdout$stderr";
    return ($succeeded, $stdout, $stderr);
}

# Waits until processes have ended. One that nobody buries (the first process of a container may not) has ended, too.
sub wait_for_end {
    my (@pids) = @_;

    for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default) {
        @pids = grep { kill(0, $_) && !_is_zombie($_) } @pids;
        return 1 if !@pids;
        select undef, undef, undef, 0.1;
    }
    diag "still running: @pids";
    return 0;
}

sub _is_zombie {
    my ($pid) = @_;

    open my $file, '<', "/proc/$pid/stat" or return 0;
    my $line = <$file> // '';
    return $line =~ /^\d+ \(.*\) Z/s;
}

1;
