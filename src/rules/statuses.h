/*
 * statuses.h
 *		The review statuses of conversations and samples, and sets of them.
 */
#ifndef TW_STATUSES_H
#define TW_STATUSES_H

#include "base/slice.h"

typedef enum TwStatus
{
	TW_NO_STATUS,				/* NULL or an unknown status */
	TW_PENDING,
	TW_AUTO_APPROVED,
	TW_NEEDS_REVIEW,
	TW_APPROVED,
	TW_REJECTED,
	TW_NOT_APPLICABLE
} TwStatus;

#define TW_STATUSES		(TW_NOT_APPLICABLE + 1)

/* Sets of statuses, one bit each. */
#define TW_BIT(status)	(1 << (status))
/* The outcomes of the filter. */
#define TW_OUTCOMES		(TW_BIT(TW_AUTO_APPROVED) | TW_BIT(TW_NEEDS_REVIEW) | TW_BIT(TW_NOT_APPLICABLE))
/* Conversations that are samples or may become samples. */
#define TW_CANDIDATES	(TW_BIT(TW_AUTO_APPROVED) | TW_BIT(TW_NEEDS_REVIEW) | TW_BIT(TW_APPROVED))
#define TW_OF_CONVERSATIONS (TW_OUTCOMES | TW_BIT(TW_APPROVED) | TW_BIT(TW_REJECTED))
#define TW_OF_SAMPLES	(TW_BIT(TW_PENDING) | TW_BIT(TW_APPROVED) | TW_BIT(TW_REJECTED))

/* Values of review_priority. */
#define TW_PRIORITY_NONE	0
#define TW_PRIORITY_HIGH	1
#define TW_PRIORITY_MEDIUM	2
#define TW_PRIORITY_LOW		3

extern TwStatus tw_find_status(TwSlice name);
extern bool tw_status_in(TwSlice name, int set);
extern const char **tw_status_names(int set);
extern Datum tw_status_datum(TwStatus status);
extern Datum tw_constant_text(text **cache, const char *value);

#endif							/* TW_STATUSES_H */
