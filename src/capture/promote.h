/*
 * promote.h
 *		What a sample that is promoted from a conversation looks like.
 */
#ifndef TW_PROMOTE_H
#define TW_PROMOTE_H

/*
 * The INSERT of promoted samples, for tw_kept_plan; `source` says which
 * conversations, under the alias c. NULLIF would look for "=" along the
 * caller's search_path, hence CASE.
 */
#define TW_PROMOTE_COMMAND(source) \
	"INSERT INTO %1$s.training_samples (conversation_log_id, text, intent, module_id, module_type, entities, " \
	"language, expected_service, review_status, label_source, source, selection_probability, quality_score) " \
	"SELECT c.id, c.user_message, c.nlu_intent, c.nlu_module_id, " \
	"CASE WHEN c.nlu_module_type OPERATOR(pg_catalog.<>) '' THEN c.nlu_module_type " \
	"ELSE %1$s.intent_module_type(c.nlu_intent) END, c.nlu_entities, " \
	"c.message_language, c.routed_to, 'approved', 'model', 'production', c.selection_probability, c.nlu_confidence " \
	"FROM " source

#endif							/* TW_PROMOTE_H */
