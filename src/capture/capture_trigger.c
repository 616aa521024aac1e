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
#include "common/compat.h"
#include "common/settings.h"
#include "common/table_triggers.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

static const struct
{
	TwLogColumn attnum;
	const char *name;
}			expected_columns[] = {
	{TW_LOG_ID, "id"},
	{TW_LOG_USER_MESSAGE, "user_message"},
	{TW_LOG_MESSAGE_TYPE, "message_type"},
	{TW_LOG_NLU_INTENT, "nlu_intent"},
	{TW_LOG_NLU_CONFIDENCE, "nlu_confidence"},
	{TW_LOG_NLU_MODULE_TYPE, "nlu_module_type"},
	{TW_LOG_NLU_PROVIDER, "nlu_provider"},
	{TW_LOG_IS_TRAINING_CANDIDATE, "is_training_candidate"},
	{TW_LOG_REVIEW_STATUS, "review_status"},
	{TW_LOG_REVIEW_PRIORITY, "review_priority"},
	{TW_LOG_REVIEW_REASON, "review_reason"},
	{TW_LOG_FILTER_OUTCOME, "filter_outcome"},
	{TW_LOG_FILTER_POLICY_ID, "filter_policy_id"},
	{TW_LOG_IS_AUDIT, "is_audit"},
	{TW_LOG_SELECTION_PROBABILITY, "selection_probability"},
	{TW_LOG_FILTERED_AT, "filtered_at"},
	{TW_LOG_CREATED_AT, "created_at"},
	{TW_LOG_CREATED_ON, "created_on"},
};

/* A row taken apart, and what it belongs to. */
typedef struct LogRow
{
	Oid			schema;
	Datum	   *values;
	bool	   *nulls;
} LogRow;

/*
 * Raises unless the columns are where log_columns.h says; looked at once for
 * each table, and again when its row type changed.
 */
void
tw_check_log_columns(Relation rel)
{
	static Oid	checked_relid = InvalidOid;
	static int	checked_natts = 0;
	TupleDesc	desc = RelationGetDescr(rel);

	if (checked_relid == RelationGetRelid(rel) && checked_natts == desc->natts)
		return;

	for (size_t i = 0; i < lengthof(expected_columns); i++)
	{
		int			attnum = expected_columns[i].attnum;

		if (attnum > desc->natts ||
			strcmp(NameStr(TupleDescAttr(desc, attnum - 1)->attname), expected_columns[i].name) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("column \"%s\" of table \"%s\" is not where the library expects it",
							expected_columns[i].name, RelationGetRelationName(rel)),
					 errhint("Do not change the extension's tables. If the library is newer than the tables: ALTER EXTENSION training_workflow UPDATE.")));
	}
	checked_relid = RelationGetRelid(rel);
	checked_natts = desc->natts;
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

	if (timestamp2tm(time, &offset, &tm, &fsec, NULL, zone) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	last_day = date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE;
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
filter_row(LogRow *row)
{
	set_null(row, TW_LOG_REVIEW_PRIORITY);
	set_null(row, TW_LOG_REVIEW_REASON);
	set_null(row, TW_LOG_FILTER_POLICY_ID);
	set_null(row, TW_LOG_SELECTION_PROBABILITY);
	set(row, TW_LOG_FILTERED_AT, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
	set(row, TW_LOG_CREATED_ON,
		DateADTGetDatum(local_day(row->schema, DatumGetTimestampTz(get(row, TW_LOG_CREATED_AT)))));

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
	bool		waits = tw_span_equals_ascii_ci(status, (TwSpan) {"needs-review", 12});

	if (is_null(row, TW_LOG_CREATED_ON))
		set(row, TW_LOG_CREATED_ON,
			DateADTGetDatum(local_day(row->schema, DatumGetTimestampTz(get(row, TW_LOG_CREATED_AT)))));
	if (is_null(row, TW_LOG_IS_TRAINING_CANDIDATE))
		set(row, TW_LOG_IS_TRAINING_CANDIDATE,
			BoolGetDatum(waits ||
						 tw_span_equals_ascii_ci(status, (TwSpan) {"auto-approved", 13}) ||
						 tw_span_equals_ascii_ci(status, (TwSpan) {"approved", 8})));
	if (waits && is_null(row, TW_LOG_REVIEW_PRIORITY))
		set(row, TW_LOG_REVIEW_PRIORITY, Int16GetDatum(TW_PRIORITY_LOW));
}

PG_FUNCTION_INFO_V1(tw_capture_filter);

/*
 * BEFORE INSERT: filters the row, unless it arrives with a review_status, as a
 * restored or imported row does. BEFORE UPDATE: filters a row that was inserted
 * while triggers did not fire.
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
	if (is_null(&row, TW_LOG_REVIEW_STATUS))
		filter_row(&row);
	else
		complete_decided_row(&row);

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

	for (size_t i = 0; i < lengthof(expected_columns); i++)
	{
		int			attnum = expected_columns[i].attnum;
		Form_pg_attribute attribute = TupleDescAttr(desc, attnum - 1);
		bool		old_null;
		bool		new_null;
		Datum		old_value = heap_getattr(old_tuple, attnum, desc, &old_null);
		Datum		new_value = heap_getattr(new_tuple, attnum, desc, &new_null);

		if (attnum != TW_LOG_ID && attnum < TW_LOG_FILTER_OUTCOME)
			continue;
		if (old_null != new_null ||
			(!old_null && !datumIsEqual(old_value, new_value, attribute->attbyval, attribute->attlen)))
			return expected_columns[i].name;
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

	tw_check_trigger(fcinfo, "tw_refuse_rewrite", TW_AFTER | TW_ROW | TW_ON_UPDATE);
	rel = trigdata->tg_relation;
	tw_check_log_columns(rel);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("column \"%s\" of table \"%s\" is written once, at capture",
					first_difference(rel, trigdata->tg_trigtuple, trigdata->tg_newtuple),
					RelationGetRelationName(rel)),
			 errdetail("Estimates of live accuracy rest on how each row was selected, and samples on its id."),
			 errhint("Leave the column out of the UPDATE. What changes later is review_status, review_priority and review_reason.")));
	return PointerGetDatum(NULL);
}
