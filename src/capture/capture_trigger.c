/*
 * capture_trigger.c
 *		The trigger that fills a new conversation's columns.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/table_triggers.h"
#include "capture/audit_rate.h"
#include "capture/conversation_id.h"
#include "capture/entities.h"
#include "capture/filter.h"
#include "capture/form_row.h"
#include "capture/idempotency.h"
#include "capture/log_check.h"
#include "capture/log_columns.h"
#include "capture/log_row.h"
#include "capture/unstored_row.h"
#include "common/pg_prng.h"
#include "fmgr.h"
#include "privacy/long_text.h"
#include "rules/conversations.h"
#include "rules/intent_names.h"
#include "rules/settings.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

/*
 * The bounds of created_on: 4713-01-01 BC and 294275-12-31. The first and the
 * last timestamps lie outside, or their weeks, months and neighbouring days
 * do: a view that computes with such a day would fail for everybody.
 */
#define FIRST_DAY (date2j(-4712, 1, 1) - POSTGRES_EPOCH_JDATE)
#define LAST_DAY (date2j(294275, 12, 31) - POSTGRES_EPOCH_JDATE)

/* A day of a time zone: the times from `begin` up to `end`. */
typedef struct LocalDay
{
	pg_tz	   *zone;
	TimestampTz begin;
	TimestampTz end;
	DateADT		day;
} LocalDay;

/* Whether the clock does not change in this day. */
static bool
has_one_offset(const LocalDay *local)
{
	pg_time_t	begin = timestamptz_to_time_t(local->begin);
	pg_time_t	boundary;
	long		before,
				after;
	int			is_dst,
				is_dst_after;
	int			found = pg_next_dst_boundary(&begin, &before, &is_dst, &boundary, &after, &is_dst_after, local->zone);

	return found == 0 || (found > 0 && boundary >= timestamptz_to_time_t(local->end));
}

/* The day of a point in time, in a time zone, within these bounds. */
static DateADT
local_day(pg_tz *zone, TimestampTz time)
{
	/* Rows mostly have the day of the row before. */
	static LocalDay last;

	struct pg_tm tm;
	fsec_t		fsec;
	int			offset;

	if (zone == last.zone && time >= last.begin && time < last.end)
		return last.day;
	if (TIMESTAMP_IS_NOBEGIN(time))
		return DATEVAL_NOBEGIN;
	if (TIMESTAMP_IS_NOEND(time))
		return DATEVAL_NOEND;
	/* Only the very last timestamps have no local time, east of Greenwich. */
	if (timestamp2tm(time, &offset, &tm, &fsec, NULL, zone) != 0)
		return LAST_DAY;
	last.zone = zone;
	last.day = Min(Max(date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE, FIRST_DAY), LAST_DAY);
	last.begin = time - (tm.tm_hour * SECS_PER_HOUR + tm.tm_min * SECS_PER_MINUTE + tm.tm_sec) * USECS_PER_SEC - fsec;
	last.end = last.begin + USECS_PER_DAY;
	/* A day with a change of the clock is longer or shorter; the next time is looked at again. */
	if (last.day == FIRST_DAY || last.day == LAST_DAY || !has_one_offset(&last))
		last.end = last.begin;
	return last.day;
}

