/*
 * promote.h
 *		The INSERT of training samples, and the sample of a conversation.
 */
#ifndef TW_PROMOTE_H
#define TW_PROMOTE_H

#include "rules/normalize.h"

/* For tw_kept_plan. `source` is a SELECT of these columns; if text_hash is NULL, the trigger computes it. */
#define TW_INSERT_SAMPLES(source) \
	"INSERT INTO %1$s.training_samples AS s (conversation_log_id, text, text_hash, normalizer, intent, module_id, " \
	"module_type, entities, language, expected_service, review_status, label_source, reviewed_by, reviewed_at, " \
	"source, " \
	"split, selection_probability, quality_score, created_at) " source

/*
 * The module of a conversation with this intent, as tw_module_type() has it.
 * Written with what 0.1.0 had: its capture makes samples with this library
 * until ALTER EXTENSION UPDATE is run.
 */
#define TW_MODULE_OF(intent) \
	"CASE WHEN c.nlu_module_type OPERATOR(pg_catalog.<>) '' THEN c.nlu_module_type ELSE " \
	"%1$s.intent_module_type(" intent ") END"

/*
 * The entities of a sample, as the install script can convert them: that of
 * 0.1.0 has a function without the message. tw_entities_variant() says which.
 */
#define TW_ENTITIES_ALONE(entities) "%1$s.tw_sample_entities(" entities ")"
#define TW_ENTITIES_OF_MESSAGE(entities) "%1$s.tw_sample_entities(" entities ", c.user_message)"
#define TW_ENTITIES_VARIANTS 2

extern int	tw_entities_variant(Oid schema);

/*
 * The samples of `conversations`, a FROM clause with the alias c. `entities` is
 * one of the expressions above. `intent` is the label, `is_own` whether the
 * model predicted it, and `reviewer` the person
 * who gave it, or the text NULL. NULLIF and "=" are avoided: they would be
 * resolved along the caller's search_path. OFFSET 0 keeps the planner from
 * running the redaction twice, for the text and for its hash. The inner SELECT
 * names its columns: with c.* it would carry all of them.
 *
 * A label of another module does not take the module and service of the wrong
 * prediction. The sample of a message that came with feedback against the
 * model is pending until a person reviews it.
 */
#define TW_SAMPLES_OF(conversations, intent, is_own, entities, reviewer) \
	TW_INSERT_SAMPLES( \
	"SELECT c.id, c.sample_text, %1$s.text_hash(c.sample_text), " CppAsString2(TW_NORMALIZER) ", c.label, " \
	"CASE WHEN " is_own " OR c.module_type OPERATOR(pg_catalog.=) c.nlu_module_type THEN c.nlu_module_id END, " \
	"c.module_type, " entities ", c.message_language, " \
	"CASE WHEN " is_own " THEN c.routed_to END, " \
	"CASE WHEN " reviewer " IS NULL AND c.review_priority OPERATOR(pg_catalog.=) 1::pg_catalog.int2 " \
	"THEN 'pending' ELSE 'approved' END, " \
	"CASE WHEN " reviewer " IS NULL THEN 'model' ELSE 'human' END, " reviewer ", " \
	"CASE WHEN " reviewer " IS NOT NULL THEN pg_catalog.now() END, 'production', NULL, c.selection_probability, " \
	"CASE WHEN " reviewer " IS NULL THEN c.nlu_confidence ELSE 1 END, pg_catalog.now() " \
	"FROM (SELECT c.id, c.user_message, c.nlu_intent, c.nlu_module_id, c.nlu_module_type, c.nlu_entities, " \
	"c.message_language, " \
	"c.routed_to, c.review_priority, c.selection_probability, c.nlu_confidence, " intent " AS label, " \
	"CASE WHEN " is_own " THEN " TW_MODULE_OF(intent) " " \
	"ELSE coalesce(%1$s.intent_module_type(" intent "), " TW_MODULE_OF("NULL") ") END " \
	"AS module_type, %1$s.tw_sample_text(c.user_message) AS sample_text " \
	"FROM " conversations " OFFSET 0) c")

/* The samples with the model's own label. */
#define TW_PROMOTE_COMMAND(conversations, entities) \
	TW_SAMPLES_OF(conversations, "c.nlu_intent", "true", entities("c.nlu_entities"), "NULL::pg_catalog.text")

#endif							/* TW_PROMOTE_H */
