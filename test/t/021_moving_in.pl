# 021_moving_in.pl - an application that had tables of its own moves in: beside
# them, with its history, and by search_path alone.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TW::Database;
use TW::Util;

my $node = start_node('main');
my $dir  = PostgreSQL::Test::Utils::tempdir;

# What an import of the application's table says: imported, skipped, ids kept.
sub import_logs {
    my ($database, %option) = @_;
    my $arguments = $option{arguments} // '';
    return $node->safe_psql($database,
        "SELECT imported, skipped, ids_kept FROM training.import_conversations('public.conversation_logs'$arguments)");
}

# As Prisma makes them, from a schema.prisma without a single @map.
$node->safe_psql('postgres', 'CREATE DATABASE shop');
in_database($node, 'shop');
sql(<<'SQL');
    CREATE ROLE chatbot LOGIN;
    CREATE ROLE operator LOGIN;
    CREATE ROLE other LOGIN;
    CREATE TYPE "Status" AS ENUM ('AUTO_APPROVED', 'NEEDS_REVIEW', 'APPROVED', 'PENDING');
    CREATE TABLE conversation_logs (
        id SERIAL PRIMARY KEY, "sessionId" TEXT NOT NULL, "userMessage" TEXT NOT NULL, "nluIntent" TEXT,
        "nluConfidence" DOUBLE PRECISION, "nluProvider" TEXT, status "Status" NOT NULL DEFAULT 'PENDING',
        "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE training_samples (id TEXT PRIMARY KEY, text TEXT NOT NULL, intent TEXT NOT NULL,
                                   "conversationLogId" INTEGER REFERENCES conversation_logs);
    INSERT INTO conversation_logs ("sessionId", "userMessage", "nluIntent", "nluConfidence", "nluProvider", status,
                                   "createdAt")
        SELECT 'session ' || g / 3, 'message ' || g, 'intent.food.order.cancel', g % 100 / 100.0,
               (ARRAY['indicbert', 'llm'])[1 + g % 2],
               (ARRAY['AUTO_APPROVED', 'NEEDS_REVIEW', 'APPROVED', 'PENDING'])[1 + g % 4]::"Status",
               '2026-01-01'::timestamp + g * interval '7 minutes'
        FROM generate_series(1, 3000) g;
    INSERT INTO training_samples SELECT 'cl' || g, 'sample ' || g % 40, 'intent.' || g % 2, g
                                 FROM generate_series(1, 50) g;
    GRANT USAGE ON SCHEMA public TO PUBLIC;
    GRANT INSERT, SELECT, UPDATE ON conversation_logs TO chatbot, other;
    GRANT USAGE ON SEQUENCE conversation_logs_id_seq TO chatbot, other;
    GRANT SELECT ON conversation_logs, training_samples TO operator;
SQL

# The door.
my $refusal =
    sqlstate_is($node, 'shop', 'CREATE EXTENSION training_workflow', '42P07', 'a plain CREATE EXTENSION is refused');
like($refusal, qr/DETAIL:  Already there: "conversation_logs", .*"training_samples"/, 'and says what is in the way');
like($refusal, qr/HINT: .*SCHEMA training.*import_conversations\('public\.conversation_logs'\)/,
    'and names the way in');
my ($install) = $refusal =~ /(CREATE SCHEMA training; CREATE EXTENSION [^;]*;)/;
my ($import)  = $refusal =~ /(SELECT \* FROM training\.import_conversations[^;]*;)/;
sql($install);

# The history, by what the hint says.
sql(q{SELECT training.grant_training_role('chatbot', 'capture'); SELECT training.grant_training_role('operator',
    'operator')});
