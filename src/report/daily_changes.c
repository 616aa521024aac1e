/*
 * daily_changes.c
 *		Writes down what changes on days whose figures may be stored.
 *
 * tw_close_days() stores the figures of days that are over, and what changes
 * there afterwards is appended to daily_statistics_changes, in the transaction
 * that changes it: numbers to add, or that the day has to be counted anew.
 * Nothing is looked up or updated for it, so that nobody waits for anybody.
 *
 * Nothing is written about days that have not been announced for closing
 * (daily_statistics_closings), which is what capture normally meets.  The order
 * matters: whoever changes a row first has a transaction id, then asks which
 * days are announced.  Either it sees the announcement, or tw_close_days() sees
 * that the transaction is older than the announcement, and waits for its end
 * before it counts.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "base/cached_table.h"
#include "base/catalog.h"
#include "base/table_triggers.h"
#include "capture/log_columns.h"
#include "capture/log_row.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "report/daily_changes.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/xid8.h"

/* The columns of daily_statistics_changes. */
enum
{
	CREATED_ON,
	CONVERSATION,
	RECOUNT,
	COUNTS,
	WAITING_HIGH = COUNTS,
	WAITING_MEDIUM,
	WAITING_LOW,
	APPROVED,
	REJECTED,
	PROMOTED,
	POSITIVE,
	NEGATIVE,
	FEEDBACK,
	COLUMNS
};

static const TwColumn change_columns[] = {
	{CREATED_ON + 1, DATEOID, "created_on"},
	{CONVERSATION + 1, INT8OID, "conversation_log_id"},
	{RECOUNT + 1, BOOLOID, "recount"},
	{WAITING_HIGH + 1, INT2OID, "needs_review_high"},
	{WAITING_MEDIUM + 1, INT2OID, "needs_review_medium"},
	{WAITING_LOW + 1, INT2OID, "needs_review_low"},
	{APPROVED + 1, INT2OID, "approved"},
	{REJECTED + 1, INT2OID, "rejected"},
	{PROMOTED + 1, INT2OID, "promoted"},
	{POSITIVE + 1, INT2OID, "positive_feedback"},
	{NEGATIVE + 1, INT2OID, "negative_feedback"},
	{FEEDBACK + 1, INT2OID, "feedback"},
};

/* What changes of a row without changing who waits, who decided or who said what: the day is counted anew. */
static const TwLogColumn counted_anew[] = {
	TW_LOG_CREATED_ON, TW_LOG_FILTER_OUTCOME, TW_LOG_IS_AUDIT, TW_LOG_NLU_INTENT, TW_LOG_NLU_MODULE_TYPE, TW_LOG_NLU_PROVIDER,
	TW_LOG_NLU_PROCESSING_TIME_MS
};

typedef struct Counts
{
	int16		value[COLUMNS];
} Counts;

/* A row of daily_statistics_changes. */
typedef struct Change
{
	const DateADT *day;			/* NULL = unknown */
	const int64 *conversation;	/* NULL = none */
	bool		recount;
	Counts		counts;
} Change;

/* Up to which day figures may be stored. */
typedef struct Announced
{
	bool		any;
	DateADT		day;
} Announced;

/* pg_trigger_depth() of the triggers on samples that capture is making; -1 = it makes none. */
static int	promotion_depth = -1;

static void *
begin_announced(void)
{
	return palloc0(sizeof(Announced));
}

static void
add_announced(void *data, HeapTuple tuple, TupleDesc desc)
{
	Announced  *announced = data;
	bool		isnull;
	Datum		day = heap_getattr(tuple, 1, desc, &isnull);

	if (isnull || (announced->any && announced->day >= DatumGetDateADT(day)))
		return;
	announced->any = true;
	announced->day = DatumGetDateADT(day);
}

static const TwColumn closing_columns[] = {
	{1, DATEOID, "closed_to"},
};

static TwCachedTable closings = {
	.table_name = "daily_statistics_closings",
	.columns = closing_columns,
	.column_count = lengthof(closing_columns),
	.begin = begin_announced,
	.add_row = add_announced,
};

static const Announced *
get_announced(Oid schema)
{
	(void) GetTopTransactionId();
	return tw_cached_table_get(&closings, schema);
}

static bool
is_announced(Oid schema, DateADT day)
{
	const Announced *announced = get_announced(schema);

	return announced->any && day <= announced->day;
}

/* The table has no index and no unique key: nobody can wait here. */
static void
append(Oid schema, const Change *change)
{
	Relation	rel = table_open(get_relname_relid("daily_statistics_changes", schema), RowExclusiveLock);
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};

	tw_check_columns(rel, change_columns, lengthof(change_columns));
	nulls[CREATED_ON] = change->day == NULL;
	nulls[CONVERSATION] = change->conversation == NULL;
	values[CREATED_ON] = change->day ? DateADTGetDatum(*change->day) : (Datum) 0;
	values[CONVERSATION] = change->conversation ? Int64GetDatum(*change->conversation) : (Datum) 0;
	values[RECOUNT] = BoolGetDatum(change->recount);
	for (int i = COUNTS; i < COLUMNS; i++)
		values[i] = Int16GetDatum(change->counts.value[i]);
	simple_heap_insert(rel, heap_form_tuple(RelationGetDescr(rel), values, nulls));
	table_close(rel, NoLock);
}

