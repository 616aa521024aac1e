-- Moving in, as doc/moving-in.md has it.
SELECT imported FROM training.import_conversations('public.conversation_logs');
SELECT training.close_old_table('public.conversation_logs');
