# Ledger.pm - what clients asked for and what they were told, in memory, and what of it is in the database.
#
# An entry is the number of rows that a session, a note or a reason has to have: "told" (acknowledged: exactly so
# many), "unknown" (the server died before it answered: so many or none) or "never" (rolled back: none).

package TW::Crash::Ledger;

use strict;
use warnings;

# The kinds, and the query that says what is in the database of each: name, rows, different rows, smallest id.
my %found = (
    conversation => q{SELECT session_id, count(*),
            count(DISTINCT coalesce(metadata ->> 'number', user_message)), min(id)
        FROM conversation_logs GROUP BY 1},
    event => q{SELECT note, count(*), count(DISTINCT conversation_log_id), NULL::bigint
        FROM review_events WHERE note IS NOT NULL GROUP BY 1},
    deployment => q{SELECT reason, count(*), count(*), NULL::bigint FROM model_deployments
        WHERE reason LIKE 'crash %' GROUP BY 1},
    sample => q{SELECT split_part(text, ',', 1), count(*), count(DISTINCT text), NULL::bigint
        FROM training_samples WHERE conversation_log_id IS NULL AND text LIKE 'import %,%' GROUP BY 1},
    request => q{SELECT parameters ->> 'request', count(*), count(*), NULL::bigint FROM training_jobs
        WHERE parameters ? 'request' GROUP BY 1},
    response => q{SELECT response_text, count(*), count(DISTINCT id), NULL::bigint FROM conversation_logs
        WHERE response_text LIKE 'response %' GROUP BY 1},
    feedback => q{SELECT user_correction, count(*), count(DISTINCT id), NULL::bigint FROM conversation_logs
        WHERE user_correction LIKE 'feedback %' GROUP BY 1},
    policy => q{SELECT intent, count(*), count(*), NULL::bigint FROM review_policies
        WHERE intent LIKE 'intent.fleet.%' GROUP BY 1},
);

sub new {
    my ($class) = @_;
    return bless { entries => { map { $_ => {} } keys %found }, rows => 0 }, $class;
}

# What is asked for, before it is.
sub ask {
    my ($self, $kind, $name, $rows) = @_;
    $self->{entries}{$kind}{$name} //= { rows => $rows, state => 'unknown' };
    return;
}

sub never {
    my ($self, $kind, $name) = @_;
    $self->{entries}{$kind}{$name} = { rows => 0, state => 'never' };
    return;
}

# What was acknowledged; and the smallest of the ids that were given.
sub told {
    my ($self, $kind, $name, $id) = @_;
    my $entry = $self->{entries}{$kind}{$name} or die "nobody asked for $kind $name";
    $self->{rows} += $entry->{rows} if $entry->{state} ne 'told';
    @$entry{qw(state id)} = ('told', $id);
    return;
}

# All entries of a kind of which nobody knows whether they are there.
sub unknown {
    my ($self, $kind, $like) = @_;
    my $entries = $self->{entries}{$kind};
    return grep { $entries->{$_}{state} eq 'unknown' && /$like/ } sort keys %$entries;
}

# Acknowledged rows, of all kinds.
sub rows { return $_[0]{rows} }

# SQL that says what of this kind is not as it has to be.
sub problems {
    my ($self, $kind) = @_;
    my $entries = $self->{entries}{$kind};
    my $list = join ',', map {
        my $entry = $entries->{$_};
        sprintf q{('%s',%d,'%s',%s)}, $_, @$entry{qw(rows state)}, $entry->{id} // 'NULL::bigint'
    } sort keys %$entries;
    $list ||= q{(NULL::text,0,'unknown',NULL::bigint)};
    return <<"SQL";
        SELECT '$kind', e.name, e.state, e.rows, f.rows, f.different
        FROM (VALUES $list) AS e (name, rows, state, id)
        FULL JOIN ($found{$kind}) AS f (name, rows, different, id) USING (name)
        WHERE f.rows <> f.different
           OR e.state IS NULL
           OR e.state = 'told' AND (f.rows IS DISTINCT FROM e.rows OR e.id <> f.id)
           OR e.state = 'unknown' AND f.rows <> e.rows
           OR e.state = 'never' AND f.rows > 0
        ORDER BY 2 LIMIT 10
SQL
}

sub kinds { return sort keys %found }

1;
