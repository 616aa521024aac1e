-- Moving in, as doc/moving-in.md has it.
SELECT imported FROM training.import_conversations('public.conversation_logs');