/*
 * A statement that imports old rows says so once for each of their days, or
 * little more often.  The next statement says it again: tw_close_days() may
 * have been called in between.
 */
static void
append_recount(Oid schema, DateADT day)
{
	static struct
	{
		Oid			schema;
		FullTransactionId transaction;
		SubTransactionId subtransaction;
		CommandId	command;
		DateADT		day;
	}			said[256];

	int			slot = (uint32) day % lengthof(said);
	Change		change = {.day = &day,.recount = true};

	if (said[slot].schema == schema && said[slot].day == day &&
		said[slot].subtransaction == GetCurrentSubTransactionId() &&
		said[slot].command == GetCurrentCommandId(false) &&
		FullTransactionIdEquals(said[slot].transaction, GetTopFullTransactionId()))
		return;
	append(schema, &change);
	said[slot].schema = schema;
	said[slot].day = day;
	said[slot].subtransaction = GetCurrentSubTransactionId();
	said[slot].command = GetCurrentCommandId(false);
	said[slot].transaction = GetTopFullTransactionId();
}

/* A conversation of that day comes, or goes: called by capture for every row. */
void
tw_note_conversation(Oid schema, DateADT day)
{
	if (is_announced(schema, day))
		append_recount(schema, day);
}

static bool
is(TwSpan value, const char *name)
{
	return tw_span_compare(value, (TwSpan) {name, strlen(name)}) == 0;
}

/* What a conversation adds to the figures of its day that verdicts and users change; as tw_day_figures() counts. */
static Counts
count(const LogRow *row)
{
	Counts		counts = {{0}};
	TwSpan		status = get_text(row, TW_LOG_REVIEW_STATUS);
	TwSpan		feedback = get_text(row, TW_LOG_USER_FEEDBACK);
	bool		waits = is(status, "needs-review") && !is_null(row, TW_LOG_REVIEW_PRIORITY);
	int			priority = waits ? DatumGetInt16(get(row, TW_LOG_REVIEW_PRIORITY)) : 0;

	counts.value[WAITING_HIGH] = priority == 1;
	counts.value[WAITING_MEDIUM] = priority == 2;
	counts.value[WAITING_LOW] = priority == 3;
	counts.value[APPROVED] = is(status, "approved");
	counts.value[REJECTED] = is(status, "rejected");
	counts.value[POSITIVE] = tw_span_equals_ascii_ci(feedback, (TwSpan) {"positive", 8});
	counts.value[NEGATIVE] = tw_span_equals_ascii_ci(feedback, (TwSpan) {"negative", 8});
	counts.value[FEEDBACK] = !is_null(row, TW_LOG_USER_FEEDBACK) || !is_null(row, TW_LOG_USER_CORRECTION);
	return counts;
}

static bool
must_recount(Relation rel, const LogRow *old_row, const LogRow *new_row)
{
	for (size_t i = 0; i < lengthof(counted_anew); i++)
	{
		if (tw_log_differs(rel, old_row, new_row, counted_anew[i]))
			return true;
	}
	/* The outcome of a row that was not filtered is what somebody else decided. */
	return is_null(new_row, TW_LOG_FILTER_OUTCOME) && tw_log_differs(rel, old_row, new_row, TW_LOG_REVIEW_STATUS);
}

static void
note_update(Relation rel, const LogRow *old_row, const LogRow *new_row)
{
	Oid			schema = RelationGetNamespace(rel);
	Change		change = {0};
	Counts		before;
	DateADT		day;
	bool		differs = false;

	if (must_recount(rel, old_row, new_row))
	{
		if (!is_null(old_row, TW_LOG_CREATED_ON))
			tw_note_conversation(schema, DatumGetDateADT(get(old_row, TW_LOG_CREATED_ON)));
		if (!is_null(new_row, TW_LOG_CREATED_ON))
			tw_note_conversation(schema, DatumGetDateADT(get(new_row, TW_LOG_CREATED_ON)));
		return;
	}
	if (is_null(new_row, TW_LOG_CREATED_ON))
		return;
	day = DatumGetDateADT(get(new_row, TW_LOG_CREATED_ON));
	if (!is_announced(schema, day))
		return;
	before = count(old_row);
	change.day = &day;
	change.counts = count(new_row);
	for (int i = COUNTS; i < COLUMNS; i++)
	{
		change.counts.value[i] -= before.value[i];
		differs = differs || change.counts.value[i] != 0;
	}
	if (differs)
		append(schema, &change);
}

