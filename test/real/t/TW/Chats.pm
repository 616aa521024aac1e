# Chats.pm - conversations for tests with a real Label Studio, and what its tests share.
#
# The messages are English, Hindi and Hinglish, with entities over Devanagari,
# emoji outside of the BMP and combining marks.

package TW::Chats;

use strict;
use warnings;
use utf8;

use Exporter 'import';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use TW::LabelStudio;
use TW::Util;

our @EXPORT =
    qw(conversations capture masked shown entities_of other_spans said moment rows states snapshot call all_alike);

my $json  = JSON::PP->new->utf8->canonical->allow_nonref;
my $ascii = JSON::PP->new->ascii->canonical->allow_nonref;

my $phone = '98765 43210';
my @foods =
    ('veg pizza', 'पनीर टिक्का', "cafe\x{301} latte", '🍕🍔', 'समोसे', 'dal makhani', "👨\x{200d}🍳 thali", 'क्षीर');
my @places  = ('Kothrud', 'कोथरुड', 'Baner', 'पुणे स्टेशन', '🏠 ghar', "Poo\x{302}na");
my @phrases = (
    'Where is my <food>, ordered for <place>? Ticket <n>',
    'मुझे <place> में <food> चाहिए (<n>)',
    'Bhai <food> kab aayega <place> mein? #<n>',
    "<food> 🍽\x{fe0f} nahin mila 👎🏽 <place> no. <n>",
    "Hello,\r\n<food> please\r\nto <place>.\rNo. <n>, thanks",
    'Call me on <phone> about <food>: <n>',
    "E\x{301}clair ya <food>? क्षि <place> <n>",
    '50% off on <food> "today" & <place> <b>? \\ <n>'
);
my @intents = ('intent.food.item.search', 'intent.food.order.track', 'intent.parcel.track', 'intent.food.order.रद्द');

# The text with its values, and where they are.
sub _compose {
    my ($phrase, %value) = @_;
    my ($text, @spans) = ('');
    for my $part (split /(<(?:food|place|phone|n)>)/, $phrase) {
        my ($name) = $part =~ /^<(food|place|phone|n)>$/;
        push @spans, [ length $text, length($text) + length $value{$name}, $name ] if $name && $name ne 'n';
        $text .= $name ? $value{$name} : $part;
    }
    return ($text, \@spans);
}

sub _conversation {
    my ($n) = @_;
    my %value = (food => $foods[ ($n >> 1) % @foods ], place => $places[ $n % @places ], phone => $phone, n => $n);
    my ($text, $spans) = _compose($phrases[ $n % @phrases ], %value);

    # A label may have either of three names.
    my $key = ('label', 'entity', 'type')[ $n % 3 ];
    my $entities = [
        map { {
                start => $_->[0], end => $_->[1], $key => $_->[2], score => 0.875,
                value => substr($text, $_->[0], $_->[1] - $_->[0])
        } } @$spans
    ];
    push @$entities, { label => 'mood', value => 'angry' }, { start => 0, end => 9999, label => 'food' }
        if $n % 13 == 0;
    ($entities, $spans) = (undef, []) if $n % 17 == 0;
    ($entities, $spans) = ({ food => "pizza $phone" }, []) if $n % 19 == 0;

    my ($intent, $provider, $module) = ($intents[ $n % @intents ], 'indicbert', undef);
    my $confidence = (0.31, 0.5, 0.69, 0.72, 0.84, undef, 1.7, 0.99, 0.4)[ $n % 9 ];
    $provider = 'llm' if $n % 9 == 7;
    $intent   = undef if $n % 9 == 8;
    ($intent, $confidence, $module, $provider) = ($intents[0], 0.95, 'audited', 'indicbert') if $n % 11 == 3;
    return {
        id              => $n,
        session_id      => "sid7731-$n",
        user_id         => "uid7731-$n",
        phone_number    => '98200771' . $n % 100,
        user_message    => $text,
        nlu_intent      => $intent,
        nlu_confidence  => $confidence,
        nlu_provider    => $provider,
        nlu_module_type => $module,
        nlu_entities    => $entities,
        response_text   => $n % 5 ? undef : "We call you on $phone 🙏",
        spans           => $spans
    };
}

# What of them must not leave the database.
use constant PRIVATE => qr/uid7731|sid7731|98200771|98765 ?43210/;

sub conversations {
    my ($first, $last) = @_;
    return map { _conversation($_) } $first .. $last;
}

# Puts conversations into a database in which those of module "audited" are audited, and no others.
sub capture {
    my ($node, $database, @conversations) = @_;
    my $columns = 'id bigint, session_id text, user_id text, phone_number text, user_message text, nlu_intent text, '
        . 'nlu_confidence float8, nlu_provider text, nlu_module_type text, nlu_entities jsonb, response_text text';
    my $names = join ', ', map { (split)[0] } split /, /, $columns;
    my $list  = $ascii->encode(\@conversations);
    $node->safe_psql($database, <<"SQL");
        INSERT INTO review_policies (module_type, audit_rate_approved, audit_rate_review)
            SELECT * FROM (VALUES (NULL, 0, 0), ('audited', 1, 1)) AS x WHERE NOT EXISTS (SELECT FROM review_policies);
        INSERT INTO conversation_logs ($names) SELECT $names
                                               FROM jsonb_to_recordset(\$json\$$list\$json\$) AS x ($columns);
        SELECT setval('conversation_logs_id_seq', max(id)) FROM conversation_logs;
SQL
    return;
}

