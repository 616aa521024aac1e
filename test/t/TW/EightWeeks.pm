# EightWeeks.pm - the whole loop over eight weeks: 100 conversations a day, then 1,000, of which the truth is known, in
# the database that TW::Database is about.

package TW::EightWeeks;

use strict;
use warnings;

use Exporter 'import';
use File::Basename qw(dirname);
use IPC::Run;
use PostgreSQL::Test::Utils;
use TW::Database;

our @EXPORT = qw(WEEKS eight_weeks_conf load_eight_weeks team_samples day week_script);

# The clock is passed in. It begins in a future that is far off, since what a person does (promote_model, say) happens
# at the real time, and the record of changes goes forward only.
use constant FIRST_DAY => '2040-01-02';
use constant WEEKS     => 8;

my $fixtures = dirname(__FILE__) . '/../../fixtures';

# Lines of postgresql.conf.
sub eight_weeks_conf {
    return "synchronous_commit = off\nmax_wal_size = 4GB\ntraining_workflow.allow_future_times = on\n";
}

# A day, numbered from 0, as an SQL expression.
sub day { my ($number) = @_; return "(DATE '@{[ FIRST_DAY ]}' + $number)" }

# What people do on a day, in the morning.
my %people = (
    # With many conversations a training waits for more of them: else most versions are superseded before it is their
    # turn. And these reviewers, who do 200 a day, half of them of the audit, cannot do what rollouts ask for by
    # default.
    14 => q{SELECT set_training_setting('training_threshold', '3000'), set_training_setting('rollout_audit_rate',
        '0.1');},
    # A spreadsheet is imported whose labels are wrong. Two days later somebody reads why its model was rejected.
    36 => q{SELECT import_training_samples(eight_weeks.spreadsheet(), 'manual');},
    38 => q{UPDATE training_samples SET review_status = 'rejected' WHERE source = 'manual';},
);

# One day: the night's jobs, and then the day in three parts, with a look at the rollout after each.
sub _day_script {
    my ($number) = @_;
    my $day  = day($number);
    my $week = 1 + int($number / 7);
    my $sql  = "CALL daily_training_capture(at => $day + interval '2 hours');\n";

    $sql .= "CALL weekly_model_training(at => $day + interval '3 hours');\n" if $number % 7 == 6;
    $sql .= "CALL run_training_jobs();\n" . ($people{$number} // '') . "\n";
    # Whenever no other is being rolled out; those take five days.
    $sql .= "SELECT eight_weeks.bring_along($day + interval '6 hours');\n" if $number >= 38 && $number < 45;
    for my $hour (6, 12, 18) {
        my ($from, $to) = map { "$day + interval '$_ hours'" } $hour, $hour + 6;
        $sql .= "SELECT eight_weeks.serve($from, $to);\n";
        $sql .= 'SELECT eight_weeks.review(' . ($week <= 2 ? 60 : 200) . ");\n" if $hour == 18;
        $sql .= "CALL check_rollouts($to);\n";
    }
    return $sql;
}

# The jobs, conversations and people of a week, numbered from 1.
sub week_script {
    my ($week) = @_;
    return "SET client_min_messages = warning;\n" . join '', map { _day_script($_) } 7 * ($week - 1) .. 7 * $week - 1;
}

# Loads the stream of messages; returns how many there are.
sub load_eight_weeks {
    my $file = PostgreSQL::Test::Utils::tempdir . '/stream.tsv';
    IPC::Run::run([ $^X, "$fixtures/eight_weeks_stream.pl", FIRST_DAY ], '>', $file) or die "no stream\n";
    sql(slurp_file("$fixtures/eight_weeks.sql"));
    sql("COPY eight_weeks.stream FROM '$file'; ANALYZE eight_weeks.stream");
    return scalar split /\n/, slurp_file($file);
}

# What the team wrote down itself, a third of the demo's samples, as JSON lines.
sub team_samples {
    my @samples = split /\n/, slurp_file("$fixtures/../demo/samples.jsonl");
    return join "\n", @samples[ grep { $_ % 3 == 0 } 0 .. $#samples ];
}

1;
