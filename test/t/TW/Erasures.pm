# Erasures.pm - rows in the tables of erasures: a person who was forgotten, one who was made anonymous, and an erasure
# that was interrupted.

package TW::Erasures;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(fill_erasures);

# SQL for the schema $s. The persons had a verdict, a task in Label Studio that the erasure deletes over there, and a
# sample that a model learned from and an export has.
sub fill_erasures {
    my ($s) = @_;
    return <<"SQL";
        INSERT INTO $s.conversation_logs (session_id, user_id, user_message, nlu_intent, nlu_confidence, nlu_provider,
                                          response_text)
            SELECT 'of ' || p, p, 'forget ' || p || ' ' || g, 'intent.food.item.search', c, 'indicbert', 'never'
            FROM unnest(ARRAY['asked', 'anonymous', 'interrupted']) p,
                 unnest(ARRAY[0.95, 0.4, 0.95]) WITH ORDINALITY AS x (c, g);
        SELECT $s.approve_conversation(id, E'a\\tnote') FROM $s.conversation_logs WHERE user_message LIKE 'forget % 2';
        UPDATE $s.training_samples SET model_version_target = 'router-v1.0.0' WHERE text LIKE 'forget % 1';
        INSERT INTO $s.labelstudio_tasks (project, conversation_log_id, batch_id, status, task_id)
            SELECT 1, id, gen_random_uuid(), 'closed', 300 + id FROM $s.conversation_logs
            WHERE user_message IN ('forget asked 1', 'forget anonymous 1');
        INSERT INTO $s.training_export_jobs (format, location, status, row_count, byte_count, sha256, finished_at)
            VALUES ('jsonl', E'/tmp/with\\tthem', 'succeeded', 3, 99, repeat('cd', 32), clock_timestamp());
        SELECT count(*) FROM $s.forget_user(user_id => 'asked', reason => E'request\\t7');
        SELECT count(*) FROM $s.forget_user(user_id => 'anonymous', mode => 'anonymise');
        -- There is no Label Studio here.
        SELECT $s.labelstudio_confirm_deleted(1);
        INSERT INTO $s.erasures (kind, mode, reason, requested_by, key_salt, key_hashes)
            SELECT kind, mode, 'interrupted', requested_by, key_salt, key_hashes FROM $s.erasures
            WHERE reason = E'request\\t7';
        INSERT INTO $s.erasure_rows (erasure_id, relation, row_id)
            SELECT e.id, 'conversation_logs', c.id FROM $s.erasures e, $s.conversation_logs c
            WHERE e.reason = 'interrupted' AND c.user_id = 'interrupted';
SQL
}

1;
