# Store.pm - what the stand-in for Label Studio holds, and the shapes in which Label Studio 1.23 shows it.

package TW::LabelStudioStub::Store;

use strict;
use warnings;

use JSON::PP ();
use List::Util qw(max sum0 uniq);
use POSIX ();
use Time::HiRes ();
use Time::Local qw(timegm);

use constant { TRUE => JSON::PP::true, FALSE => JSON::PP::false };

sub new {
    my ($class) = @_;
    my $self = bless {
        offset      => 0,        # of our clock against the machine's, in microseconds
        frozen      => undef,
        last        => 0,
        next        => { project => 1, annotation => 1, prediction => 1, view => 1 },
        projects    => {},
        tasks       => {},
        annotations => {},
        views       => {},
        users       => {},
        refuse      => [],
    }, $class;
    $self->add_user(email => 'admin@example.test');
    return $self;
}

# --- the clock -------------------------------------------------------------------------------------------------------

# Microseconds since 1970. No two stamps are equal unless the clock is frozen, so that an order by them is an order.
sub now {
    my ($self) = @_;
    return $self->{frozen} if defined $self->{frozen};
    my $now = int(Time::HiRes::time() * 1_000_000) + $self->{offset};
    $now = $self->{last} + 1 if $now <= $self->{last};
    return $self->{last} = $now;
}

sub advance_clock {
    my ($self, $seconds) = @_;
    $self->{offset} += int($seconds * 1_000_000);
    $self->{last} = 0;
    return stamp($self->now);
}

sub freeze_clock {
    my ($self, $stamp) = @_;
    $self->{frozen} = defined $stamp ? microseconds($stamp) : undef;
    return;
}

# As Django REST framework writes it: no fraction where it is zero.
sub stamp {
    my ($time) = @_;
    return unless defined $time;
    my $fraction = $time % 1_000_000;
    my $seconds  = POSIX::strftime('%Y-%m-%dT%H:%M:%S', gmtime(($time - $fraction) / 1_000_000));
    return $seconds . ($fraction ? sprintf('.%06dZ', $fraction) : 'Z');
}

