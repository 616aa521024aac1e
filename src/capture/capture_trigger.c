/*
 * capture_trigger.c
 *		The triggers that fill a new conversation's columns, and that keep what
 *		was written once.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "capture/filter.h"
#include "capture/log_columns.h"
#include "catalog/pg_type.h"
#include "common/columns.h"
#include "common/compat.h"
#include "common/settings.h"
#include "common/table_triggers.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

static const TwColumn log_columns[] = {
	{TW_LOG_ID, INT8OID, "id"},
	{TW_LOG_USER_MESSAGE, TEXTOID, "user_message"},
	{TW_LOG_MESSAGE_TYPE, TEXTOID, "message_type"},
	{TW_LOG_NLU_INTENT, TEXTOID, "nlu_intent"},
	{TW_LOG_NLU_CONFIDENCE, FLOAT8OID, "nlu_confidence"},
	{TW_LOG_NLU_MODULE_TYPE, TEXTOID, "nlu_module_type"},
	{TW_LOG_NLU_PROVIDER, TEXTOID, "nlu_provider"},
	{TW_LOG_USER_FEEDBACK, TEXTOID, "user_feedback"},
	{TW_LOG_USER_CORRECTION, TEXTOID, "user_correction"},
	{TW_LOG_IS_TRAINING_CANDIDATE, BOOLOID, "is_training_candidate"},
	{TW_LOG_REVIEW_STATUS, TEXTOID, "review_status"},
	{TW_LOG_REVIEW_PRIORITY, INT2OID, "review_priority"},
	{TW_LOG_REVIEW_REASON, TEXTOID, "review_reason"},
	{TW_LOG_FILTER_OUTCOME, TEXTOID, "filter_outcome"},
	{TW_LOG_FILTER_POLICY_ID, INT8OID, "filter_policy_id"},
	{TW_LOG_IS_AUDIT, BOOLOID, "is_audit"},
	{TW_LOG_SELECTION_PROBABILITY, FLOAT8OID, "selection_probability"},
	{TW_LOG_FILTERED_AT, TIMESTAMPTZOID, "filtered_at"},
	{TW_LOG_CREATED_AT, TIMESTAMPTZOID, "created_at"},
	{TW_LOG_CREATED_ON, DATEOID, "created_on"},
};

/* The table whose columns were found to be right, until its definition changes. */
static Oid	checked_relid = InvalidOid;

/* A row taken apart, and what it belongs to. */
typedef struct LogRow
{
	Oid			schema;
	Datum	   *values;
	bool	   *nulls;
} LogRow;

static void
forget_checked_columns(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == checked_relid)
		checked_relid = InvalidOid;
}

/* Registers with the relation cache; called once, from _PG_init. */
void
tw_log_columns_init(void)
{
	CacheRegisterRelcacheCallback(forget_checked_columns, (Datum) 0);
}

/* Raises unless the columns are as log_columns.h says; looked at again when the table's definition changed. */
void
tw_check_log_columns(Relation rel)
{
	if (checked_relid == RelationGetRelid(rel))
		return;
	tw_check_columns(rel, log_columns, lengthof(log_columns));
	checked_relid = RelationGetRelid(rel);
}

static inline bool
is_null(const LogRow *row, TwLogColumn column)
{
	return row->nulls[column - 1];
}

static inline Datum
get(const LogRow *row, TwLogColumn column)
{
	return row->values[column - 1];
}

static inline TwSpan
get_text(const LogRow *row, TwLogColumn column)
{
	return tw_text_span(get(row, column), is_null(row, column));
}

static inline void
set(LogRow *row, TwLogColumn column, Datum value)
{
	row->values[column - 1] = value;
	row->nulls[column - 1] = false;
}

static inline void
set_null(LogRow *row, TwLogColumn column)
{
	row->values[column - 1] = (Datum) 0;
	row->nulls[column - 1] = true;
}

/* The day of a point in time, in the time zone of the settings. */
static DateADT
local_day(Oid schema, TimestampTz time)
{
	/* Rows of one statement mostly share their time. */
	static TimestampTz last_time = 0;
	static pg_tz *last_zone = NULL;
	static DateADT last_day = 0;

	pg_tz	   *zone = tw_setting_time_zone(schema);
	struct pg_tm tm;
	fsec_t		fsec;
	int			offset;

	if (TIMESTAMP_IS_NOBEGIN(time))
		return DATEVAL_NOBEGIN;
	if (TIMESTAMP_IS_NOEND(time))
		return DATEVAL_NOEND;
	if (zone == last_zone && time == last_time)
		return last_day;

	/*
	 * West of Greenwich the first timestamps fall on a day before the first
	 * date. Stored as it is, it would make a dump that cannot be restored.
	 */
	last_day = DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE;
	if (timestamp2tm(time, &offset, &tm, &fsec, NULL, zone) == 0)
		last_day = Max(last_day, date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE);
	last_zone = zone;
	last_time = time;
	return last_day;
}

static bool
is_learnable(const LogRow *row)
{
	static const TwSpan text_type = {"text", 4};

	return tw_span_equals_ascii_ci(get_text(row, TW_LOG_MESSAGE_TYPE), text_type) &&
		!tw_span_is_blank(get_text(row, TW_LOG_USER_MESSAGE));
}

