-- demo_conversations.sql: what customers said, with the intent that a careful person would give it. The extension is
-- not told that. Included by demo.sql and the files of the fleet.
CREATE TABLE demo_conversations (
    session_id text, phone_number text, user_id text, user_message text, message_type text, message_language text,
    nlu_intent text, nlu_confidence double precision, nlu_module_id integer, nlu_module_type text, nlu_provider text,
    nlu_model_version text, nlu_entities jsonb, nlu_tone text, nlu_processing_time_ms integer, routed_to text,
    response_text text, response_success boolean, user_feedback text, user_correction text, backend_reference text,
    minutes_ago integer, true_intent text);
\copy demo_conversations FROM 'conversations.tsv'