/* An explicit NULL, which ORMs send, gets the default of the column. */
static void
fill_defaults(LogRow *row)
{
	static text *text_type = NULL;

	if (is_null(row, TW_LOG_CREATED_AT))
		set(row, TW_LOG_CREATED_AT, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
	if (is_null(row, TW_LOG_MESSAGE_TYPE))
		set(row, TW_LOG_MESSAGE_TYPE, tw_constant_text(&text_type, "text"));
}

/* Queues the row with high priority if it arrives with feedback against the model. */
static void
heed_feedback(LogRow *row, TwDecision *decision)
{
	TwSlice		correction = get_text(row, TW_LOG_USER_CORRECTION);

	if (correction.data != NULL && !tw_slice_is_blank(correction))
		decision->reason = TW_USER_CORRECTION;
	else if (tw_slice_equals_ascii_ci(get_text(row, TW_LOG_USER_FEEDBACK), (TwSlice) {"negative", 8}))
		decision->reason = TW_NEGATIVE_FEEDBACK;
	else
		return;
	decision->priority = TW_PRIORITY_HIGH;
}

/* A former name, which an older model or application still uses, becomes the current one. */
static void
rename_intent(LogRow *row)
{
	if (!is_null(row, TW_LOG_NLU_INTENT))
		set(row, TW_LOG_NLU_INTENT, tw_current_intent_datum(row->schema, get(row, TW_LOG_NLU_INTENT)));
}

/* Whether a part of the sample would be too long. */
static bool
is_too_long(const LogRow *row, int max_bytes)
{
	static const TwLogColumn texts[] = {
		TW_LOG_USER_MESSAGE, TW_LOG_NLU_INTENT, TW_LOG_NLU_MODULE_TYPE, TW_LOG_MESSAGE_LANGUAGE, TW_LOG_ROUTED_TO
	};

	for (size_t i = 0; i < lengthof(texts); i++)
	{
		if (tw_text_exceeds(get(row, texts[i]), is_null(row, texts[i]), max_bytes))
			return true;
	}
	return tw_json_exceeds(get(row, TW_LOG_NLU_ENTITIES), is_null(row, TW_LOG_NLU_ENTITIES), max_bytes);
}

/* Decides about a learnable message, draws for the audit, and writes the decision. */
static void
filter_learnable(LogRow *row, int max_bytes)
{
	TwPrediction prediction;
	TwDecision	decision;
	bool		too_long;
	bool		audit;

	prediction.intent = get_text(row, TW_LOG_NLU_INTENT);
	prediction.module_type = get_text(row, TW_LOG_NLU_MODULE_TYPE);
	prediction.provider = get_text(row, TW_LOG_NLU_PROVIDER);
	prediction.has_confidence = !is_null(row, TW_LOG_NLU_CONFIDENCE);
	prediction.confidence = prediction.has_confidence ? DatumGetFloat8(get(row, TW_LOG_NLU_CONFIDENCE)) : 0;
	tw_decide(row->schema, &prediction, &decision);
	too_long = is_too_long(row, max_bytes);
	decision.audit_rate = tw_raised_audit_rate(row->schema, get_text(row, TW_LOG_NLU_MODEL_VERSION),
											   decision.audit_rate);

	audit = !too_long && pg_prng_double(&pg_global_prng_state) < decision.audit_rate;
	if (audit && decision.status == TW_AUTO_APPROVED)
	{
		/* Promoted like any other row, and also reviewed by a person. */
		decision.priority = TW_PRIORITY_MEDIUM;
		decision.reason = TW_AUDIT;
	}
	if (too_long)
	{
		/* Last in the queue: a person can only reject it. */
		decision.status = TW_NEEDS_REVIEW;
		decision.priority = TW_PRIORITY_LOW;
	}
	heed_feedback(row, &decision);
	if (too_long)
		decision.reason = TW_TOO_LONG;

	set(row, TW_LOG_IS_TRAINING_CANDIDATE, BoolGetDatum(true));
	set(row, TW_LOG_REVIEW_STATUS, tw_status_datum(decision.status));
	set(row, TW_LOG_FILTER_OUTCOME, tw_status_datum(decision.status));
	set(row, TW_LOG_IS_AUDIT, BoolGetDatum(audit));
	/* A message that is too long gets no verdict, so no estimate may count it. */
	if (!too_long)
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
fill_created_on(LogRow *row, pg_tz *zone)
{
	set(row, TW_LOG_CREATED_ON,
		DateADTGetDatum(local_day(zone, DatumGetTimestampTz(get(row, TW_LOG_CREATED_AT)))));
}

static void
filter_row(LogRow *row, int max_bytes)
{
	tw_unwrap_entities(row);
	rename_intent(row);
	set_null(row, TW_LOG_REVIEW_PRIORITY);
	set_null(row, TW_LOG_REVIEW_REASON);
	set_null(row, TW_LOG_FILTER_POLICY_ID);
	set_null(row, TW_LOG_SELECTION_PROBABILITY);
	set(row, TW_LOG_FILTERED_AT, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));

	if (tw_message_is_learnable(get_text(row, TW_LOG_MESSAGE_TYPE), get_text(row, TW_LOG_USER_MESSAGE)))
		filter_learnable(row, max_bytes);
	else
	{
		set(row, TW_LOG_IS_TRAINING_CANDIDATE, BoolGetDatum(false));
		set(row, TW_LOG_REVIEW_STATUS, tw_status_datum(TW_NOT_APPLICABLE));
		set(row, TW_LOG_FILTER_OUTCOME, tw_status_datum(TW_NOT_APPLICABLE));
		set(row, TW_LOG_IS_AUDIT, BoolGetDatum(false));
	}
}

/*
 * A row inserted with a review_status: its values stay unchanged. Only NULLs
 * that the table's CHECK or the views do not allow are filled.
 */
static void
complete_decided_row(LogRow *row)
{
	TwStatus	status = tw_find_status(get_text(row, TW_LOG_REVIEW_STATUS));

	if (is_null(row, TW_LOG_IS_TRAINING_CANDIDATE))
		set(row, TW_LOG_IS_TRAINING_CANDIDATE,
			BoolGetDatum((TW_CANDIDATES & TW_BIT(status)) != 0));
	if (status == TW_NEEDS_REVIEW && is_null(row, TW_LOG_REVIEW_PRIORITY))
		set(row, TW_LOG_REVIEW_PRIORITY, Int16GetDatum(TW_PRIORITY_LOW));
}

/*
 * Whether the filter decides about this row without a review_status: a message
 * inserted by an application, or a row filtered late. Replicated rows wait for
 * the sweep, since no statement trigger would promote them here. A row
 * inserted with a created_on comes from a dump, where it was not filtered yet;
 * samples of such rows are in the dump.
 */
static bool
is_new_message(const LogRow *row, TriggerEvent event)
{
	if (TRIGGER_FIRED_BY_UPDATE(event))
		return true;
	return SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA && is_null(row, TW_LOG_CREATED_ON);
}

/*
 * Makes the row the conversation that the first call stored, as far as the
 * application may read it: the id and the time. The rest is what the second
 * call sent. Without a filtered_at, no sample is made of it.
 */
static void
become_earlier(LogRow *row, const TwEarlier *earlier)
{
	set(row, TW_LOG_ID, Int64GetDatum(earlier->id));
	set(row, TW_LOG_CREATED_AT, earlier->created_at);
	set(row, TW_LOG_CREATED_ON, earlier->created_on);
	for (TwLogColumn column = TW_LOG_IS_TRAINING_CANDIDATE; column <= TW_LOG_FILTERED_AT; column++)
		set_null(row, column);
	tw_set_last_conversation(earlier->id);
}

/* Whether the message was captured before, by its idempotency_key. Then the row is that conversation. */
static bool
is_repeated(Relation rel, LogRow *row, TwEarlier *earlier)
{
	if (!tw_has_added_columns() || is_null(row, TW_LOG_IDEMPOTENCY_KEY) || !tw_was_captured(rel, row, earlier))
		return false;
	become_earlier(row, earlier);
	return true;
}

PG_FUNCTION_INFO_V1(tw_capture_filter);

/*
 * BEFORE INSERT: filters the row, unless it arrives with a review_status, as a
 * restored or imported row does, or is_new_message() is false. A message that
 * was captured before, by its idempotency_key, is not stored. BEFORE UPDATE:
 * filters a row that was not filtered at its INSERT.
 */
Datum
tw_capture_filter(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Relation	rel;
	TwRowReader reader;
	TwGivenRow	given;
	HeapTuple	tuple;
	LogRow		row;
	TwSettings	settings;
	TwEarlier	earlier;

	tw_check_trigger(fcinfo, "tw_capture_filter", TW_BEFORE | TW_ROW | TW_ON_INSERT | TW_ON_UPDATE);
	rel = trigdata->tg_relation;
	tw_check_log_columns(rel);
	tw_keep_log_check(rel);

	tw_make_row_reader(&reader, rel);
	tw_read_given(&reader, TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? trigdata->tg_newtuple :
				  trigdata->tg_trigtuple, &given);
	row = reader.row;

	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
	{
		tw_store_again(trigdata->tg_trigger);
		tw_number_conversation(rel, &row);
		if (tw_has_added_columns())
			tw_shorten_key(&row);
	}
	fill_defaults(&row);
	if (!is_null(&row, TW_LOG_REVIEW_STATUS))
		complete_decided_row(&row);
	else if (is_new_message(&row, trigdata->tg_event))
	{
		settings = tw_settings(row.schema);
		fill_created_on(&row, settings.time_zone);
		if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) && is_repeated(rel, &row, &earlier))
		{
			/* COPY returns nothing. */
			if (!tw_leave_unstored(trigdata->tg_trigger))
				return PointerGetDatum(NULL);
		}
		else
			filter_row(&row, settings.max_message_bytes);
	}
	if (is_null(&row, TW_LOG_CREATED_ON))
		fill_created_on(&row, tw_settings(row.schema).time_zone);

	tuple = tw_form_row(RelationGetDescr(rel), &given, &row);
	tuple->t_self = given.tuple->t_self;
	tuple->t_tableOid = given.tuple->t_tableOid;
	return PointerGetDatum(tuple);
}
