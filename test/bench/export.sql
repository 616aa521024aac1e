-- export.sql - samples for export.sh: :samples of them on the side of learning, half of them with entities.
INSERT INTO training_samples (text, intent, language, entities, review_status, source, split, module_type, module_id,
                              expected_service, quality_score, label_source, reviewed_by, reviewed_at)
SELECT 'mujhe ' || g || ' number wala veg pizza chahiye Kothrud mein', 'intent.food.item.' || g % 150,
       (ARRAY['en', 'hi', 'hinglish'])[1 + g % 3],
       CASE WHEN g % 2 = 0 THEN '[{"start": 0, "end": 5, "label": "who", "value": "mujhe"}]'::jsonb END, 'approved',
       'synthetic', 'train', 'food', 4, 'opensearch', 0.5 + g % 500 / 1000.0, 'human', 'asha', now()
FROM generate_series(1, :samples) g;
INSERT INTO training_samples (text, intent, review_status, source, split)
SELECT 'test ' || g, 'intent.test', 'approved', 'manual', 'test' FROM generate_series(1, 5000) g;
VACUUM (ANALYZE) training_samples;
