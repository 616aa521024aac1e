/*
 * policy_triggers.c
 *		Checks of policies on every change of review_policies.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "base/excerpt.h"
#include "base/table_triggers.h"
#include "capture/filter.h"
#include "capture/policy.h"
#include "capture/policy_columns.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "rules/conversations.h"
#include "rules/locks.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/rel.h"

/* "module food, intent intent.food.item.search", for messages. */
static char *
describe_scope(TwSlice module_type, TwSlice intent)
{
	return psprintf("%s%s, %s%s",
					module_type.data ? "module " : "every module",
					module_type.data ? tw_excerpt_of(module_type.data, module_type.length) : "",
					intent.data ? "intent " : "every intent",
					intent.data ? tw_excerpt_of(intent.data, intent.length) : "");
}

PG_FUNCTION_INFO_V1(tw_policy_lock);

/*
 * Serialises changes: a module's policy and an intent's, each valid alone, can
 * contradict each other where both apply. An advisory lock, since two
 * statements that already hold ROW EXCLUSIVE on the table would deadlock over
 * a stronger lock.
 */
Datum
tw_policy_lock(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	tw_check_trigger(fcinfo, "tw_policy_lock", TW_BEFORE | TW_STATEMENT | TW_ON_INSERT | TW_ON_UPDATE | TW_ON_DELETE);
	tw_lock_transaction(TW_LOCK_POLICIES, RelationGetRelid(trigdata->tg_relation), 0);
	return PointerGetDatum(NULL);
}

/* Refuses a number that is set and is not in [0, 1]. */
static void
check_share(HeapTuple tuple, TupleDesc desc, int attnum)
{
	bool		isnull;
	Datum		datum = SPI_getbinval(tuple, desc, attnum, &isnull);
	double		value;

	if (isnull)
		return;
	value = DatumGetFloat8(datum);
	if (isnan(value) || value < 0 || value > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of a review policy must be between 0 and 1, not %g", SPI_fname(desc, attnum), value),
				 errhint("Confidences and audit rates are fractions: 0.85, not 85. NULL inherits.")));
}

/* Refuses an empty or blank module or intent: NULL stands for "every". */
static void
check_scope(TwSlice name, const char *column)
{
	if (name.data != NULL && tw_slice_is_blank(name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of a review policy must not be blank", column),
				 errhint("Use NULL for a policy that holds for all of them.")));
}

/* Refuses a provider list with elements that cannot match. */
static void
check_providers(HeapTuple tuple, TupleDesc desc, int attnum, const TwProviderList *list)
{
	bool		isnull;
	Datum		datum = SPI_getbinval(tuple, desc, attnum, &isnull);
	ArrayType  *array;
	bool		bad;

	if (isnull)
		return;
	array = DatumGetArrayTypeP(datum);
	bad = ARR_NDIM(array) > 1 || array_contains_nulls(array);
	for (int i = 0; i < list->count; i++)
		bad = bad || tw_slice_is_blank(list->names[i]);
	if (bad)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of a review policy must be an array of names", SPI_fname(desc, attnum)),
				 errdetail("It has an element that is NULL or blank, or more than one dimension."),
				 errhint("For example ARRAY['indicbert', 'rasa']; '{}' for no provider at all; NULL inherits.")));
}

/* Refuses a second policy for the same scope. The unique index would too, but without a hint. */
static void
check_duplicate(Oid schema, const TwPolicyRow *row, int64 old_id)
{
	const TwPolicySet *set = tw_policies(schema);

	for (int i = 0; i < set->count; i++)
	{
		const TwPolicyRow *other = &set->rows[i];

		if (other->id != row->id && other->id != old_id &&
			tw_slice_compare(other->module_type, row->module_type) == 0 &&
			tw_slice_compare(other->intent, row->intent) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNIQUE_VIOLATION),
					 errmsg("there is already a review policy for %s", describe_scope(row->module_type, row->intent)),
					 errdetail("It has id " INT64_FORMAT ".", other->id),
					 errhint("UPDATE review_policies ... WHERE id = " INT64_FORMAT " instead.", other->id)));
	}
}

