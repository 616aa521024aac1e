// The models of a chatbot. Leave the extension's schema out of schemaFilter in drizzle.config.
import {
  bigint, bigserial, boolean, doublePrecision, jsonb, pgSchema, pgTable, text, timestamp,
} from 'drizzle-orm/pg-core';

// pgSchema() does not take "public", where a plain table is meant.
const schema = process.env.TW_SCHEMA;
const table = schema === 'public' ? pgTable : pgSchema(schema).table;

export const columns = {
  id: bigserial('id', { mode: 'number' }).primaryKey(),
  sessionId: text('session_id').notNull(),
  userMessage: text('user_message').notNull(),
  messageType: text('message_type').default('text'),
  nluIntent: text('nlu_intent'),
  nluConfidence: doublePrecision('nlu_confidence'),
  nluModuleType: text('nlu_module_type'),
  nluProvider: text('nlu_provider'),
  nluModelVersion: text('nlu_model_version'),
  nluEntities: jsonb('nlu_entities'),
  nluProcessingTimeMs: doublePrecision('nlu_processing_time_ms'),
  responseText: text('response_text'),
  responseSuccess: boolean('response_success'),
  createdAt: timestamp('created_at', { withTimezone: true }).defaultNow(),
};
export const conversations = table('conversation_capture', columns);
export const logs = table('conversation_logs', columns);

// A table of the application's own.
export const orders = pgTable('orders', {
  id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  conversation: bigint('conversation', { mode: 'number' }),
  note: text('note'),
});
