/*
 * table_triggers.c
 *		Trigger functions that several tables share.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "base/table_triggers.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/*
 * Raises an error unless the function was called as a trigger of an allowed
 * kind. `kinds` holds the TW_ bits of the allowed timings, levels and events.
 */
void
tw_check_trigger(FunctionCallInfo fcinfo, const char *name, int kinds)
{
	int			kind = 0;

	if (CALLED_AS_TRIGGER(fcinfo))
	{
		TriggerEvent event = ((TriggerData *) fcinfo->context)->tg_event;

		kind |= TRIGGER_FIRED_BEFORE(event) ? TW_BEFORE : TW_AFTER;
		kind |= TRIGGER_FIRED_FOR_ROW(event) ? TW_ROW : TW_STATEMENT;
		kind |= 1 << (event & TRIGGER_EVENT_OPMASK);
	}
	if (kind == 0 || (kind & ~kinds) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by a trigger of the kind it is made for", name),
				 errhint("The extension makes its triggers itself; do not make others with its functions.")));
}

/* The append-only table that a function of the extension is about to change, and how; there is no setting for it. */
static Oid	opened = InvalidOid;
static int	opened_for = 0;

/* Allows TW_ON_UPDATE or TW_ON_DELETE on a table until tw_close_append_only(), which the caller calls on error too. */
void
tw_open_append_only(Oid relation, int events)
{
	opened = relation;
	opened_for = events;
}

void
tw_close_append_only(void)
{
	opened = InvalidOid;
	opened_for = 0;
}

/*
 * Whether a row may be changed: an erasure is at it, or logical replication
 * brings what one did on the publisher, which only the owner of a subscription
 * can cause. The audit trail comes along, and says when it was none.
 */
static bool
is_open(const TriggerData *trigdata)
{
	if (!TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		return false;
	return IsLogicalWorker()
		|| (RelationGetRelid(trigdata->tg_relation) == opened
			&& (opened_for & (1 << (trigdata->tg_event & TRIGGER_EVENT_OPMASK))) != 0);
}

PG_FUNCTION_INFO_V1(tw_append_only);

/* Refuses UPDATE, DELETE and TRUNCATE, also by the owner. */
Datum
tw_append_only(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	tw_check_trigger(fcinfo, "tw_append_only",
					 TW_BEFORE | TW_ROW | TW_STATEMENT | TW_ON_UPDATE | TW_ON_DELETE | TW_ON_TRUNCATE);
	if (is_open(trigdata))
		return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? trigdata->tg_newtuple
							   : trigdata->tg_trigtuple);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" is append-only", RelationGetRelationName(trigdata->tg_relation)),
			 errdetail("Its rows are the record of what happened."),
			 errhint("Add a row that corrects the earlier one.")));
	PG_RETURN_NULL();
}

PG_FUNCTION_INFO_V1(tw_touch_updated_at);

/* Sets updated_at of an updated row to the start of the transaction, and updated_by to the role that logged in. */
Datum
tw_touch_updated_at(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	int			columns[2];
	Datum		values[2];
	bool		nulls[2] = {false};
	int			count = 1;

	tw_check_trigger(fcinfo, "tw_touch_updated_at", TW_BEFORE | TW_ROW | TW_ON_UPDATE);
	desc = RelationGetDescr(trigdata->tg_relation);
	columns[0] = SPI_fnumber(desc, "updated_at");
	if (columns[0] <= 0)
		elog(ERROR, "table \"%s\" has no column updated_at", RelationGetRelationName(trigdata->tg_relation));
	values[0] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());

	/* Some tables also record the role. */
	columns[1] = SPI_fnumber(desc, "updated_by");
	if (columns[1] > 0)
	{
		values[1] = CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false));
		count = 2;
	}
	return PointerGetDatum(heap_modify_tuple_by_cols(trigdata->tg_newtuple, desc, count, columns, values, nulls));
}

PG_FUNCTION_INFO_V1(tw_invalidate_cache);

/* Invalidates every backend's cache of this table once the change commits. */
Datum
tw_invalidate_cache(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	tw_check_trigger(fcinfo, "tw_invalidate_cache",
					 TW_AFTER | TW_ROW | TW_STATEMENT | TW_ON_INSERT | TW_ON_UPDATE | TW_ON_DELETE | TW_ON_TRUNCATE);
	CacheInvalidateRelcache(trigdata->tg_relation);
	return PointerGetDatum(NULL);
}
