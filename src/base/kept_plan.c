/*
 * kept_plan.c
 *		Statements of the extension that each backend prepares once.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/kept_plan.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* Drops the plan; the next call prepares it again. */
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
 * Error context of a statement of the extension while it is parsed: a name that
 * does not exist means that the extension in this database is older than the
 * library.
 */
static void
explain_missing(void *arg)
{
	int			code = geterrcode();

	if (code == ERRCODE_UNDEFINED_FUNCTION || code == ERRCODE_UNDEFINED_TABLE || code == ERRCODE_UNDEFINED_COLUMN)
	{
		errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
		errhint("The library of training_workflow is newer than the extension in this database. Run: ALTER EXTENSION "
				"training_workflow UPDATE;");
	}
}

static SPIPlanPtr
prepare(const char *command, int nargs, Oid *types)
{
	ErrorContextCallback context = {.previous = error_context_stack, .callback = explain_missing};
	SPIPlanPtr	plan;

	error_context_stack = &context;
	/* The plan does not depend on the parameter values: skip the five custom plans. */
	plan = SPI_prepare_cursor(command, nargs, types, CURSOR_OPT_GENERIC_PLAN);
	error_context_stack = context.previous;
	return plan;
}

/* SPI_execute_extended for a statement of the extension that is not kept. */
int
tw_execute(const char *command, const SPIExecuteOptions *options)
{
	ErrorContextCallback context = {.previous = error_context_stack, .callback = explain_missing};
	int			result;

	error_context_stack = &context;
	result = SPI_execute_extended(command, options);
	error_context_stack = context.previous;
	return result;
}

/*
 * The prepared plan of `command`, in which %1$s stands for the quoted name of
 * the extension's schema. The first call prepares it; a later call prepares it
 * again if the extension was reinstalled in another schema or the schema was
 * renamed. SPI must be connected. Every name and operator in the command must
 * be qualified: it is parsed under the caller's search_path.
 */
SPIPlanPtr
tw_kept_plan(TwKeptPlan *kept, Oid schema, const char *command, int nargs, Oid *types)
{
	char	   *name = tw_schema_name(schema);
	SPIPlanPtr	plan;

	if (kept->plan != NULL && kept->schema == schema && strcmp(kept->schema_name, name) == 0)
		return kept->plan;

	plan = prepare(psprintf(command, quote_identifier(name)), nargs, types);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare statement: %s", SPI_result_code_string(SPI_result));

	forget_plan(kept);
	kept->schema_name = MemoryContextStrdup(TopMemoryContext, name);
	kept->schema = schema;
	kept->plan = plan;
	return plan;
}

/* Runs an INSERT and returns the number of rows written; `nulls` as for SPI_execute_plan. */
int64
tw_run_insert(TwKeptPlan *kept, Oid schema, const char *command, int nargs, Oid *types, Datum *values,
			  const char *nulls)
{
	SPIPlanPtr	plan = tw_kept_plan(kept, schema, command, nargs, types);
	int			result = SPI_execute_plan(plan, values, nulls, false, 0);

	if (result < 0)
		elog(ERROR, "INSERT failed: %s", SPI_result_code_string(result));
	/* A rule replaced the INSERT. Dropping the rule would not invalidate the plan. */
	if (result == SPI_OK_REWRITTEN)
		forget_plan(kept);
	return (int64) SPI_processed;
}