/* What an ORM sends as an explicit NULL gets its default, as if it had been left out. */
static void
fill_defaults(LogRow *row)
{
	static text *text_type = NULL;

	if (is_null(row, TW_LOG_CREATED_AT))
		set(row, TW_LOG_CREATED_AT, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
	if (is_null(row, TW_LOG_MESSAGE_TYPE))
	{
		if (text_type == NULL)
		{
			MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

			text_type = cstring_to_text("text");
			MemoryContextSwitchTo(caller);
		}
		set(row, TW_LOG_MESSAGE_TYPE, PointerGetDatum(text_type));
	}
}

/* Queues the row first when the user contradicted the model in the same breath. */
static void
heed_feedback(LogRow *row, TwDecision *decision)
{
	TwSpan		correction = get_text(row, TW_LOG_USER_CORRECTION);

	if (correction.data != NULL && !tw_span_is_blank(correction))
		decision->reason = TW_USER_CORRECTION;
	else if (tw_span_equals_ascii_ci(get_text(row, TW_LOG_USER_FEEDBACK), (TwSpan) {"negative", 8}))
		decision->reason = TW_NEGATIVE_FEEDBACK;
	else
		return;
	decision->priority = TW_PRIORITY_HIGH;
}

/* Writes the decision, and draws for the audit, for a message that can be learned from. */
static void
filter_learnable(LogRow *row)
{
	TwPrediction prediction;
	TwDecision	decision;
	bool		audit;

	prediction.intent = get_text(row, TW_LOG_NLU_INTENT);
	prediction.module_type = get_text(row, TW_LOG_NLU_MODULE_TYPE);
	prediction.provider = get_text(row, TW_LOG_NLU_PROVIDER);
	prediction.has_confidence = !is_null(row, TW_LOG_NLU_CONFIDENCE);
	prediction.confidence = prediction.has_confidence ? DatumGetFloat8(get(row, TW_LOG_NLU_CONFIDENCE)) : 0;
	tw_decide(row->schema, &prediction, &decision);

	audit = tw_random() < decision.audit_rate;
	if (audit && decision.status == TW_AUTO_APPROVED)
	{
		/* Promoted like any other, and looked at by a person besides. */
		decision.priority = TW_PRIORITY_MEDIUM;
		decision.reason = TW_AUDIT;
	}
	heed_feedback(row, &decision);

	set(row, TW_LOG_IS_TRAINING_CANDIDATE, BoolGetDatum(true));
	set(row, TW_LOG_REVIEW_STATUS, tw_status_datum(decision.status));
	set(row, TW_LOG_FILTER_OUTCOME, tw_status_datum(decision.status));
	set(row, TW_LOG_IS_AUDIT, BoolGetDatum(audit));
	set(row, TW_LOG_SELECTION_PROBABILITY, Float8GetDatum(decision.audit_rate));
	if (decision.priority != TW_PRIORITY_NONE)
	{
		set(row, TW_LOG_REVIEW_PRIORITY, Int16GetDatum(decision.priority));
		set(row, TW_LOG_REVIEW_REASON, tw_reason_datum(decision.reason));
	}
	if (decision.policy.id != 0)
		set(row, TW_LOG_FILTER_POLICY_ID, Int64GetDatum(decision.policy.id));
}

static void
fill_created_on(LogRow *row)
{
	set(row, TW_LOG_CREATED_ON,
		DateADTGetDatum(local_day(row->schema, DatumGetTimestampTz(get(row, TW_LOG_CREATED_AT)))));
}

static void
filter_row(LogRow *row)
{
	set_null(row, TW_LOG_REVIEW_PRIORITY);
	set_null(row, TW_LOG_REVIEW_REASON);
	set_null(row, TW_LOG_FILTER_POLICY_ID);
	set_null(row, TW_LOG_SELECTION_PROBABILITY);
	set(row, TW_LOG_FILTERED_AT, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
	fill_created_on(row);

	if (is_learnable(row))
		filter_learnable(row);
	else
	{
		set(row, TW_LOG_IS_TRAINING_CANDIDATE, BoolGetDatum(false));
		set(row, TW_LOG_REVIEW_STATUS, tw_status_datum(TW_NOT_APPLICABLE));
		set(row, TW_LOG_FILTER_OUTCOME, tw_status_datum(TW_NOT_APPLICABLE));
		set(row, TW_LOG_IS_AUDIT, BoolGetDatum(false));
	}
}

/*
 * A row that somebody else decided about: nothing that it says is changed. Only
 * gaps are filled that the table's constraints or its views could not bear.
 */
static void
complete_decided_row(LogRow *row)
{
	TwSpan		status = get_text(row, TW_LOG_REVIEW_STATUS);
	bool		waits = tw_span_compare(status, (TwSpan) {"needs-review", 12}) == 0;

	if (is_null(row, TW_LOG_IS_TRAINING_CANDIDATE))
		set(row, TW_LOG_IS_TRAINING_CANDIDATE,
			BoolGetDatum(waits ||
						 tw_span_compare(status, (TwSpan) {"auto-approved", 13}) == 0 ||
						 tw_span_compare(status, (TwSpan) {"approved", 8}) == 0));
	if (waits && is_null(row, TW_LOG_REVIEW_PRIORITY))
		set(row, TW_LOG_REVIEW_PRIORITY, Int16GetDatum(TW_PRIORITY_LOW));
}

/*
 * Whether it is the filter's turn to decide about a row without a verdict: about
 * a message that an application inserts, and about one that is filtered late.
 * What replication brings waits for the sweep, since no statement trigger would
 * promote it here. A created_on that is there already says that the row was
 * such a one when it was dumped; the samples of its like come with the dump.
 */
static bool
is_new_message(const LogRow *row, TriggerEvent event)
{
	if (TRIGGER_FIRED_BY_UPDATE(event))
		return true;
	return SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA && is_null(row, TW_LOG_CREATED_ON);
}

PG_FUNCTION_INFO_V1(tw_capture_filter);

/*
 * BEFORE INSERT: filters the row, unless it arrives with a review_status, as a
 * restored or imported row does, or is_new_message() says that it is not our
 * turn. BEFORE UPDATE: filters a row that was not filtered when it came.
 */
Datum
tw_capture_filter(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Relation	rel;
	TupleDesc	desc;
	TupleTableSlot *slot;
	HeapTuple	old_tuple;
	HeapTuple	tuple;
	LogRow		row;

	tw_check_trigger(fcinfo, "tw_capture_filter", TW_BEFORE | TW_ROW | TW_ON_INSERT | TW_ON_UPDATE);
	rel = trigdata->tg_relation;
	desc = RelationGetDescr(rel);
	tw_check_log_columns(rel);

	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
	{
		slot = trigdata->tg_newslot;
		old_tuple = trigdata->tg_newtuple;
	}
	else
	{
		slot = trigdata->tg_trigslot;
		old_tuple = trigdata->tg_trigtuple;
	}

	slot_getallattrs(slot);
	row.schema = RelationGetNamespace(rel);
	row.values = palloc(desc->natts * sizeof(Datum));
	row.nulls = palloc(desc->natts * sizeof(bool));
	memcpy(row.values, slot->tts_values, desc->natts * sizeof(Datum));
	memcpy(row.nulls, slot->tts_isnull, desc->natts * sizeof(bool));

	fill_defaults(&row);
	if (!is_null(&row, TW_LOG_REVIEW_STATUS))
		complete_decided_row(&row);
	else if (is_new_message(&row, trigdata->tg_event))
		filter_row(&row);
	if (is_null(&row, TW_LOG_CREATED_ON))
		fill_created_on(&row);

	tuple = heap_form_tuple(desc, row.values, row.nulls);
	tuple->t_self = old_tuple->t_self;
	tuple->t_tableOid = old_tuple->t_tableOid;
	return PointerGetDatum(tuple);
}

/* The name of the first of these columns in which two rows differ. */
static const char *
first_difference(Relation rel, HeapTuple old_tuple, HeapTuple new_tuple)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (size_t i = 0; i < lengthof(log_columns); i++)
	{
		int			attnum = log_columns[i].attnum;
		Form_pg_attribute attribute = TupleDescAttr(desc, attnum - 1);
		bool		old_null;
		bool		new_null;
		Datum		old_value = heap_getattr(old_tuple, attnum, desc, &old_null);
		Datum		new_value = heap_getattr(new_tuple, attnum, desc, &new_null);

		if (attnum != TW_LOG_ID && attnum != TW_LOG_REVIEW_STATUS && attnum < TW_LOG_FILTER_OUTCOME)
			continue;
		/* A verdict may change, only not go away. */
		if (attnum == TW_LOG_REVIEW_STATUS && !new_null)
			continue;
		if (old_null != new_null ||
			(!old_null && !datumIsEqual(old_value, new_value, attribute->attbyval, attribute->attlen)))
			return log_columns[i].name;
	}
	return "id";
}

PG_FUNCTION_INFO_V1(tw_refuse_rewrite);

/* AFTER UPDATE, when the trigger's condition found that a column changed that must not. */
Datum
tw_refuse_rewrite(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Relation	rel;
	const char *column;

	tw_check_trigger(fcinfo, "tw_refuse_rewrite", TW_AFTER | TW_ROW | TW_ON_UPDATE);
	rel = trigdata->tg_relation;
	tw_check_log_columns(rel);
	column = first_difference(rel, trigdata->tg_trigtuple, trigdata->tg_newtuple);
	if (strcmp(column, "review_status") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("review_status of a conversation cannot become NULL"),
				 errdetail("The row would be filtered, and drawn for the audit, a second time."),
				 errhint("Change a verdict with approve_conversation(), fix_conversation() or reject_conversation().")));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("column \"%s\" of table \"%s\" is written once, at capture",
					column, RelationGetRelationName(rel)),
			 errdetail("Estimates of live accuracy rest on how each row was selected, and samples on its id."),
			 errhint("Leave the column out of the UPDATE. What changes later is review_status, review_priority and review_reason.")));
	return PointerGetDatum(NULL);
}
