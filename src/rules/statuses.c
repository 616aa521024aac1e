/*
 * statuses.c
 *		The review statuses of conversations and samples by name.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "rules/statuses.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define NAME(name) {name, sizeof(name) - 1}

static const TwSlice names[TW_STATUSES] = {
	[TW_PENDING] = NAME("pending"),
	[TW_AUTO_APPROVED] = NAME("auto-approved"),
	[TW_NEEDS_REVIEW] = NAME("needs-review"),
	[TW_APPROVED] = NAME("approved"),
	[TW_REJECTED] = NAME("rejected"),
	[TW_NOT_APPLICABLE] = NAME("not-applicable"),
};

/* The status of this name; TW_NO_STATUS for a NULL slice or an unknown name. */
TwStatus
tw_find_status(TwSlice name)
{
	for (int i = TW_NO_STATUS + 1; i < TW_STATUSES; i++)
	{
		if (names[i].length == name.length && memcmp(names[i].data, name.data, name.length) == 0)
			return i;
	}
	return TW_NO_STATUS;
}

/* Whether the text is the name of a status in the set. */
bool
tw_status_in(TwSlice name, int set)
{
	return (set & TW_BIT(tw_find_status(name))) != 0;
}

/* The names of the statuses in the set, NULL after the last. */
const char **
tw_status_names(int set)
{
	const char **result = palloc0(sizeof(char *) * TW_STATUSES);
	int			count = 0;

	for (int i = TW_NO_STATUS + 1; i < TW_STATUSES; i++)
	{
		if (set & TW_BIT(i))
			result[count++] = names[i].data;
	}
	return result;
}

/* A text value that lives as long as the backend; the first call creates it. */
Datum
tw_constant_text(text **cache, const char *value)
{
	if (*cache == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

		*cache = cstring_to_text(value);
		MemoryContextSwitchTo(caller);
	}
	return PointerGetDatum(*cache);
}

/* The status as a column spells it; not to be freed, and not for TW_NO_STATUS. */
Datum
tw_status_datum(TwStatus status)
{
	static text *texts[TW_STATUSES];

	Assert(status != TW_NO_STATUS);
	return tw_constant_text(&texts[status], names[status].data);
}

PG_FUNCTION_INFO_V1(tw_review_statuses);

/* tw_review_statuses(): those that a conversation can have. */
Datum
tw_review_statuses(PG_FUNCTION_ARGS)
{
	Datum		values[TW_STATUSES];
	int			count = 0;

	for (const char **name = tw_status_names(TW_OF_CONVERSATIONS); *name != NULL; name++)
		values[count++] = CStringGetTextDatum(*name);
	PG_RETURN_ARRAYTYPE_P(construct_array(values, count, TEXTOID, -1, false, TYPALIGN_INT));
}