PG_FUNCTION_INFO_V1(tw_policy_check_row);

/* Checks a policy by itself. */
Datum
tw_policy_check_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	HeapTuple	tuple;
	TwPolicyRow row;
	int64		old_id = 0;

	tw_check_trigger(fcinfo, "tw_policy_check_row", TW_BEFORE | TW_ROW | TW_ON_INSERT | TW_ON_UPDATE);
	desc = RelationGetDescr(trigdata->tg_relation);
	tuple = trigdata->tg_trigtuple;
	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
	{
		bool		isnull;

		old_id = DatumGetInt64(SPI_getbinval(tuple, desc, TW_POLICY_ID, &isnull));
		tuple = trigdata->tg_newtuple;
	}

	tw_read_policy_row(tuple, desc, &row);
	check_scope(row.module_type, "module_type");
	check_scope(row.intent, "intent");
	check_share(tuple, desc, TW_POLICY_REVIEW_BELOW);
	check_share(tuple, desc, TW_POLICY_APPROVE_ABOVE);
	check_share(tuple, desc, TW_POLICY_AUDIT_RATE_APPROVED);
	check_share(tuple, desc, TW_POLICY_AUDIT_RATE_REVIEW);
	check_providers(tuple, desc, TW_POLICY_TRUSTED_PROVIDERS, &row.trusted);
	check_providers(tuple, desc, TW_POLICY_FALLBACK_PROVIDERS, &row.fallback);
	check_duplicate(RelationGetNamespace(trigdata->tg_relation), &row, old_id);
	return PointerGetDatum(tuple);
}

/*
 * Refuses thresholds in the wrong order for a module and an intent. An intent
 * that names a module is combined only with that module.
 */
static void
check_combination(const TwPolicySet *set, TwSlice module_type, TwSlice intent)
{
	TwSlice		named = tw_intent_module(intent);
	TwPolicy	policy;

	if (module_type.data != NULL && named.data != NULL && tw_slice_compare(module_type, named) != 0)
		return;

	tw_resolve_policy(set, module_type, intent, &policy);
	if (policy.review_below > policy.approve_above)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("review_below must not be above approve_above"),
				 errdetail("For %s, review_below would be %g and approve_above %g, settings inherited from less "
						   "specific policies included.",
						   describe_scope(module_type, intent), policy.review_below, policy.approve_above),
				 errhint("Set both thresholds in the same policy; filter_decision() shows which are in force.")));
}

PG_FUNCTION_INFO_V1(tw_policy_check_all);

/*
 * Checks all policies together: the thresholds are in the right order for
 * every module and intent of a policy, and for every pair of them, since a
 * module's policy and an intent's policy can apply to the same message.
 */
Datum
tw_policy_check_all(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	const TwPolicySet *set;

	tw_check_trigger(fcinfo, "tw_policy_check_all",
					 TW_AFTER | TW_STATEMENT | TW_ON_INSERT | TW_ON_UPDATE | TW_ON_DELETE);

	/* Makes the statement's own rows visible, and invalidates the cached policies. */
	CommandCounterIncrement();
	set = tw_policies(RelationGetNamespace(trigdata->tg_relation));

	check_combination(set, TW_NULL_SLICE, TW_NULL_SLICE);
	for (int i = 0; i < set->count; i++)
	{
		check_combination(set, set->rows[i].module_type, TW_NULL_SLICE);
		check_combination(set, TW_NULL_SLICE, set->rows[i].intent);
		for (int j = 0; j < set->count; j++)
		{
			CHECK_FOR_INTERRUPTS();
			check_combination(set, set->rows[i].module_type, set->rows[j].intent);
		}
	}
	return PointerGetDatum(NULL);
}
