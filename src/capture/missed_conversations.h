/*
 * missed_conversations.h
 *		Promotion of conversations outside the statement that captured them.
 */
#ifndef TW_MISSED_CONVERSATIONS_H
#define TW_MISSED_CONVERSATIONS_H

extern void tw_promote_missed(Oid schema, const int64 *ids, int64 count, int64 *promoted, int64 *failed);

/*
 * What find_missed() and its like ask of a conversation c that a sample is made
 * of. Of an anonymous one nothing can be learned (the tables of 0.1.0 have no
 * anonymised_at). Too long is what the current limit says.
 */
#define TW_IS_MISSED \
	"c.review_status = 'auto-approved' AND c.filter_outcome = 'auto-approved' " \
		"AND NOT EXISTS (SELECT FROM %1$s.training_samples s WHERE s.conversation_log_id = c.id) " \
		"AND c.user_message <> '' " \
		"AND NOT %1$s.tw_is_too_long(NULL::integer, c.user_message, c.nlu_intent, c.nlu_module_type, " \
		"c.message_language, c.routed_to, c.nlu_entities)"

#endif							/* TW_MISSED_CONVERSATIONS_H */
