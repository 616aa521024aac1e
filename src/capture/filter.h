/*
 * filter.h
 *		The filter: the decision about a prediction.
 */
#ifndef TW_FILTER_H
#define TW_FILTER_H

#include "capture/policy.h"
#include "rules/statuses.h"

typedef enum TwReason
{
	TW_NO_REASON,
	TW_MISSING_PREDICTION,
	TW_INVALID_CONFIDENCE,
	TW_LLM_FALLBACK,
	TW_LOW_CONFIDENCE,
	TW_UNTRUSTED_PROVIDER,
	TW_MEDIUM_CONFIDENCE,
	TW_AUDIT,
	TW_NEGATIVE_FEEDBACK,
	TW_USER_CORRECTION,
	TW_TOO_LONG
} TwReason;

typedef struct TwPrediction
{
	TwSlice		intent;
	TwSlice		module_type;
	TwSlice		provider;
	bool		has_confidence;
	double		confidence;
} TwPrediction;

typedef struct TwDecision
{
	TwStatus	status;
	int			priority;		/* TW_PRIORITY_NONE = not in the queue */
	TwReason	reason;
	double		audit_rate;		/* of the stratum that the row falls into */
	TwPolicy	policy;
} TwDecision;

extern void tw_decide(Oid schema, const TwPrediction *prediction, TwDecision *decision);
extern Datum tw_reason_datum(TwReason reason);

#endif							/* TW_FILTER_H */