PG_FUNCTION_INFO_V1(tw_conversation_changed);

/* Trigger on conversation_logs: AFTER UPDATE or DELETE of a row, or TRUNCATE. */
Datum
tw_conversation_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Relation	rel;
	LogRow		old_row;
	LogRow		new_row;

	tw_check_trigger(fcinfo, "tw_conversation_changed",
					 TW_AFTER | TW_ROW | TW_STATEMENT | TW_ON_UPDATE | TW_ON_DELETE | TW_ON_TRUNCATE);
	rel = trigdata->tg_relation;
	tw_check_log_columns(rel);
	if (TRIGGER_FIRED_FOR_STATEMENT(trigdata->tg_event))
	{
		Change		everything = {.recount = true};

		if (get_announced(RelationGetNamespace(rel))->any)
			append(RelationGetNamespace(rel), &everything);
		return PointerGetDatum(NULL);
	}

	old_row = tw_take_apart(rel, trigdata->tg_trigslot);
	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
	{
		new_row = tw_take_apart(rel, trigdata->tg_newslot);
		note_update(rel, &old_row, &new_row);
	}
	else if (!is_null(&old_row, TW_LOG_CREATED_ON))
		tw_note_conversation(old_row.schema, DatumGetDateADT(get(&old_row, TW_LOG_CREATED_ON)));
	return PointerGetDatum(NULL);
}

/*
 * Capture makes samples of the conversations of the statement at hand, which
 * has noted their days: their triggers need not.  Returns what to hand to
 * tw_end_promotion(), also on error.
 */
int
tw_begin_promotion(void)
{
	int			outer = promotion_depth;

	promotion_depth = DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0));
	return outer;
}

void
tw_end_promotion(int outer)
{
	promotion_depth = outer;
}

PG_FUNCTION_INFO_V1(tw_is_late_sample);

/* tw_is_late_sample(): false where capture makes a sample; for the WHEN of a trigger, which is evaluated outside of it. */
Datum
tw_is_late_sample(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(promotion_depth < 0 ||
				   promotion_depth != DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0)));
}

/* The day is the conversation's, which need not be there, or visible, yet: whoever reads the change looks it up. */
static void
note_sample(Oid schema, TupleTableSlot *slot, int amount)
{
	bool		isnull;
	int64		conversation = DatumGetInt64(slot_getattr(slot, 2, &isnull));
	Change		change = {.conversation = &conversation};

	if (isnull || !get_announced(schema)->any)
		return;
	change.counts.value[PROMOTED] = amount;
	append(schema, &change);
}

PG_FUNCTION_INFO_V1(tw_sample_changed);

/* Trigger on training_samples: AFTER INSERT, UPDATE of conversation_log_id or DELETE of a row, or TRUNCATE. */
Datum
tw_sample_changed(PG_FUNCTION_ARGS)
{
	static const TwColumn columns[] = {{2, INT8OID, "conversation_log_id"}};

	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	TriggerEvent event;
	Oid			schema;

	tw_check_trigger(fcinfo, "tw_sample_changed",
					 TW_AFTER | TW_ROW | TW_STATEMENT | TW_ON_INSERT | TW_ON_UPDATE | TW_ON_DELETE | TW_ON_TRUNCATE);
	tw_check_columns(trigdata->tg_relation, columns, lengthof(columns));
	event = trigdata->tg_event;
	schema = RelationGetNamespace(trigdata->tg_relation);
	if (TRIGGER_FIRED_FOR_STATEMENT(event))
	{
		Change		everything = {.recount = true};

		if (get_announced(schema)->any)
			append(schema, &everything);
		return PointerGetDatum(NULL);
	}
	if (!TRIGGER_FIRED_BY_INSERT(event))
		note_sample(schema, trigdata->tg_trigslot, -1);
	if (!TRIGGER_FIRED_BY_DELETE(event))
		note_sample(schema, TRIGGER_FIRED_BY_UPDATE(event) ? trigdata->tg_newslot : trigdata->tg_trigslot, 1);
	return PointerGetDatum(NULL);
}

PG_FUNCTION_INFO_V1(tw_next_transaction_id);

/* tw_next_transaction_id(): above every transaction id that there is. */
Datum
tw_next_transaction_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_FULLTRANSACTIONID(ReadNextFullTransactionId());
}

PG_FUNCTION_INFO_V1(tw_local_only);

/*
 * Trigger on our own tables, BEFORE anything: replication of all tables must
 * not bring the publisher's figures and changes beside those that a
 * subscriber's triggers write down themselves.
 */
Datum
tw_local_only(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	tw_check_trigger(fcinfo, "tw_local_only", TW_BEFORE | TW_ROW | TW_ON_INSERT | TW_ON_UPDATE | TW_ON_DELETE);
	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		return PointerGetDatum(NULL);
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? trigdata->tg_newtuple : trigdata->tg_trigtuple);
}
