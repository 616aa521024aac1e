/*
 * conversation_id.h
 *		The numbers of conversations.
 */
#ifndef TW_CONVERSATION_ID_H
#define TW_CONVERSATION_ID_H

#include "capture/log_row.h"

extern void tw_conversation_id_init(void);
extern void tw_number_conversation(Relation rel, LogRow *row);
extern void tw_set_last_conversation(int64 id);
extern bool tw_last_conversation_was_set(void);
extern void tw_restore_lastval(Relation rel);

#endif							/* TW_CONVERSATION_ID_H */
