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
#include "base/table_changes.h"
#include "capture/log_check.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

extern Datum tw_valid_conversation(PG_FUNCTION_ARGS);

static ExecutorStart_hook_type previous_start = NULL;

/* A CHECK that was prepared, and its stored text. A session meets one text, or a few where it is changed. */
typedef struct KeptCheck
{
	ExprState  *state;
	char	   *text;
	struct KeptCheck *next;
} KeptCheck;

static KeptCheck *checks = NULL;

/* The array that the executor would make of the CHECK that was looked up last. */
static ExprState **kept_states = NULL;

/* Whether that is the only CHECK of this table, until its definition or a function changes. */
static Oid	known_relid = InvalidOid;
static bool is_kept = false;

static void
forget_changed_table(Oid relid)
{
	if (relid == InvalidOid || relid == known_relid)
		known_relid = InvalidOid;
}

static void
forget_changed_function(Datum arg, int cache, uint32 hash)
{
	known_relid = InvalidOid;
}

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
 * Looks up what was prepared of a stored text, and prepares it once a session.
 * It is not freed, since a statement that runs may have it.
 */
static void
keep(const char *text)
{
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
	KeptCheck  *check;

	for (check = checks; check != NULL && strcmp(check->text, text) != 0; check = check->next)
		;
	if (check == NULL)
	{
		check = palloc(sizeof(KeptCheck));
		check->state = ExecPrepareExpr(stringToNode(text), CreateExecutorState());
		check->text = pstrdup(text);
		check->next = checks;
		checks = check;
	}
	kept_states = &check->state;
	MemoryContextSwitchTo(caller);
}

/* Prepares the CHECK of conversation_logs, for the statements that follow. */
void
tw_keep_log_check(Relation logs)
{
	const TupleConstr *constraints = RelationGetDescr(logs)->constr;

	if (known_relid == RelationGetRelid(logs))
		return;
	/* What changes while it is looked at is looked at again. */
	known_relid = RelationGetRelid(logs);
	is_kept = false;
	if (!has_own_check(constraints))
		return;
	keep(constraints->check[0].ccbin);
	is_kept = true;
}

static void
lend(EState *state)
{
	ListCell   *lc;

	foreach(lc, state->es_opened_result_relations)
	{
		ResultRelInfo *result = lfirst(lc);

		if (RelationGetRelid(result->ri_RelationDesc) == known_relid && tw_check_states(result) == NULL)
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
	if (OidIsValid(known_relid) && is_kept && query->operation == CMD_INSERT)
		lend(query->estate);
}

/* Installs the hook and registers with the caches; called once, from _PG_init. */
void
tw_log_check_init(void)
{
	previous_start = ExecutorStart_hook;
	ExecutorStart_hook = start_executor;
	tw_on_table_change(forget_changed_table);
	CacheRegisterSyscacheCallback(PROCOID, forget_changed_function, (Datum) 0);
}
