/*
 * audit_rate.c
 *		Raised audit rates of versions (table audited_versions).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/cached_table.h"
#include "capture/audit_rate.h"
#include "catalog/pg_type.h"

enum
{
	VERSION_ATTNUM = 1,
	RATE_ATTNUM = 2
};

static const TwColumn columns[] = {
	{VERSION_ATTNUM, TEXTOID, "model_version"},
	{RATE_ATTNUM, FLOAT8OID, "audit_rate"},
};

/* The row for all versions, and for conversations without one. */
static const TwSlice every_version = {"*", 1};

typedef struct RaisedRate
{
	TwSlice		version;
	double		rate;
} RaisedRate;

/* Two rows for each model type in a rollout, and one for all versions: too few to sort. */
typedef struct RaisedRates
{
	int			count;
	int			capacity;
	RaisedRate *rates;
} RaisedRates;

static void *
begin_rates(void)
{
	RaisedRates *all = palloc0(sizeof(RaisedRates));

	all->capacity = 4;
	all->rates = palloc(sizeof(RaisedRate) * all->capacity);
	return all;
}

static void
add_rate(void *data, HeapTuple tuple, TupleDesc desc)
{
	RaisedRates *all = data;
	bool		isnull[2];
	Datum		version = heap_getattr(tuple, VERSION_ATTNUM, desc, &isnull[0]);
	Datum		rate = heap_getattr(tuple, RATE_ATTNUM, desc, &isnull[1]);
	TwSlice		name = tw_text_slice(version, isnull[0]);

	/* A row without a rate: its conversations are only reviewed first. */
	if (isnull[0] || isnull[1])
		return;
	if (all->count == all->capacity)
	{
		all->capacity *= 2;
		all->rates = repalloc(all->rates, sizeof(RaisedRate) * all->capacity);
	}
	all->rates[all->count++] = (RaisedRate)
	{
		{pnstrdup(name.data, name.length), name.length}, DatumGetFloat8(rate)
	};
}

static TwCachedTable rates_cache = {
	.table_name = "audited_versions",
	.columns = columns,
	.column_count = lengthof(columns),
	.begin = begin_rates,
	.add_row = add_rate,
};

/*
 * The audit rate of a conversation of this version whose policy has the rate
 * `rate`. A rate of 0 stays 0: the policy excludes its conversations from the
 * audit.
 */
double
tw_raised_audit_rate(Oid schema, TwSlice version, double rate)
{
	const RaisedRates *all;

	if (rate == 0)
		return rate;
	all = tw_cached_table_get(&rates_cache, schema);
	for (int i = 0; i < all->count; i++)
	{
		if (tw_slice_compare(all->rates[i].version, every_version) == 0 ||
			tw_slice_compare(all->rates[i].version, version) == 0)
			rate = Max(rate, all->rates[i].rate);
	}
	return rate;
}
