/*
 * log_check.c
 *		The CHECK of conversation_logs, ready to be evaluated.
 *
 * The executor parses and prepares the stored text of a CHECK anew for every
 * statement. For a single message that took as long as all else that capture
 * does before it is stored. Each backend prepares it once here, and lends it to
 * each INSERT. It is evaluated as ever.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "capture/log_check.h"
#include "capture/log_columns.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "utils/memutils.h"

extern Datum tw_valid_conversation(PG_FUNCTION_ARGS);

static ExecutorStart_hook_type previous_start = NULL;

/* The stored text, and the array that the executor would make of it. */
static char *kept_text = NULL;
static ExprState **kept_states = NULL;

/* Whether that is the CHECK of the table that was checked last. */
static bool is_current = false;

/* Whether the table has one CHECK, and that asks the extension's function. */
static bool
has_own_check(const TupleConstr *constraints)
{
	Node	   *check;

	if (constraints == NULL || constraints->num_check != 1 || !tw_is_enforced(&constraints->check[0]))
		return false;
	check = stringToNode(constraints->check[0].ccbin);
	return IsA(check, FuncExpr) && tw_is_function(((FuncExpr *) check)->funcid, tw_valid_conversation);
}

/*
 * Prepares the CHECK of conversation_logs, whose definition may have changed.
 * What was prepared for an earlier definition is not freed: a statement that
 * runs may have it.
 */
void
tw_keep_log_check(Relation logs)
{
	const TupleConstr *constraints = RelationGetDescr(logs)->constr;
	MemoryContext caller;

	is_current = false;
	if (!has_own_check(constraints))
		return;
	if (kept_text == NULL || strcmp(kept_text, constraints->check[0].ccbin) != 0)
	{
		caller = MemoryContextSwitchTo(TopMemoryContext);
		kept_text = NULL;
		kept_states = palloc(sizeof(ExprState *));
		kept_states[0] = ExecPrepareExpr(stringToNode(constraints->check[0].ccbin), CreateExecutorState());
		kept_text = pstrdup(constraints->check[0].ccbin);
		MemoryContextSwitchTo(caller);
	}
	is_current = true;
}

static void
lend(EState *state)
{
	ListCell   *lc;

	foreach(lc, state->es_opened_result_relations)
	{
		ResultRelInfo *result = lfirst(lc);

		if (RelationGetRelid(result->ri_RelationDesc) == tw_checked_logs() && tw_check_states(result) == NULL)
			tw_check_states(result) = kept_states;
	}
}

static void
start_executor(QueryDesc *query, int eflags)
{
	if (previous_start)
		previous_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
	if (is_current && query->operation == CMD_INSERT)
		lend(query->estate);
}

/* Installs the hook; called once, from _PG_init. */
void
tw_log_check_init(void)
{
	previous_start = ExecutorStart_hook;
	ExecutorStart_hook = start_executor;
}
