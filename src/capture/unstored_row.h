/*
 * unstored_row.h
 *		Rows of an INSERT that RETURNING shows and that are not stored.
 */
#ifndef TW_UNSTORED_ROW_H
#define TW_UNSTORED_ROW_H

#include "commands/trigger.h"

extern void tw_unstored_row_init(void);
extern bool tw_leave_unstored(const Trigger *trigger);
extern void tw_store_again(const Trigger *trigger);

#endif							/* TW_UNSTORED_ROW_H */
