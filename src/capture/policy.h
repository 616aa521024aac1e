/*
 * policy.h
 *		The filter's thresholds, providers and audit rates for a module and
 *		intent (table review_policies).
 */
#ifndef TW_POLICY_H
#define TW_POLICY_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "base/slice.h"

/* A list of providers, as one policy sets it. */
typedef struct TwProviderList
{
	bool		is_set;			/* false = inherit */
	int			count;
	TwSlice    *names;			/* ASCII lower case */
} TwProviderList;

/* A row of review_policies. NaN in a number = inherit. */
typedef struct TwPolicyRow
{
	int64		id;
	TwSlice		module_type;	/* data NULL = every module */
	TwSlice		intent;			/* data NULL = every intent */
	double		review_below;
	double		approve_above;
	double		audit_rate_approved;
	double		audit_rate_review;
	TwProviderList trusted;
	TwProviderList fallback;
} TwPolicyRow;

/* All rows, ordered by (module_type, intent) with "every" first. */
typedef struct TwPolicySet
{
	int			count;
	int			capacity;
	TwPolicyRow *rows;
} TwPolicySet;

/* The values in force for one module and intent, with inherited values filled in. */
typedef struct TwPolicy
{
	int64		id;				/* the most specific row; 0 = built-in */
	double		review_below;
	double		approve_above;
	double		audit_rate_approved;
	double		audit_rate_review;
	const TwProviderList *trusted;
	const TwProviderList *fallback;
} TwPolicy;

extern const TwPolicySet *tw_policies(Oid schema);
extern void tw_resolve_policy(const TwPolicySet *set, TwSlice module_type, TwSlice intent, TwPolicy *policy);
extern bool tw_provider_in(const TwProviderList *list, TwSlice provider);
extern void tw_read_policy_row(HeapTuple tuple, TupleDesc desc, TwPolicyRow *row);

#endif							/* TW_POLICY_H */
