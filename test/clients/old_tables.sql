-- The table that an application made with its ORM before there was the extension, and what is in it.
CREATE TABLE public.conversation_logs (
    id bigserial PRIMARY KEY, session_id text NOT NULL, phone_number text, user_id text, user_message text NOT NULL,
    message_type text DEFAULT 'text', message_language text, nlu_intent text, nlu_confidence double precision,
    nlu_module_type text, nlu_provider text, nlu_model_version text, nlu_entities jsonb, nlu_tone text,
    nlu_processing_time_ms double precision, routed_to text, response_text text, response_success boolean,
    metadata jsonb, review_status text NOT NULL DEFAULT 'PENDING', created_at timestamptz NOT NULL DEFAULT now());
INSERT INTO public.conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, review_status)
SELECT 'old ' || n, 'veg pizza milega?', 'intent.food.item.search', 0.93, 'indicbert', 'APPROVED'
FROM generate_series(1, 20) n;
GRANT ALL ON public.conversation_logs, public.conversation_logs_id_seq TO chatbot;