sub microseconds {
    my ($text) = @_;
    $text =~ /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?Z$/ or die "not a time stamp: $text\n";
    return timegm($6, $5, $4, $3, $2 - 1, $1) * 1_000_000 + substr(($7 // 0) . '000000', 0, 6);
}

sub _time_or_now {
    my ($self, $stamp) = @_;
    return defined $stamp ? microseconds($stamp) : $self->now;
}

# --- users and projects ----------------------------------------------------------------------------------------------

sub add_user {
    my ($self, %user) = @_;
    my $id = 1 + keys %{ $self->{users} };
    $self->{users}{$id} = {
        id                  => $id,
        first_name          => $user{first_name} // '',
        last_name           => $user{last_name}  // '',
        username            => $user{username}   // '',
        email               => $user{email}      // "user$id\@example.test",
        last_activity       => stamp($self->now),
        date_joined         => stamp($self->now),
        custom_hotkeys      => {},
        avatar              => undef,
        initials            => substr($user{email} // 'us', 0, 2),
        phone               => '',
        active_organization => 1,
        active_organization_meta => { title => 'Label Studio', email => 'admin@example.test' },
        allow_newsletters        => undef,
    };
    return $id;
}

my %PROJECT_DEFAULTS = (
    description => '', label_config => '<View></View>', expert_instruction => '', show_instruction => FALSE,
    show_skip_button => TRUE, enable_empty_annotation => TRUE, show_annotation_history => FALSE, organization => 1,
    color => '#FFFFFF', maximum_annotations => 1, is_published => FALSE, model_version => '', is_draft => FALSE,
    min_annotations_to_start_training => 0, start_training_on_annotation_update => FALSE,
    show_collab_predictions => TRUE, sampling => 'Sequential sampling', show_ground_truth_first => FALSE,
    annotator_evaluation_enabled => FALSE, show_overlap_first => FALSE, overlap_cohort_percentage => 100,
    task_data_login => undef, task_data_password => undef, evaluate_predictions_automatically => FALSE,
    skip_queue => 'REQUEUE_FOR_OTHERS', reveal_preannotations_interactively => FALSE, pinned_at => undef,
    config_suitable_for_bulk_annotation => TRUE, state => undef, title => '',
);

sub create_project {
    my ($self, %given) = @_;
    my $id = $self->{next}{project}++;
    my $project = $self->{projects}{$id} = { %PROJECT_DEFAULTS, id => $id, created => $self->now };
    $self->edit_project($id, %given);
    return $id;
}

sub edit_project {
    my ($self, $id, %given) = @_;
    exists $PROJECT_DEFAULTS{$_} and $self->{projects}{$id}{$_} = $given{$_} for keys %given;
    return;
}

sub delete_project {
    my ($self, $id) = @_;
    delete $self->{projects}{$id} or return 0;
    $self->delete_task($_->{id}) for $self->tasks_of($id);
    delete @{ $self->{views} }{ grep { $self->{views}{$_}{project} == $id } keys %{ $self->{views} } };
    return 1;
}

sub project_json {
    my ($self, $id) = @_;
    my %project = %{ $self->{projects}{$id} };
    my @tasks   = $self->tasks_of($id);
    my ($user)  = map { +{ %$_{qw(id first_name last_name email avatar)} } } $self->{users}{1};
    my $done    = grep { $self->_counts($_)->{is_labeled} } @tasks;

    return {
        %project{ keys %PROJECT_DEFAULTS },
        id                         => $id,
        created_at                 => stamp($project{created}),
        created_by                 => $user,
        task_number                => scalar @tasks,
        finished_task_number       => $done,
        num_tasks_with_annotations => scalar(grep { $self->_counts($_)->{total} } @tasks),
        useful_annotation_number   => sum0(map { $self->_counts($_)->{total} } @tasks),
        total_annotations_number   => sum0(map { $self->_counts($_)->{total} } @tasks),
        skipped_annotations_number => sum0(map { $self->_counts($_)->{cancelled} } @tasks),
        total_predictions_number   => sum0(map { scalar @{ $_->{predictions} } } @tasks),
        ground_truth_number        => 0,
        queue_total                => scalar @tasks,
        queue_done                 => $done,
        control_weights            => {},
        parsed_label_config        => {},
        config_has_control_tags    => $project{label_config} =~ /toName=/ ? TRUE : FALSE,
    };
}

sub add_view {
    my ($self, $project, $data) = @_;
    my $id = $self->{next}{view}++;
    return $self->{views}{$id} = { id => $id, data => $data // {}, order => 0, user => 1, project => $project };
}

sub views_of {
    my ($self, $project) = @_;
    my $views = $self->{views};
    return grep { !defined $project || $_->{project} == $project } map { $views->{$_} } sort { $a <=> $b } keys %$views;
}

# --- tasks -----------------------------------------------------------------------------------------------------------

sub tasks_of {
    my ($self, $project) = @_;
    my $tasks = $self->{tasks};
    return grep { !defined $project || $_->{project} == $project } map { $tasks->{$_} } sort { $a <=> $b } keys %$tasks;
}

sub refuse_items {
    my ($self, %pattern) = @_;
    push @{ $self->{refuse} }, map { [ $_, qr/$pattern{$_}/ ] } keys %pattern;
    return;
}

# What is wrong with an item of an import: what the test told us to refuse, else a missing value of the configuration.
sub _complaint {
    my ($self, $project, $data) = @_;
    for (@{ $self->{refuse} }) {
        my ($field, $pattern) = @$_;
        return "\"$field\" is refused"
            if defined $data->{$field} && !ref $data->{$field} && $data->{$field} =~ $pattern;
    }
    for my $tag ($self->{projects}{$project}{label_config} =~ /<\w+\s[^<>]*/g) {
        my ($key) = $tag =~ /\svalue="\$(\w+)"/ or next;
        return "\"$key\" key is expected in task data [assume: item[\"data\"] = task root with values]"
            if $tag =~ /\sname="/ && !exists $data->{$key};
    }
    return;
}

# One entry for each item, empty where the item is right; nothing at all if all are. Like the real server it gives up at
# the first wrong item beyond the hundredth, and the hundredth entry then says so.
sub complaints {
    my ($self, $project, $items) = @_;
    my $bad = 0;
    my @list;
    for my $i (0 .. $#$items) {
        my $item = $items->[$i];
        my $data = ref $item->{data} eq 'HASH' ? $item->{data} : $item;
        my $what = $self->_complaint($project, $data);
        $bad++ if defined $what;
        push @list, defined $what ? "Error at item $i: $what :: " . JSON::PP->new->canonical->encode($item) : {};
        next if !defined $what || @list < 100;
        $list[99] = '...';
        last;
    }
    return $bad ? \@list : undef;
}

# Numbers are the highest there is plus one, as on SQLite: those of deleted tasks come back.
sub import_tasks {
    my ($self, $project, $items) = @_;
    my $last     = max(0, keys %{ $self->{tasks} });
    my $inner_id = max(0, map { $_->{inner_id} } $self->tasks_of($project));
    my $own      = $self->{projects}{$project} or die "no project $project\n";
    my @ids;

    for my $item (@$items) {
        my $now = $self->now;
        my $id  = ++$last;
        my $task = $self->{tasks}{$id} = {
            id => $id, inner_id => ++$inner_id, project => $project + 0, created => $now, updated => $now,
            data        => ref $item->{data} eq 'HASH' ? $item->{data} : $item,
            meta        => ref $item->{data} eq 'HASH' ? $item->{meta} // {} : {},
            overlap     => $own->{maximum_annotations},
            predictions => [], annotations => [],
        };
        for (@{ ref $item->{data} eq 'HASH' ? $item->{predictions} // [] : [] }) {
            push @{ $task->{predictions} }, $self->_prediction($task, $_);
            $own->{model_version} = $_->{model_version} if $own->{model_version} eq '' && defined $_->{model_version};
        }
        push @ids, $id;
    }
    return \@ids;
}

sub _prediction {
    my ($self, $task, $given) = @_;
    my $now = stamp($self->now);
    return {
        id => $self->{next}{prediction}++, result => $given->{result}, score => $given->{score} // 0.0,
        model_version => $given->{model_version} // 'undefined', created_ago => "0\x{a0}minutes", cluster => undef,
        neighbors => undef, mislabeling => 0.0, created_at => $now, updated_at => $now, model => undef,
        model_run => undef, task => $task->{id}, project => $task->{project},
    };
}

sub edit_task {
    my ($self, $id, %given) = @_;
    my $task = $self->{tasks}{$id} or die "no task $id\n";
    exists $given{$_} and $task->{$_} = $given{$_} for qw(data meta);
    $task->{updated} = $self->_time_or_now($given{updated_at});
    return;
}

sub delete_task {
    my ($self, $id) = @_;
    my $task = delete $self->{tasks}{$id} or return 0;
    delete $self->{annotations}{ $_->{id} } for @{ $task->{annotations} };
    return 1;
}

sub _counts {
    my ($self, $task) = @_;
    my @valid     = grep { !$_->{was_cancelled} } @{ $task->{annotations} };
    my $cancelled = @{ $task->{annotations} } - @valid;
    my $skip      = $self->{projects}{ $task->{project} }{skip_queue} eq 'IGNORE_SKIPPED';
    my @counting  = $skip ? @{ $task->{annotations} } : @valid;
    my @done      = uniq map { $_->{completed_by} } grep { defined $_->{result} } @counting;
    return { total => scalar @valid, cancelled => $cancelled, is_labeled => @done >= $task->{overlap} ? TRUE : FALSE };
}

# A task as the list of tasks shows it with fields=all; without, some of it is missing and some of it empty.
sub task_json {
    my ($self, $task, %option) = @_;
    my @annotations = @{ $task->{annotations} };
    my $counts      = $self->_counts($task);
    my @people      = uniq map { $_->{completed_by} } @annotations;
    my %json        = (
        %$task{qw(id inner_id data meta overlap project)},
        created_at => stamp($task->{created}), updated_at => stamp($task->{updated}),
            is_labeled => $counts->{is_labeled},
        total_annotations => $counts->{total}, cancelled_annotations => $counts->{cancelled},
        total_predictions => scalar @{ $task->{predictions} }, drafts => [], annotators => [],
            annotations_results => '',
        predictions_results => '', file_upload => undef, storage_filename => undef, annotations_ids => '',
        predictions_model_versions => '', comment_count => 0, unresolved_comment_count => 0,
        last_comment_updated_at => undef, comment_authors => [],
        updated_by => [ map { { user_id => $_ + 0 } } $task->{updated_by} // () ],
    );
    return \%json unless $option{all};

    my @scores = map { $_->{score} } @{ $task->{predictions} };
    my @lead   = grep { defined } map { $_->{lead_time} } @annotations;
    return {
        %json,
        annotations     => [ map { $self->annotation_json($_, people => $option{people}) } @annotations ],
        predictions     => $task->{predictions},
        annotators      => [ map { $_ + 0 } @people ],
        annotations_ids => join(',', map { $_->{id} } @annotations),
        completed_at    => $counts->{is_labeled} ? stamp(max(map { $_->{created} } @annotations)) : undef,
        predictions_score          => @scores ? sum0(@scores) / @scores : undef,
        predictions_model_versions => join(',', uniq map { $_->{model_version} } @{ $task->{predictions} }),
        avg_lead_time              => @lead ? sum0(@lead) / @lead : undef,
        draft_exists               => FALSE,
    };
}

# --- annotations -----------------------------------------------------------------------------------------------------

sub annotate {
    my ($self, $task_id, %given) = @_;
    my $task       = $self->{tasks}{$task_id} or die "no task $task_id\n";
    my $now        = $self->_time_or_now($given{updated_at});
    my $annotation = {
        id           => $self->{next}{annotation}++,
        task         => $task_id + 0,
        project      => $task->{project},
        created      => $now,
        completed_by => 1,
        updated_by   => 1,
        result       => [],
    };
    $self->{annotations}{ $annotation->{id} } = $annotation;
    push @{ $task->{annotations} }, $annotation;
    $self->_change_annotation($annotation, $now, updated_by => $given{completed_by} // 1, %given);
    return $self->annotation_json($annotation);
}

sub _change_annotation {
    my ($self, $annotation, $now, %given) = @_;
    exists $given{$_} and $annotation->{$_} = $given{$_}
        for qw(result was_cancelled completed_by updated_by ground_truth lead_time parent_prediction);
    $annotation->{updated} = $now;

    # A moment later in the real server, which saves the task after the annotation; the same where the test says when.
    my $task = $self->{tasks}{ $annotation->{task} };
    $task->{updated}    = defined $given{updated_at} ? $now : $self->now;
    $task->{updated_by} = $annotation->{updated_by};
    return;
}

sub edit_annotation {
    my ($self, $id, %given) = @_;
    my $annotation = $self->{annotations}{$id} or die "no annotation $id\n";
    $self->_change_annotation($annotation, $self->_time_or_now($given{updated_at}), %given);
    return $self->annotation_json($annotation);
}

sub delete_annotation {
    my ($self, $id, %given) = @_;
    my $annotation = delete $self->{annotations}{$id} or return 0;
    my $task = $self->{tasks}{ $annotation->{task} };
    @{ $task->{annotations} } = grep { $_->{id} != $id } @{ $task->{annotations} };
    $task->{updated} = $self->_time_or_now($given{updated_at});
    return 1;
}

sub annotation_json {
    my ($self, $annotation, %option) = @_;
    my $by   = $annotation->{completed_by};
    my $user = $self->{users}{$by} // { email => '', id => $by };

    return {
        %$annotation{qw(id task project result lead_time parent_prediction)},
        completed_by     => $option{people} ? { %$user{qw(id first_name last_name avatar email initials)} } : $by + 0,
        updated_by       => $annotation->{updated_by} + 0,
        created_username => " $user->{email}, $by",
        created_ago      => "0\x{a0}minutes",
        was_cancelled    => $annotation->{was_cancelled} ? TRUE : FALSE,
        ground_truth     => $annotation->{ground_truth}  ? TRUE : FALSE,
        created_at       => stamp($annotation->{created}),
        updated_at       => stamp($annotation->{updated}),
        bulk_created     => FALSE,
        map { $_ => undef } qw(draft_created_at import_id last_action parent_annotation last_created_by)
    };
}

1;
