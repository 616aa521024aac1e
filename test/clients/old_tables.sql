-- The tables that an application made with its ORM before there was the extension, and what is in them.
CREATE TABLE public.conversation_logs (
    id bigserial PRIMARY KEY, session_id text NOT NULL, user_message text NOT NULL, nlu_intent text,
    nlu_confidence double precision, nlu_provider text, processing_time_ms integer,
    review_status text NOT NULL DEFAULT 'PENDING', created_at timestamp(3) NOT NULL DEFAULT now());
INSERT INTO public.conversation_logs (session_id, user_message, nlu_intent, nlu_confidence, nlu_provider, review_status)
SELECT 'old ' || n, 'veg pizza milega?', 'intent.food.item.search', 0.93, 'indicbert', 'APPROVED'
FROM generate_series(1, 20) n;
GRANT ALL ON public.conversation_logs, public.conversation_logs_id_seq TO chatbot;