is(sql_as('operator', $import), '3000|0|0|3000|0|1|3000|{status}', 'the hint imports the history, as an operator');
is(
    sql(q{SELECT count(*), count(DISTINCT (c.id, c.session_id, c.user_message, c.nlu_intent, c.nlu_confidence,
        c.nlu_provider)),
                 count(*) FILTER (WHERE c.created_at = o."createdAt" AT TIME ZONE 'UTC'),
                 count(*) FILTER (WHERE c.metadata = jsonb_build_object('status', o.status))
        FROM training
            . conversation_logs c JOIN public
            . conversation_logs o ON o
            . id = c
            . id AND o
            . "sessionId" =
              c
            . session_id AND o
            . "userMessage" = c
            . user_message
          AND o."nluIntent" = c.nlu_intent AND o."nluConfidence" = c.nlu_confidence
              AND o."nluProvider" = c.nlu_provider}),
    '3000|3000|3000|3000',
    'every row is there as it was'
);
is(sql('SELECT count(*) FROM training.training_samples'), 0, 'none was promoted');
is(sql('SELECT labels FROM training.live_accuracy(NULL, NULL)'), '0', 'none counts in an estimate');
is(sql('SELECT sum(conversations) FROM training.daily_training_stats'), '3000', 'all of them count in their days');
is(import_logs('shop'), '0|3000|0', 'imported again: nothing');
sql(q{INSERT INTO conversation_logs ("sessionId", "userMessage") SELECT 'late', 'late ' || g FROM generate_series(1,
    10) g});
is(import_logs('shop'), '10|3000|10', 'after new rows: those alone');

# Another reading of the status, in another database that is given up again.
$node->safe_psql('postgres', 'CREATE DATABASE trial TEMPLATE shop');
$node->safe_psql('trial', 'TRUNCATE training.conversation_logs, training.imported_conversations');
$node->safe_psql('trial',
    q{SELECT training.import_conversations('public.conversation_logs', '{"review_status": "status"}', 'needs-review')});
is(
    $node->safe_psql('trial', 'SELECT review_status, count(*), count(review_priority), count(metadata)
        FROM training.conversation_logs GROUP BY 1 ORDER BY 1'),
    "approved|750|0|0\nauto-approved|750|0|0\nneeds-review|1510|1510|760",
    'a status by another name is understood, and one that is none of ours is kept beside'
);
is($node->safe_psql('trial', 'SELECT count(*) FROM training.training_queue'), '1510', 'what needs review waits');
integrity_is_empty($node, 'trial', 'trial');

# The labelled texts, as doc/moving-in.md says.
is(
    sql(q{SELECT inserted, existing, conflicting FROM training.import_training_samples(
              (SELECT string_agg(jsonb_build_object('text', text, 'intent', intent)::text, E'\n')
                  FROM public.training_samples), 'manual')}),
    '40|10|0',
    'labelled texts come as JSONL'
);

# The application is turned round by search_path alone.
my $insert   = q{INSERT INTO conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider)
    VALUES ('%s', 'hi', 'intent.general.greeting', 0.95, 'indicbert')};
