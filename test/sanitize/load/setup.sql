-- setup.sql - a live model and a candidate, both trained on the demo's samples, for a load of captures.
CREATE EXTENSION training_workflow;
CREATE TEMP TABLE line (body text);
\copy line FROM PSTDIN WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')
SELECT inserted > 0 FROM import_training_samples((SELECT string_agg(body, E'\n') FROM line));
SELECT set_training_setting('rollout_steps', '25, 50, 100');
-- More than there are: no gate decides.
SELECT set_training_setting('min_test_samples', '100000');
SELECT version FROM train_model();
SELECT promote_model('router-v1.0.0', 'the first');
SELECT version FROM train_model();
SELECT traffic_percentage FROM start_rollout('router-v1.1.0', 'some of the sessions');
VACUUM (ANALYZE);
