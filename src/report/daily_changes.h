/*
 * daily_changes.h
 *		What happens to the figures of a day that is closed.
 */
#ifndef TW_DAILY_CHANGES_H
#define TW_DAILY_CHANGES_H

#include "datatype/timestamp.h"
#include "utils/date.h"

extern void tw_note_conversation(Oid schema, DateADT day);
extern int	tw_begin_promotion(void);
extern void tw_end_promotion(int outer);

#endif							/* TW_DAILY_CHANGES_H */
