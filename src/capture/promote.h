/*
 * promote.h
 *		What a sample that is promoted from a conversation looks like.
 */
#ifndef TW_PROMOTE_H
#define TW_PROMOTE_H

/*
 * The INSERT of promoted samples, for tw_kept_plan; `source` says which
 * conversations, under the alias c. NULLIF would look for "=" along the
 * caller's search_path, hence CASE. OFFSET 0 keeps the planner from writing the
 * redaction twice, once for the text and once for its hash; the inner SELECT
 * names its columns, since it would carry along every one of c.*.
 *
 * A message that came together with feedback against the model waits for a
 * person before anything learns from it.
 */
#define TW_PROMOTE_COMMAND(source) \
	"INSERT INTO %1$s.training_samples (conversation_log_id, text, text_hash, normalizer, intent, module_id, module_type, " \
	"entities, language, expected_service, review_status, label_source, source, selection_probability, quality_score) " \
	"SELECT c.id, c.sample_text, %1$s.text_hash(c.sample_text), 1, c.nlu_intent, c.nlu_module_id, " \
	"CASE WHEN c.nlu_module_type OPERATOR(pg_catalog.<>) '' THEN c.nlu_module_type " \
	"ELSE %1$s.intent_module_type(c.nlu_intent) END, %1$s.tw_sample_entities(c.nlu_entities), " \
	"c.message_language, c.routed_to, " \
	"CASE WHEN c.review_priority OPERATOR(pg_catalog.=) 1::pg_catalog.int2 THEN 'pending' ELSE 'approved' END, " \
	"'model', 'production', c.selection_probability, c.nlu_confidence " \
	"FROM (SELECT c.id, c.nlu_intent, c.nlu_module_id, c.nlu_module_type, c.nlu_entities, c.message_language, c.routed_to, " \
	"c.review_priority, c.selection_probability, c.nlu_confidence, %1$s.tw_sample_text(c.user_message) AS sample_text " \
	"FROM " source " OFFSET 0) c"

#endif							/* TW_PROMOTE_H */
