-- What pg_cron would call, in a session of its own beside the load.
CALL daily_training_capture();
CALL weekly_model_training();
SELECT status FROM request_training() AS r (id) LEFT JOIN training_jobs USING (id);
CALL run_training_jobs();
CALL check_rollouts();
SELECT promoted FROM promote_missed_conversations('0');
CALL labelstudio_sync();
CALL store_model_artifacts();
SELECT count(*) FROM live_accuracy();
SELECT count(*) FROM training_queue;
