/*
 * intent_names.c
 *		The current names of intents that were renamed or merged (table
 *		intent_aliases).
 *
 * Former names never lead to other former names: rename_intent() and
 * merge_intents() write them so. One look-up is enough.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/cached_table.h"
#include "base/catalog.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "rules/intent_names.h"
#include "utils/builtins.h"

enum
{
	ALIAS_ATTNUM = 1,
	INTENT_ATTNUM = 2
};

static const TwColumn columns[] = {
	{ALIAS_ATTNUM, TEXTOID, "alias"},
	{INTENT_ATTNUM, TEXTOID, "intent"},
};

typedef struct IntentAlias
{
	TwSlice		alias;
	TwSlice		intent;
} IntentAlias;

/* All rows, ordered by alias. */
typedef struct IntentAliases
{
	int			count;
	int			capacity;
	IntentAlias *rows;
} IntentAliases;

static void *
begin_aliases(void)
{
	IntentAliases *all = palloc0(sizeof(IntentAliases));

	all->capacity = 8;
	all->rows = palloc(sizeof(IntentAlias) * all->capacity);
	return all;
}

static TwSlice
name_column(HeapTuple tuple, TupleDesc desc, int attnum)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, desc, &isnull);
	TwSlice		name = tw_text_slice(value, isnull);

	return isnull ? name : (TwSlice) {pnstrdup(name.data, name.length), name.length};
}

static void
add_alias(void *data, HeapTuple tuple, TupleDesc desc)
{
	IntentAliases *all = data;

	if (all->count == all->capacity)
	{
		all->capacity *= 2;
		all->rows = repalloc(all->rows, sizeof(IntentAlias) * all->capacity);
	}
	all->rows[all->count].alias = name_column(tuple, desc, ALIAS_ATTNUM);
	all->rows[all->count++].intent = name_column(tuple, desc, INTENT_ATTNUM);
}

static int
compare_aliases(const void *a, const void *b)
{
	return tw_slice_compare(((const IntentAlias *) a)->alias, ((const IntentAlias *) b)->alias);
}

static void
finish_aliases(void *data)
{
	IntentAliases *all = data;

	qsort(all->rows, all->count, sizeof(IntentAlias), compare_aliases);
}

static TwCachedTable alias_cache = {
	.table_name = "intent_aliases",
	.columns = columns,
	.column_count = lengthof(columns),
	.begin = begin_aliases,
	.add_row = add_alias,
	.finish = finish_aliases,
};

/* Whether any intent has a former name. False until ALTER EXTENSION UPDATE has made the table. */
bool
tw_has_intent_aliases(Oid schema)
{
	return ((const IntentAliases *) tw_cached_table_get(&alias_cache, schema))->count > 0;
}

/* The current name of an intent, or the intent itself, also NULL; valid until the next call. */
TwSlice
tw_current_intent(Oid schema, TwSlice intent)
{
	const IntentAliases *all = tw_cached_table_get(&alias_cache, schema);
	IntentAlias key = {.alias = intent};
	const IntentAlias *row;

	if (all->count == 0 || intent.data == NULL)
		return intent;
	row = bsearch(&key, all->rows, all->count, sizeof(IntentAlias), compare_aliases);
	return row ? row->intent : intent;
}

/* The same for a text: the current name is a copy. */
Datum
tw_current_intent_datum(Oid schema, Datum intent)
{
	TwSlice		given = tw_text_slice(intent, false);
	TwSlice		current = tw_current_intent(schema, given);

	return current.data == given.data ? intent :
		PointerGetDatum(cstring_to_text_with_len(current.data, current.length));
}

PG_FUNCTION_INFO_V1(tw_resolve_intent);

/* tw_resolve_intent(intent) */
Datum
tw_resolve_intent(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(tw_current_intent_datum(tw_kept_schema_of_function(fcinfo), PG_GETARG_DATUM(0)));
}
