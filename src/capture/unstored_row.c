/*
 * unstored_row.c
 *		Rows of an INSERT that RETURNING shows and that are not stored.
 *
 * A BEFORE trigger that returns no row leaves nothing for RETURNING, and a
 * client that waits for the id of its row takes that for an error. An INSTEAD
 * OF trigger, as views have them, stands between: its row counts and is
 * returned, and nothing is stored. So for a single row the executor is told
 * that the table has such triggers. It finds none to call, and goes on as if
 * the row had been stored. The executor looks after the BEFORE triggers, and at
 * a copy of the table's triggers that is this statement's own.
 */
#include "postgres.h"

#include "capture/unstored_row.h"
#include "executor/executor.h"
#include "lib/ilist.h"
#include "nodes/execnodes.h"
#include "utils/memutils.h"

/* A statement that writes, until its memory is freed. */
typedef struct Running
{
	dlist_node	node;
	EState	   *state;
	TriggerDesc *told;			/* the triggers of a table whose row is not stored; NULL = none */
	bool		after_row;		/* whether they have AFTER triggers, which get no row that is not stored */
	MemoryContextCallback forget;
} Running;

static ExecutorStart_hook_type previous_start = NULL;
static dlist_head running = DLIST_STATIC_INIT(running);

/* How many of these have told the executor. */
static int	told_count = 0;

static void
forget(void *arg)
{
	Running    *statement = arg;

	if (statement->told != NULL)
		told_count--;
	dlist_delete(&statement->node);
}

static void
remember(EState *state)
{
	Running    *statement = MemoryContextAllocZero(state->es_query_cxt, sizeof(Running));

	statement->state = state;
	statement->forget.func = forget;
	statement->forget.arg = statement;
	dlist_push_head(&running, &statement->node);
	MemoryContextRegisterResetCallback(state->es_query_cxt, &statement->forget);
}

static void
start_executor(QueryDesc *query, int eflags)
{
	if (previous_start)
		previous_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
	if (!(eflags & EXEC_FLAG_EXPLAIN_ONLY) && (query->operation != CMD_SELECT || query->plannedstmt->hasModifyingCTE))
		remember(query->estate);
}

/* The statement that this trigger fires in, and its copy of the table's triggers. NULL for COPY, which has neither. */
static Running *
statement_of(const Trigger *trigger, TriggerDesc **triggers)
{
	dlist_iter	iter;

	dlist_foreach(iter, &running)
	{
		Running    *statement = dlist_container(Running, node, iter.cur);
		ListCell   *lc;

		foreach(lc, statement->state->es_opened_result_relations)
		{
			TriggerDesc *own = ((ResultRelInfo *) lfirst(lc))->ri_TrigDesc;

			if (own != NULL && trigger >= own->triggers && trigger < own->triggers + own->numtriggers)
			{
				*triggers = own;
				return statement;
			}
		}
	}
	return NULL;
}

/*
 * For a BEFORE trigger of a row: what the trigger returns is shown by
 * RETURNING, and not stored. False where that is not possible: then the
 * trigger can only return no row.
 */
bool
tw_leave_unstored(const Trigger *trigger)
{
	TriggerDesc *triggers;
	Running    *statement = statement_of(trigger, &triggers);

	if (statement == NULL || statement->told != NULL)
		return false;
	statement->told = triggers;
	statement->after_row = triggers->trig_insert_after_row;
	triggers->trig_insert_instead_row = true;
	triggers->trig_insert_after_row = false;
	told_count++;
	return true;
}

/* For a BEFORE trigger of each row: its row is stored. */
void
tw_store_again(const Trigger *trigger)
{
	TriggerDesc *triggers;
	Running    *statement;

	if (told_count == 0)
		return;
	statement = statement_of(trigger, &triggers);
	if (statement == NULL || statement->told == NULL)
		return;
	statement->told->trig_insert_instead_row = false;
	statement->told->trig_insert_after_row = statement->after_row;
	statement->told = NULL;
	told_count--;
}

/* Installs the hook; called once, from _PG_init. */
void
tw_unstored_row_init(void)
{
	previous_start = ExecutorStart_hook;
	ExecutorStart_hook = start_executor;
}
