-- fleet_first.sql: the hub's first model. Run by fleet.sh, in this folder.
\set samples `cat samples.jsonl`
SELECT inserted, existing, conflicting FROM import_training_samples(:'samples');
-- Of a model that has never met a customer the team asks less.
\o /dev/null
SELECT set_training_setting('target_accuracy', '0.60');
-- A few hundred messages are too few for the usual rates of 5 and 10 %: all are audited.
INSERT INTO review_policies (audit_rate_approved, audit_rate_review, note)
VALUES (1, 1, 'a young model is audited more');
\o
SELECT version, status, gate_decision AS gate, round(test_accuracy::numeric, 3) AS accuracy, test_samples,
       training_samples
FROM train_model();
SELECT version, status FROM model_versions;
