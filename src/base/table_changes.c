/*
 * table_changes.c
 *		Functions that are called when something about a table changes: its
 *		definition, its privileges, or what tw_invalidate_cache() is told.
 *
 * A backend has ten places for relcache callbacks, for the server and all
 * libraries together, and one more ends it. So all of ours share one.
 */
#include "postgres.h"

#include "base/table_changes.h"
#include "utils/inval.h"

static TwTableChange functions[8];
static int	count = 0;

static void
call_all(Datum arg, Oid relid)
{
	for (int i = 0; i < count; i++)
		functions[i] (relid);
}

/* Calls the function from now on; for each function once a session. */
void
tw_on_table_change(TwTableChange function)
{
	if (count == lengthof(functions))
		elog(ERROR, "too many functions for changes of tables");
	if (count == 0)
		CacheRegisterRelcacheCallback(call_all, (Datum) 0);
	functions[count++] = function;
}