sub masked {
    my ($thing) = @_;
    (my $text = $json->encode($thing)) =~ s/$phone/00000 00000/g;
    return $json->decode($text);
}

# A message as people see it over there.
sub shown {
    my ($message) = @_;
    (my $text = masked($message)) =~ s/\r\n/ \n/g;
    return $text =~ tr/\r/\n/r;
}

# The entities of a conversation after somebody marked these spans: those that the model
# had found stay as they were, and so does what nobody can see.
sub entities_of {
    my ($c, @spans) = @_;
    my (%had, @unseen);
    for my $entity (ref $c->{nlu_entities} eq 'ARRAY' ? @{ $c->{nlu_entities} } : ()) {
        my $label   = $entity->{label} // $entity->{entity} // $entity->{type};
        my $is_span = defined $entity->{start} && $entity->{end} <= length $c->{user_message};
        $had{"$entity->{start} $entity->{end} $label"} = $entity if $is_span;
        push @unseen, $entity if !$is_span;
    }
    my $text   = masked($c->{user_message});
    my @marked = sort { $a->[0] <=> $b->[0] || $a->[1] <=> $b->[1] || $a->[2] cmp $b->[2] } @spans;
    my $new    = sub {
        my ($start, $end, $label) = @_;
        return { start => $start, end => $end, label => $label, value => substr $text, $start, $end - $start };
    };
    return masked([ (map { $had{"@$_"} // $new->(@$_) } @marked), @unseen ]);
}

# Other spans than a conversation has: without the first one, with one that ends
# with the text, and one that is its first two characters.
sub other_spans {
    my ($c) = @_;
    my $length = length $c->{user_message};
    my ($first, @rest) = @{ $c->{spans} };
    return [ @rest, [ $length - 4, $length, 'drink' ], [ 0, 2, 'ज़िला' ] ];
}

# The result of an annotation, with the controls that only this project has.
sub said {
    my (%said) = @_;
    my @result = @{ TW::LabelStudio::result(%said) };
    my %more   = (reject_reason => [ choices => 'choices' ], new_intent => [ textarea => 'text' ]);
    for my $name (grep { defined $said{$_} } sort keys %more) {
        my ($type, $key) = @{ $more{$name} };
        push @result,
            { from_name => $name, to_name => 'utterance', type => $type, value => { $key => [ $said{$name} ] } };
    }
    return (result => \@result);
}

# A time of Label Studio, with its fraction.
sub moment {
    my ($time) = @_;
    return $time =~ s/(:\d\d)Z$/$1.000000Z/r;
}

# The rows of a query, as hashes.
sub rows {
    my ($node, $database, $query) = @_;
    return
        @{ $json->decode($node->safe_psql($database, "SELECT coalesce(jsonb_agg(to_jsonb(x)), '[]') FROM ($query) x"))
        };
}

# Everything that a verdict may change, by conversation.
sub states {
    my ($node, $database) = @_;
    my %state = map { delete $_->{id} => $_ } rows($node, $database, <<'SQL');
        SELECT c.id, c.review_status, c.review_priority,
            (SELECT jsonb_build_object('text', s.text, 'intent', s.intent, 'entities', s.entities,
                                       'reviewed_by', s.reviewed_by, 'label_source', s.label_source,
                                       'review_status', s.review_status)
             FROM training_samples s WHERE s.conversation_log_id = c.id) AS sample,
            (SELECT count(*) FROM review_events e WHERE e.conversation_log_id = c.id) AS events,
            (SELECT jsonb_build_object('action', e.action, 'intent', e.intent, 'entities', e.entities, 'note', e.note,
                        'reject_reason', e.reject_reason, 'reviewer', e.reviewer, 'from_status', e.from_status,
                        'to_status', e.to_status, 'previous_intent', e.details -> 'previous_intent',
                        'there', (e.details -> 'labelstudio') - 'given_at',
                        'given_at', to_char((e.details -> 'labelstudio' ->> 'given_at')::timestamptz AT TIME ZONE 'UTC',
                                            'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
             FROM review_events e WHERE e.conversation_log_id = c.id ORDER BY e.id DESC LIMIT 1) AS event,
            (SELECT string_agg(concat_ws(' ', t.status, t.error_code), ', ' ORDER BY t.id)
             FROM labelstudio_tasks t WHERE t.conversation_log_id = c.id) AS tasks
        FROM conversation_logs c
SQL
    return \%state;
}

# All that a run of the sync may change.
sub snapshot {
    my ($node, $database) = @_;
    my $rows = dump_rows($node, $database);
    return {
        map { $_ => $rows->{$_} } qw(conversation_logs training_samples review_events review_claims labelstudio_tasks)
    };
}

# Calls a procedure, which has to say nothing; returns how long it took.
sub call {
    my ($node, $database, $procedure, $name) = @_;
    my $start = time;
    my ($status, $out, $err) = $node->psql($database, "CALL $procedure()");
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is("$status$err", '0', $name);
    return time - $start;
}

# Compares two hashes of structures, key by key, in one test.
sub all_alike {
    my ($got, $expected, $name) = @_;
    my %every = (%$got, %$expected);
    my @wrong = grep { !eq_array([ $got->{$_} ], [ $expected->{$_} ]) } sort keys %every;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok(!@wrong, "$name (@{[ scalar keys %every ]} compared)");
    diag scalar(@wrong) . ' differ' if @wrong;
    diag "$_\ngot      " . $ascii->encode($got->{$_}) . "\nexpected " . $ascii->encode($expected->{$_})
        for @wrong > 3 ? @wrong[ 0 .. 2 ] : @wrong;
    return;
}

1;
