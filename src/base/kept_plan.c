/*
 * kept_plan.c
 *		Statements of ours that are prepared once for a backend.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/kept_plan.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* Drops the plan; it is prepared anew when it is next asked for. */
static void
forget_plan(TwKeptPlan *kept)
{
	if (kept->plan == NULL)
		return;
	SPI_freeplan(kept->plan);
	pfree(kept->schema_name);
	kept->plan = NULL;
}

/*
 * The prepared plan of `command`, in which %1$s stands for the quoted name of
 * the extension's schema. It is prepared when it is first asked for, and again
 * when the extension was made anew in another schema or the schema was renamed.
 * SPI must be connected, and every name and operator in the command qualified:
 * it is parsed under the search_path of whoever called.
 */
SPIPlanPtr
tw_kept_plan(TwKeptPlan *kept, Oid schema, const char *command, int nargs, Oid *types)
{
	char	   *name = tw_schema_name(schema);
	SPIPlanPtr	plan;

	if (kept->plan != NULL && kept->schema == schema && strcmp(kept->schema_name, name) == 0)
		return kept->plan;

	/* The values never matter for the plan: do not try five custom ones first. */
	plan = SPI_prepare_cursor(psprintf(command, quote_identifier(name)), nargs, types,
							  CURSOR_OPT_GENERIC_PLAN);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare statement: %s", SPI_result_code_string(SPI_result));

	forget_plan(kept);
	kept->schema_name = MemoryContextStrdup(TopMemoryContext, name);
	kept->schema = schema;
	kept->plan = plan;
	return plan;
}

/* Runs an INSERT of ours, and returns how many rows it wrote; `nulls` as for SPI_execute_plan. */
int64
tw_run_insert(TwKeptPlan *kept, Oid schema, const char *command, int nargs, Oid *types, Datum *values,
			  const char *nulls)
{
	SPIPlanPtr	plan = tw_kept_plan(kept, schema, command, nargs, types);
	int			result = SPI_execute_plan(plan, values, nulls, false, 0);

	if (result < 0)
		elog(ERROR, "INSERT failed: %s", SPI_result_code_string(result));
	/* A rule took its place. Once it is dropped nothing would invalidate the plan. */
	if (result == SPI_OK_REWRITTEN)
		forget_plan(kept);
	return (int64) SPI_processed;
}