my $is_ours  = sub { my ($session) = @_; return sql("SELECT count(*), count(filtered_at), min(review_status)
    FROM training.conversation_logs WHERE session_id = '$session'") };
my ($status) = $node->psql('shop', sprintf($insert, 'before'), extra_params => [ '-U', 'chatbot' ]);
is($status, 3, 'before, its new statements meet the old table');
my $open = $node->background_psql('shop', extra_params => [ '-U', 'chatbot' ]);
is($open->query_safe(q{PREPARE old AS SELECT count(*) FROM conversation_logs WHERE id = -1; EXECUTE old}), '0',
    'a session from before reads the old table');

sql('ALTER ROLE chatbot SET search_path = training, public');
sql_as('chatbot', sprintf($insert, 'role'));
is($is_ours->('role'), '1|1|auto-approved', 'per role: an unqualified INSERT is captured');
like(sql_as('chatbot', sprintf($insert, 'role') . ' RETURNING id'), qr/^\d+$/, 'per role: and returns its id');
is($is_ours->('role'), '2|2|auto-approved', 'per role: both are there');
is(
    sql_as('chatbot', 'PREPARE capture (text, text) AS INSERT INTO conversation_logs (session_id, user_message)
        VALUES ($1, $2) RETURNING id > 3010; '
            . join '; ', (q{EXECUTE capture ('prepared', 'hi')}) x 8),
    join("\n", ('t') x 8),
    'per role: prepared statements, past the plan of its own that each gets at first'
);
is($is_ours->('prepared'), '8|8|needs-review', 'per role: all of them are there');
my $id = sql_as('chatbot', sprintf($insert, 'answered') . ' RETURNING id');
sql_as('chatbot',
    "SELECT record_response($id, 'answered', 'hello', true, 'php'); SELECT record_feedback($id, 'answered', 'negative')"
);
is(sql("SELECT response_text, routed_to, review_reason FROM training.conversation_logs WHERE id = $id"),
    'hello|php|negative feedback', 'reply and feedback reach it, unqualified');
sqlstate_is($node, 'shop', 'SELECT user_message FROM conversation_logs', '42501', 'it reads nobody else\'s',
    user => 'chatbot');
sqlstate_is($node, 'shop',
    q{INSERT INTO conversation_logs (session_id, user_message, review_status) VALUES ('x', 'x', 'approved')}, '42501',
    'and approves nothing', user => 'chatbot');

# A pool's session that was there before goes on with the old table until its own path changes.
is($open->query_safe('SELECT count(*) > 3000 FROM conversation_logs; EXECUTE old'), "t\n0",
    'an open session stays with the old table');
$open->query_safe('SET search_path = training, public');
$open->query_safe(sprintf($insert, 'open'));
is($is_ours->('open'), '1|1|auto-approved', 'until its own search_path is set');
is($open->query_safe(q{PREPARE new AS INSERT INTO conversation_logs (session_id, user_message) VALUES ('open', 'x')
    RETURNING id > 3010; EXECUTE new}), 't', 'and then prepares anew');
$open->quit;

sql_as('other', q{INSERT INTO conversation_logs ("sessionId", "userMessage") VALUES ('still old', 'x')});
sql(q{SELECT training.grant_training_role('other', 'capture'); ALTER DATABASE shop SET search_path = training, public});
sql_as('other', sprintf($insert, 'database') . ' RETURNING id');
is($is_ours->('database'), '1|1|auto-approved', 'per database: the same for a role without a setting');
sql_as('other', q{INSERT INTO public.conversation_logs ("sessionId", "userMessage") VALUES ('still old', 'y')});
my $problems = 'SELECT problem, relation, found, example FROM training.check_integrity()';
is(sql($problems), 'old table that still gets rows|public.conversation_logs|2|3011',
    'check_integrity() reports what went to the old table meanwhile');
sqlstate_is($node, 'shop', q{SELECT training.close_old_table('public.conversation_logs')},
    '55000', 'which is not closed before its rows are imported');
is(import_logs('shop'), '2|3010|0', 'and which is copied too, with new ids, as ours have gone on');

# The last step. No row falls between the last import and the closing.
{
    my $stale  = q{INSERT INTO public.conversation_logs ("sessionId", "userMessage") VALUES ('still old', '%s')};
    my $close  = q{SELECT training.close_old_table('public.conversation_logs')};
    my $writer = $node->background_psql('shop', extra_params => [ '-U', 'other' ]);
    my $pid    = $writer->query_safe('SELECT pg_backend_pid()');
    $writer->query_safe('BEGIN; ' . sprintf($stale, 'z'));
    my $error = sqlstate_is($node, 'shop', "SET lock_timeout = '200ms'; $close",
        '55P03', 'closing waits for a transaction that writes');
    like($error, qr/Session $pid \(role "other"\).*pg_terminate_backend\($pid\)/s, 'and says which one it is');
    $writer->query_safe('COMMIT');
    $error = sqlstate_is($node, 'shop', $close, '55000', 'what it wrote is not imported yet');
    my ($import, $lock) = $error =~ /(SELECT \* FROM training\.import[^;]*;).*(BEGIN; LOCK TABLE [^;]*;)/;
    $import =~ s/\*/imported, skipped/;
    is(sql("$lock $import $close; COMMIT"), "1|3012\nt", 'as the hint says, both are done in one transaction')
        or diag $error;

    # As Prisma does, which qualifies each model with public, whatever the search_path.
    for my $role (qw(other chatbot postgres)) {
        my $user = $role eq 'postgres' ? $node->safe_psql('shop', 'SELECT current_user') : $role;
        my $refused =
            sqlstate_is($node, 'shop', sprintf($stale, 'never'), '55000', "$role can write there no more",
            user => $user);
        like(
            $refused,
            qr/table public\.conversation_logs is closed: .* training\.conversation_logs now.*HINT:  Write to/s,
            "$role is told where to write"
        );
    }
    is($writer->query_safe('SELECT count(*) > 3000 FROM public.conversation_logs'), 't', 'reads go on');
    $writer->quit;
    sql_as('chatbot', sprintf($insert, 'closed'));
    is($is_ours->('closed'), '1|1|auto-approved', 'and so does capture');
}
is(
    sql(q{SELECT count(*), count(DISTINCT c.id) FROM training.imported_conversations i
        JOIN training.conversation_logs c ON c.id = i.conversation_log_id
          JOIN public.conversation_logs o ON o.id = i.source_key::integer AND o."userMessage" = c.user_message}),
    '3013|3013',
    'imported_conversations leads from each old id to the new one'
);
integrity_is_empty($node, 'shop', 'moved in');

# A dump carries what was imported, and that it was.
my $rows = dump_rows($node, 'shop');
for my $format ('plain', 'custom') {
    my @dump = run_program('pg_dump', "-F$format", '-f', "$dir/$format", '-d', $node->connstr('shop'));
    ok($dump[0], "$format: dumped") or diag $dump[2];
    $node->safe_psql('postgres', "CREATE DATABASE $format TEMPLATE template0");
    my @restore = run_program(
        $format eq 'plain'
        ? ('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', "$dir/out", '-d', $node->connstr($format), '-f',
            "$dir/$format")
        : ('pg_restore', '-j2', '-d', $node->connstr($format), "$dir/$format")
    );
    ok($restore[0], "$format: restored") or diag $restore[2];
    is_deeply(dump_rows($node, $format), $rows, "$format: every row is the same");
    is(import_logs($format), '0|3013|0', "$format: and is known there");
    sqlstate_is($node, $format, q{UPDATE public.conversation_logs SET "nluIntent" = 'x'},
        '55000', "$format: the old table is closed there too");
    integrity_is_empty($node, $format, $format);
}

# A dump of the application's schema alone has everything but what belongs to the extension. Data alone is refused by a
# closed table, unless triggers are disabled.
{
    my $count  = 'SELECT count(*) FROM public.conversation_logs';
    my $rows   = sql($count);
    my @dumped = run_program('pg_dump', '-Fc', '-n', 'public', '-f', "$dir/schema", '-d', $node->connstr('shop'));
    ok($dumped[0], 'one schema: dumped') or diag $dumped[2];
    $node->safe_psql('postgres', 'CREATE DATABASE alone TEMPLATE template0');
    my (undef, undef, $errors) = run_program('pg_restore', '-d', $node->connstr('alone'), "$dir/schema");
    my @errors = $errors =~ /^pg_restore: error: (?!could not execute query: ERROR:  schema "public" already)(.*)$/mg;
    is(scalar(grep { !/training_workflow|schema "training" does not exist/ } @errors), 0, 'one schema: no other error')
        or diag $errors;
    is($node->safe_psql('alone', $count), $rows, 'one schema: all rows are there');
    $node->safe_psql('custom', 'DELETE FROM public.training_samples; DELETE FROM public.conversation_logs');
    my @data = ('pg_restore', '-a', '-t', 'conversation_logs', '-n', 'public', '-d', $node->connstr('custom'));
    my @refused = run_program(@data, "$dir/custom");
    like($refused[2], qr/table public\.conversation_logs is closed/, 'data alone: refused');
    my @restored = run_program(@data, '--disable-triggers', "$dir/custom");
    ok($restored[0], 'data alone: restored with triggers disabled') or diag $restored[2];
    is($node->safe_psql('custom', $count), $rows, 'data alone: all rows are there');
    is(
        $node->safe_psql('custom', q{SELECT t.tgenabled, d.deptype FROM pg_trigger t JOIN pg_depend d ON d.objid = t.oid
            AND d.classid = 'pg_trigger'::regclass AND d.refclassid = 'pg_extension'::regclass
            WHERE t.tgname = 'training_workflow_closed'}),
        'O|x', 'and the table is closed again; the trigger goes with the extension'
    );
}

# Four clients capture while 20,000 rows come in, with ids that the clients might get.
{
    my $clients = 4;
    my $each    = 400;
    $node->safe_psql('postgres', 'CREATE DATABASE busy');
    $node->safe_psql('busy', <<'SQL');
        CREATE TABLE public.conversation_logs (id integer PRIMARY KEY, "sessionId" text, "userMessage" text);
        INSERT INTO public.conversation_logs SELECT g, 'old', 'old ' || g FROM generate_series(1, 20000) g;
        CREATE SCHEMA training;
        CREATE EXTENSION training_workflow SCHEMA training;
        ALTER DATABASE busy SET search_path = training, public;
        SELECT training.grant_training_role('chatbot', 'capture');
SQL
    PostgreSQL::Test::Utils::append_to_file("$dir/capture.sql", sprintf($insert, 'busy') . " RETURNING id;\n");
    my $said    = '';
    my $running = IPC::Run::start(
        [ 'pgbench', '-n', '-c', $clients, '-t', $each, '-U', 'chatbot', '-f', "$dir/capture.sql",
            $node->connstr('busy') ],
        '<', \undef, '>&', \$said, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
    $node->poll_query_until('busy', 'SELECT count(*) > 20 FROM training.conversation_logs');
    my ($imported, $skipped) = split /\|/, import_logs('busy');
    is("$imported|$skipped", '20000|0', 'busy: everything is imported');
    ok($running->finish, 'busy: no capture failed') or diag $said;
    like($said, qr{actually processed: (\d+)/\1\b}, 'busy: every one of them is through');
    is(
        $node->safe_psql('busy', "SELECT session_id, count(*) FROM training.conversation_logs GROUP BY 1 ORDER BY 1"),
        'busy|' . $clients * $each . "\nold|20000",
        'busy: nothing is lost or doubled'
    );
    integrity_is_empty($node, 'busy', 'busy');

    # An open import holds nobody up: whoever waited for it would wait for ever.
    $node->safe_psql('busy',
        q{INSERT INTO public.conversation_logs SELECT g, 'old', 'old ' || g FROM generate_series(20001, 25000) g});
    my $import = $node->background_psql('busy');
    my $first = $import->query_safe(
        q{BEGIN; SELECT imported, skipped, ids_kept FROM training.import_conversations('public.conversation_logs')});
    like($first, qr/^5000\|20000\|[1-9]/, 'an import that stays open');
    is(
        $node->safe_psql('busy', "SET lock_timeout = '1s'; " . sprintf($insert, 'during') . " RETURNING id > 25000",
            extra_params => [ '-U', 'chatbot' ]),
        't', 'holds no capture up, which gets a number beyond');

    # The server dies in the middle of it.
    $node->stop('immediate');
    $node->start;
    eval { $import->quit };
    is(import_logs('busy'), $first, 'after a crash the import does it all again, and keeps the same ids');
    is( $node->safe_psql(
            'busy', "SELECT count(*) FROM training.conversation_logs WHERE session_id IN ('old', 'during')"),
        '25001',
        'nothing is lost or doubled');
    integrity_is_empty($node, 'busy', 'after a crash');
}

$node->stop;
done_testing();
