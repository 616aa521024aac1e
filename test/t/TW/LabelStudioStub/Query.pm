# Query.pm - filters and ordering of the list of tasks, as far as the stand-in for Label Studio knows them.

package TW::LabelStudioStub::Query;

use strict;
use warnings;

use JSON::PP ();

use TW::LabelStudioStub::Store;

my $JSON = JSON::PP->new->utf8->canonical->allow_nonref;

# Against a single value; both sides have been brought to the same kind.
my %COMPARE = (
    equal            => sub { $_[0] == 0 },
    not_equal        => sub { $_[0] != 0 },
    less             => sub { $_[0] < 0 },
    less_or_equal    => sub { $_[0] <= 0 },
    greater          => sub { $_[0] > 0 },
    greater_or_equal => sub { $_[0] >= 0 },
);

# Api.pm, which uses this file, has the shape of errors.
sub _refuse {
    my ($detail) = @_;
    die TW::LabelStudioStub::Api::error(500, $detail);
}

sub select_tasks {
    my ($store, $project, $text) = @_;
    my $query = _parse($text);
    my $items = $query->{filters}{items} // [];
    my $any   = ($query->{filters}{conjunction} // 'and') eq 'or';
    my @tests = map { _test($_) } @$items;
    my @tasks;

    for my $task ($store->tasks_of($project)) {
        my $hits = grep { $_->(_column($store, $task)) } @tests;
        push @tasks, $task if !@tests || ($any ? $hits > 0 : $hits == @tests);
    }
    return _ordered($store, \@tasks, ($query->{ordering} // [])->[0]);
}

# The real server decodes percent signs a second time: a client that does not reckon with that shall find out.
sub _parse {
    my ($text) = @_;
    return {} if !defined $text || $text eq '';
    utf8::encode($text);
    $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    my $query = eval { $JSON->decode($text) };
    _refuse('Expected object or value') if ref $query ne 'HASH';
    return $query;
}

# A sub that gives the values of a task's columns by their names.
sub _column {
    my ($store, $task) = @_;
    return sub {
        my ($name) = @_;
        return $task->{data}{$1} if $name =~ /^data\.(.+)$/;
        return $task->{updated} if $name eq 'updated_at';
        return $task->{created} if $name eq 'created_at';
        return $task->{$name} if $name =~ /^(?:id|inner_id)$/;
        return scalar @{ $task->{predictions} } if $name eq 'total_predictions';
        my $counts = $store->_counts($task);
        return $counts->{total}     if $name eq 'total_annotations';
        return $counts->{cancelled} if $name eq 'cancelled_annotations';
        return _refuse("Cannot resolve keyword '$name' into field.");
    };
}

# A sub that says whether a task, seen through its columns, passes the filter.
sub _test {
    my ($item) = @_;
    my @missing = grep { !exists $item->{$_} } qw(filter operator type value);
    _refuse(@missing . " validation errors for PrepareParams\nfilters.items.0.$missing[0]\n  Field required")
        if @missing;

    my ($operator, $type, $value) = @$item{qw(operator type value)};
    my ($name) = $item->{filter} =~ /^filter:tasks:(.+)$/
        or _refuse("Cannot resolve keyword '$item->{filter}' into field.");
    my $compare = $COMPARE{$operator};
    my $order   = _order($name, $type);

    return sub { my $own = $_[0]->($name); defined $own && $compare->($order->($own, $value)) }
        if $compare && !ref $value;
    if ($operator =~ /^(not_)?in_list$/ && ref $value eq 'ARRAY') {
        my $not = $1;
        return sub {
            my $own = $_[0]->($name);
            my $in = defined $own && grep { $order->($own, $_) == 0 } @$value;
            return $not ? !$in : $in;
        };
    }
    return sub { index(lc($_[0]->($name) // ''), lc $value) >= 0 } if $operator eq 'contains' && !ref $value;
    return _refuse("the stub does not know the operator $operator for $name");
}

# How a column is compared: time stamps by their only format, data as
# JSON (the number 5 is not "5"), the rest as numbers.
sub _order {
    my ($name, $type) = @_;
    if ($type eq 'Datetime') {
        return sub {
            my ($own, $value) = @_;
            _refuse("time data '$value' does not match format '%Y-%m-%dT%H:%M:%S.%fZ'")
                if $value !~ /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z$/;
            return $own <=> TW::LabelStudioStub::Store::microseconds($value);
        };
    }
    return sub { $JSON->encode($_[0]) cmp $JSON->encode($_[1]) } if $name =~ /^data\./;
    return sub {
        my ($own, $value) = @_;
        _refuse("Field '$name' expected a number but got '$value'.") if $value !~ /^-?\d+(?:\.\d+)?$/;
        return $own <=> $value;
    };
}

# Only the first of the given orderings counts, as there. Equal ones stay in the order of their numbers.
sub _ordered {
    my ($store, $tasks, $ordering) = @_;
    my ($minus, $name) = ($ordering // 'tasks:id') =~ /^(-?)tasks:(.+)$/ or _refuse("bad ordering $ordering");
    my @keyed = map { [ $_, _column($store, $_)->($name) ] } @$tasks;

    # Rows without a value come last.
    @keyed = sort {
        defined $a->[1] && defined $b->[1]
            ? ($name =~ /^data\./ ? $a->[1] cmp $b->[1] : $a->[1] <=> $b->[1]) * ($minus ? -1 : 1)
            : defined($b->[1]) <=> defined($a->[1])
    } @keyed;
    return map { $_->[0] } @keyed;
}

1;
