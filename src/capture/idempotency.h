/*
 * idempotency.h
 *		Messages that are captured a second time, with the same key.
 */
#ifndef TW_IDEMPOTENCY_H
#define TW_IDEMPOTENCY_H

#include "capture/log_row.h"
#include "storage/itemptr.h"

/* The conversation that the first call stored. */
typedef struct TwEarlier
{
	int64		id;
	Datum		created_at;
	Datum		created_on;
	ItemPointerData place;
} TwEarlier;

extern void tw_shorten_key(LogRow *row);
extern bool tw_was_captured(Relation rel, const LogRow *row, TwEarlier *earlier);
extern void tw_end_key(void);

#endif							/* TW_IDEMPOTENCY_H */
