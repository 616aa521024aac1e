-- model_performance_comparison: a comparison of versions. check_rollouts() measures them in production once an hour.

CREATE VIEW @extschema@.model_performance_comparison AS
    SELECT m.model_type, m.version, m.status, m.traffic_percentage, m.base_version,
           m.test_accuracy, m.test_accuracy_lower, m.test_accuracy_upper, m.test_samples,
           m.base_accuracy, m.test_accuracy - m.base_accuracy AS test_accuracy_gain, m.mcnemar_p,
           m.macro_f1, m.calibration_error, m.training_accuracy, m.gate_decision, m.gate_reason,
           m.production_accuracy,
           m.production_accuracy_lower, m.production_accuracy_upper, m.production_conversations,
           m.fallback_rate, m.p50_latency_ms, m.p95_latency_ms,
           m.production_computed_at,
           m.sample_counts, m.training_seconds, m.model_size_mb,
           m.created_at, m.deployed_at, m.retired_at
    FROM @extschema@.model_versions m
    ORDER BY m.model_type, m.created_at DESC, m.version DESC;
REVOKE ALL ON TABLE @extschema@.model_performance_comparison FROM PUBLIC;

COMMENT ON VIEW @extschema@.model_performance_comparison IS 'All model versions, by type, newest first';
COMMENT ON COLUMN @extschema@.model_performance_comparison.model_type IS 'router, food-agent, ...';
COMMENT ON COLUMN @extschema@.model_performance_comparison.version IS 'The version';
COMMENT ON COLUMN @extschema@.model_performance_comparison.status IS 'Its status';
COMMENT ON COLUMN @extschema@.model_performance_comparison.traffic_percentage IS
    'Percentage of the sessions assigned to the version, 0 to 100';
COMMENT ON COLUMN @extschema@.model_performance_comparison.base_version IS
    'The version it is compared with; NULL = none';
COMMENT ON COLUMN @extschema@.model_performance_comparison.test_accuracy IS
    'Weighted accuracy on the frozen test set, 0 to 1; NULL = not scored, or on no sample';
COMMENT ON COLUMN @extschema@.model_performance_comparison.test_samples IS 'Number of test samples; NULL = not scored';
COMMENT ON COLUMN @extschema@.model_performance_comparison.test_accuracy_lower IS
    'Lower end of the 95 % interval of test_accuracy, 0 to 1; NULL where test_accuracy is';
COMMENT ON COLUMN @extschema@.model_performance_comparison.test_accuracy_upper IS
    'Upper end of the 95 % interval of test_accuracy, 0 to 1; NULL where test_accuracy is';
COMMENT ON COLUMN @extschema@.model_performance_comparison.base_accuracy IS
    'Weighted accuracy of base_version on the same test samples at the same time, 0 to 1; NULL = not measured';
COMMENT ON COLUMN @extschema@.model_performance_comparison.test_accuracy_gain IS
    'test_accuracy minus base_accuracy, -1 to 1; NULL where either is';
COMMENT ON COLUMN @extschema@.model_performance_comparison.mcnemar_p IS
    'Two-sided p-value of the exact McNemar test of version and base_version, 0 to 1; NULL = not measured';
COMMENT ON COLUMN @extschema@.model_performance_comparison.macro_f1 IS
    'Mean of the intents'' F1 scores, 0 to 1; NULL where test_accuracy is';
COMMENT ON COLUMN @extschema@.model_performance_comparison.calibration_error IS
    'Expected calibration error, 0 to 1; NULL where test_accuracy is';
COMMENT ON COLUMN @extschema@.model_performance_comparison.training_accuracy IS
    'Accuracy on its own training samples, 0 to 1; NULL = not known';
COMMENT ON COLUMN @extschema@.model_performance_comparison.gate_decision IS
    'Decision of the gate: passed, failed or undecided; NULL = not checked yet';
COMMENT ON COLUMN @extschema@.model_performance_comparison.gate_reason IS
    'Reason of that decision; NULL = not checked yet';
COMMENT ON COLUMN @extschema@.model_performance_comparison.production_accuracy IS
    'Estimated accuracy in production over 30 days (live_accuracy()), 0 to 1; NULL while there are too few '
    'audited labels';
COMMENT ON COLUMN @extschema@.model_performance_comparison.production_accuracy_lower IS
    'Lower end of the 95 % interval of production_accuracy, 0 to 1; NULL = not measured';
COMMENT ON COLUMN @extschema@.model_performance_comparison.production_accuracy_upper IS
    'Upper end of the 95 % interval of production_accuracy, 0 to 1; NULL = not measured';
COMMENT ON COLUMN @extschema@.model_performance_comparison.production_conversations IS
    'Number of conversations of the version in these 30 days; NULL = not measured';
COMMENT ON COLUMN @extschema@.model_performance_comparison.fallback_rate IS
    'Fraction of those conversations that the fallback answered, 0 to 1; NULL = not measured';
COMMENT ON COLUMN @extschema@.model_performance_comparison.p50_latency_ms IS
    'Median time of the NLU calls of those conversations, in milliseconds; NULL = not measured';
COMMENT ON COLUMN @extschema@.model_performance_comparison.p95_latency_ms IS
    '95th percentile of the time of the NLU calls of those conversations, in milliseconds; NULL = not measured';
COMMENT ON COLUMN @extschema@.model_performance_comparison.production_computed_at IS
    'When the figures from production were computed; NULL = never';
COMMENT ON COLUMN @extschema@.model_performance_comparison.sample_counts IS
    'Number of training samples by label source; NULL = not known';
COMMENT ON COLUMN @extschema@.model_performance_comparison.training_seconds IS
    'Duration of the training, in seconds; NULL = not known';
COMMENT ON COLUMN @extschema@.model_performance_comparison.model_size_mb IS
    'Size of its artifact in megabytes; NULL = not known';
COMMENT ON COLUMN @extschema@.model_performance_comparison.created_at IS 'When it was registered';
COMMENT ON COLUMN @extschema@.model_performance_comparison.deployed_at IS
    'When it first received traffic; NULL = never';
COMMENT ON COLUMN @extschema@.model_performance_comparison.retired_at IS
    'When it last stopped receiving traffic; NULL = never';
