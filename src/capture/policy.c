/*
 * policy.c
 *		The filter's thresholds, providers and audit rates for a module and
 *		intent (table review_policies).
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "base/cached_table.h"
#include "capture/policy.h"
#include "capture/policy_columns.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"

static TwSlice builtin_trusted_names[] = {{"indicbert", 9}};
static TwSlice builtin_fallback_names[] = {{"llm", 3}};
static const TwProviderList builtin_trusted = {true, 1, builtin_trusted_names};
static const TwProviderList builtin_fallback = {true, 1, builtin_fallback_names};

static const TwPolicy builtin_policy = {
	.id = 0,
	.review_below = 0.70,
	.approve_above = 0.85,
	.audit_rate_approved = 0.05,
	.audit_rate_review = 0.10,
	.trusted = &builtin_trusted,
	.fallback = &builtin_fallback,
};

static Datum
column(HeapTuple tuple, TupleDesc desc, int attnum, bool *isnull)
{
	return heap_getattr(tuple, attnum, desc, isnull);
}

static double
number_column(HeapTuple tuple, TupleDesc desc, int attnum)
{
	bool		isnull;
	Datum		value = column(tuple, desc, attnum, &isnull);

	return isnull ? get_float8_nan() : DatumGetFloat8(value);
}

static TwSlice
text_column(HeapTuple tuple, TupleDesc desc, int attnum)
{
	bool		isnull;
	Datum		value = column(tuple, desc, attnum, &isnull);
	TwSlice		slice = TW_NULL_SLICE;

	if (!isnull)
	{
		char	   *copy = TextDatumGetCString(value);

		slice.data = copy;
		slice.length = strlen(copy);
	}
	return slice;
}

static TwProviderList
providers_column(HeapTuple tuple, TupleDesc desc, int attnum)
{
	TwProviderList list = {false, 0, NULL};
	bool		isnull;
	Datum		value = column(tuple, desc, attnum, &isnull);
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	if (isnull)
		return list;

	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &count);
	list.is_set = true;
	list.names = palloc(sizeof(TwSlice) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		char	   *name;

		if (nulls[i])
			continue;
		name = TextDatumGetCString(elements[i]);
		for (char *c = name; *c; c++)
			*c = pg_ascii_tolower((unsigned char) *c);
		list.names[list.count].data = name;
		list.names[list.count++].length = strlen(name);
	}
	return list;
}

/* Reads a row of review_policies into the current memory context. */
void
tw_read_policy_row(HeapTuple tuple, TupleDesc desc, TwPolicyRow *row)
{
	bool		isnull;

	row->id = DatumGetInt64(column(tuple, desc, TW_POLICY_ID, &isnull));
	row->module_type = text_column(tuple, desc, TW_POLICY_MODULE_TYPE);
	row->intent = text_column(tuple, desc, TW_POLICY_INTENT);
	row->review_below = number_column(tuple, desc, TW_POLICY_REVIEW_BELOW);
	row->approve_above = number_column(tuple, desc, TW_POLICY_APPROVE_ABOVE);
	row->trusted = providers_column(tuple, desc, TW_POLICY_TRUSTED_PROVIDERS);
	row->fallback = providers_column(tuple, desc, TW_POLICY_FALLBACK_PROVIDERS);
	row->audit_rate_approved = number_column(tuple, desc, TW_POLICY_AUDIT_RATE_APPROVED);
	row->audit_rate_review = number_column(tuple, desc, TW_POLICY_AUDIT_RATE_REVIEW);
}

static void *
begin_policies(void)
{
	TwPolicySet *set = palloc0(sizeof(TwPolicySet));

	set->capacity = 8;
	set->rows = palloc(sizeof(TwPolicyRow) * set->capacity);
	return set;
}

static void
add_policy(void *data, HeapTuple tuple, TupleDesc desc)
{
	TwPolicySet *set = data;

	if (set->count == set->capacity)
	{
		set->capacity *= 2;
		set->rows = repalloc(set->rows, sizeof(TwPolicyRow) * set->capacity);
	}
	tw_read_policy_row(tuple, desc, &set->rows[set->count++]);
}

