-- training_settings: names, values, defaults, and who may write.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET training_workflow.allow_drop = on;
DROP EXTENSION IF EXISTS training_workflow CASCADE;
RESET training_workflow.allow_drop;
RESET client_min_messages;
CREATE EXTENSION training_workflow;
SELECT * FROM list_training_settings();
SELECT set_training_setting('time_zone', 'asia/kolkata'), set_training_setting('training_threshold', '0500'),
       set_training_setting('target_accuracy', '9e-1'), set_training_setting('auto_deploy', 'no'),
       set_training_setting('rollout_steps', ' 5 , 5,100 ');
SELECT name, value, is_default FROM list_training_settings();
SELECT name, value, updated_by = session_user AS by_me FROM training_settings ORDER BY name;
SELECT training_setting('target_accuracy'), training_setting('min_new_samples');
-- NULL goes back to the default.
SELECT set_training_setting('target_accuracy', NULL), training_setting('target_accuracy');
SELECT count(*) FROM training_settings WHERE name = 'target_accuracy';

SELECT set_training_setting('colour', 'blue');
SELECT training_setting('colour');
SELECT set_training_setting(NULL, 'x');
-- What the extension keeps for itself is shown, and nobody sets it.
SELECT set_training_setting('installation', 'here');
SELECT set_training_setting('scheduled', NULL);
SELECT adopt_installation(), training_setting('installation') = tw_this_installation() AS this_one;
DELETE FROM training_settings WHERE name = 'installation';
SELECT set_training_setting('training_threshold', '0');
SELECT set_training_setting('training_threshold', '12x');
SELECT set_training_setting('training_threshold', '99999999999999999999');
SELECT set_training_setting('target_accuracy', '1.01');
SELECT set_training_setting('target_accuracy', 'NaN');
SELECT set_training_setting('target_accuracy', '');
SELECT set_training_setting('auto_deploy', 'perhaps');
SELECT set_training_setting('rollout_steps', '10,50');
SELECT set_training_setting('rollout_steps', '50,10,100');
SELECT set_training_setting('rollout_steps', '10,,100');
SELECT set_training_setting('rollout_steps', '');
SELECT set_training_setting('time_zone', 'Asia/Atlantis');
-- A zone has a name: what POSIX makes of anything with an offset, the wrong way round, is none, nor is an abbreviation.
SELECT set_training_setting('time_zone', 'Kolkata5:30');
SELECT set_training_setting('time_zone', $$UTC'; select 1$$);
SELECT set_training_setting('time_zone', 'IST-5:30');
SELECT set_training_setting('time_zone', '<+0530>-05:30');
SELECT set_training_setting('time_zone', 'EST5EDT,M3.2.0,M11.1.0');
SELECT set_training_setting('time_zone', 'IST');
SELECT set_training_setting('time_zone', '+05:30');
SELECT set_training_setting('time_zone', '');
-- Names with an offset in them are names all the same; and every name of the list is one.
SELECT set_training_setting('time_zone', 'etc/gmt+5'), set_training_setting('time_zone', 'Asia/Kolkata');
BEGIN;
SELECT count(*) FROM pg_timezone_names z WHERE set_training_setting('time_zone', z.name) <> z.name;
ROLLBACK;
-- Nothing of the refused was stored.
SELECT name, value FROM training_settings ORDER BY name;

-- A restored copy that does not know its time zone goes on capturing, in UTC, and says so.
UPDATE training_settings SET value = 'Asia/Atlantis' WHERE name = 'time_zone';
INSERT INTO conversation_logs (session_id, user_message, created_at)
VALUES ('atlantis', 'hi', '2026-05-01 23:30:00+00');
SELECT created_on FROM conversation_logs WHERE session_id = 'atlantis';
-- Nor does what an older version took for a zone, or an owner stored, decide about days.
UPDATE training_settings SET value = 'Kolkata5:30' WHERE name = 'time_zone';
INSERT INTO conversation_logs (session_id, user_message, created_at) VALUES ('posix', 'hi', '2026-05-01 03:30:00+00');
SELECT training_setting('time_zone');
UPDATE training_settings SET value = $$UTC'; select 1$$ WHERE name = 'time_zone';
INSERT INTO conversation_logs (session_id, user_message, created_at) VALUES ('posix', 'hi', '2026-05-01 00:30:00+00');
SELECT created_on FROM conversation_logs WHERE session_id = 'posix' ORDER BY id;
-- A rollback takes a setting back in this backend as well.
SELECT set_training_setting('time_zone', 'Asia/Kolkata');
BEGIN;
SELECT set_training_setting('time_zone', 'Pacific/Auckland'), training_setting('time_zone');
ROLLBACK;
SELECT training_setting('time_zone');
TRUNCATE training_settings;
SELECT training_setting('time_zone');
