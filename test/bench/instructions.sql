-- One message after the other, each its own transaction; `share` percent of them are promoted.
CREATE PROCEDURE bench.messages(variant text, count int, share int)
    LANGUAGE plpgsql
AS $$
DECLARE
    message CONSTANT text := 'Kothrud mein veg pizza milega kya? 2 log ke liye';
    entities CONSTANT jsonb := '{"city": "Pune", "area": "Kothrud", "dish": "veg pizza"}';
    response CONSTANT text := 'Kothrud mein 12 jagah veg pizza milta hai.';
    is_sure boolean;
    status text;
    new bigint;
BEGIN
    FOR n IN 1..count LOOP
        is_sure := n % 100 < share;
        status := CASE WHEN is_sure THEN 'auto-approved' ELSE 'needs-review' END;
        IF variant = 'extension' THEN
            INSERT INTO conversation_logs (session_id, phone_number, user_id, user_message, message_type,
                message_language, nlu_intent, nlu_confidence, nlu_module_id, nlu_module_type, nlu_provider,
                nlu_model_version, nlu_entities, nlu_tone, nlu_processing_time_ms, routed_to, response_text,
                response_success)
            VALUES (n, '+910000000213', n, message, 'text', 'hinglish', 'intent.food.item.search',
                CASE WHEN is_sure THEN 0.97 ELSE 0.4 END, 4, 'food', 'indicbert', 'router-v1.4.2', entities,
                'neutral', 33, 'opensearch', response, true);
        ELSE
            INSERT INTO bench.bare_logs (session_id, phone_number, user_id, user_message, message_type,
                message_language, nlu_intent, nlu_confidence, nlu_module_id, nlu_module_type, nlu_provider,
                nlu_model_version, nlu_entities, nlu_tone, nlu_processing_time_ms, routed_to, response_text,
                response_success, is_training_candidate, review_status, review_priority, review_reason, filter_outcome,
                is_audit, selection_probability, filtered_at, created_on)
            VALUES (n, '+910000000213', n, message, 'text', 'hinglish', 'intent.food.item.search',
                CASE WHEN is_sure THEN 0.97 ELSE 0.4 END, 4, 'food', 'indicbert', 'router-v1.4.2', entities,
                'neutral', 33, 'opensearch', response, true, true, status, CASE WHEN NOT is_sure THEN 1 END,
                CASE WHEN NOT is_sure THEN 'low confidence' END, status, false, 0.05, now(), current_date)
            RETURNING id INTO new;
            IF is_sure THEN
                INSERT INTO bench.bare_samples (conversation_log_id, text, text_hash, normalizer, intent, module_id,
                    module_type, entities, language, expected_service, review_status, label_source, source,
                    selection_probability, quality_score)
                VALUES (new, message, -4278026634556753228, 2, 'intent.food.item.search', 4, 'food', entities,
                    'hinglish', 'opensearch', 'approved', 'model', 'production', 0.05, 0.97);
            END IF;
        END IF;
        COMMIT;
    END LOOP;
END
$$;

-- The first rows of setup.sql, and what the extension writes of them, for both shares.
CREATE PROCEDURE bench.keep_written(share int)
    LANGUAGE plpgsql
AS $$
BEGIN
    CALL bench.prepare_written(share);
    EXECUTE format('CREATE UNLOGGED TABLE bench.logs_%s AS
                    SELECT * FROM bench.written_logs ORDER BY id LIMIT 6000', share);
    EXECUTE format('CREATE UNLOGGED TABLE bench.samples_%1$s AS SELECT s.* FROM bench.written_samples AS s
                    WHERE conversation_log_id IN (SELECT id FROM bench.logs_%1$s) ORDER BY id', share);
END
$$;
CALL bench.keep_written(12);
CALL bench.keep_written(60);

-- So many rows in one INSERT, or the same rows in two.
CREATE PROCEDURE bench.bulk(variant text, count int, share int)
    LANGUAGE plpgsql
AS $$
DECLARE
    application CONSTANT text := bench.application_columns();
    logs CONSTANT text := bench.columns('conversation_logs', ARRAY['id']);
    samples CONSTANT text := bench.columns('training_samples', ARRAY['id']);
BEGIN
    CALL bench.empty_tables();
    IF variant = 'extension' THEN
        EXECUTE format('INSERT INTO conversation_logs (%1$s) SELECT %1$s FROM bench.source_%2$s LIMIT %3$s',
                       application, share, count);
    ELSE
        EXECUTE format('INSERT INTO bench.bare_logs (%1$s) SELECT %1$s FROM bench.logs_%2$s LIMIT %3$s', logs, share,
                       count);
        EXECUTE format('INSERT INTO bench.bare_samples (%1$s) SELECT %1$s FROM bench.samples_%2$s
                        WHERE conversation_log_id <= %3$s', samples, share, count);
    END IF;
END
$$;