static int
compare_rows(const void *a, const void *b)
{
	const TwPolicyRow *left = a;
	const TwPolicyRow *right = b;
	int			result = tw_slice_compare(left->module_type, right->module_type);

	return result != 0 ? result : tw_slice_compare(left->intent, right->intent);
}

static void
finish_policies(void *data)
{
	TwPolicySet *set = data;

	qsort(set->rows, set->count, sizeof(TwPolicyRow), compare_rows);
}

static const TwColumn columns[] = {
	{TW_POLICY_ID, INT8OID, "id"},
	{TW_POLICY_MODULE_TYPE, TEXTOID, "module_type"},
	{TW_POLICY_INTENT, TEXTOID, "intent"},
	{TW_POLICY_REVIEW_BELOW, FLOAT8OID, "review_below"},
	{TW_POLICY_APPROVE_ABOVE, FLOAT8OID, "approve_above"},
	{TW_POLICY_TRUSTED_PROVIDERS, TEXTARRAYOID, "trusted_providers"},
	{TW_POLICY_FALLBACK_PROVIDERS, TEXTARRAYOID, "fallback_providers"},
	{TW_POLICY_AUDIT_RATE_APPROVED, FLOAT8OID, "audit_rate_approved"},
	{TW_POLICY_AUDIT_RATE_REVIEW, FLOAT8OID, "audit_rate_review"},
};

static TwCachedTable policy_cache = {
	.table_name = "review_policies",
	.columns = columns,
	.column_count = lengthof(columns),
	.begin = begin_policies,
	.add_row = add_policy,
	.finish = finish_policies,
};

/* The policies in force; valid until the next call. */
const TwPolicySet *
tw_policies(Oid schema)
{
	return tw_cached_table_get(&policy_cache, schema);
}

/* Applies the values of the row for exactly this scope, if there is one. */
static void
apply_scope(const TwPolicySet *set, TwSlice module_type, TwSlice intent, TwPolicy *policy)
{
	TwPolicyRow key = {.module_type = module_type, .intent = intent};
	const TwPolicyRow *row = bsearch(&key, set->rows, set->count, sizeof(TwPolicyRow), compare_rows);

	if (row == NULL)
		return;
	policy->id = row->id;
	if (!isnan(row->review_below))
		policy->review_below = row->review_below;
	if (!isnan(row->approve_above))
		policy->approve_above = row->approve_above;
	if (!isnan(row->audit_rate_approved))
		policy->audit_rate_approved = row->audit_rate_approved;
	if (!isnan(row->audit_rate_review))
		policy->audit_rate_review = row->audit_rate_review;
	if (row->trusted.is_set)
		policy->trusted = &row->trusted;
	if (row->fallback.is_set)
		policy->fallback = &row->fallback;
}

/*
 * The values in force for a module and intent (either may be NULL). Policies
 * are applied from the least to the most specific: built-in, default row,
 * module, intent, module and intent.
 */
void
tw_resolve_policy(const TwPolicySet *set, TwSlice module_type, TwSlice intent, TwPolicy *policy)
{
	*policy = builtin_policy;
	if (set->count == 0)
		return;

	apply_scope(set, TW_NULL_SLICE, TW_NULL_SLICE, policy);
	if (module_type.data != NULL)
		apply_scope(set, module_type, TW_NULL_SLICE, policy);
	if (intent.data != NULL)
		apply_scope(set, TW_NULL_SLICE, intent, policy);
	if (module_type.data != NULL && intent.data != NULL)
		apply_scope(set, module_type, intent, policy);
}

/* Whether the provider is in the list, without regard to ASCII case; NULL is in none. */
bool
tw_provider_in(const TwProviderList *list, TwSlice provider)
{
	for (int i = 0; i < list->count; i++)
	{
		if (tw_slice_equals_ascii_ci(provider, list->names[i]))
			return true;
	}
	return false;
}
