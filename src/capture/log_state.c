/*
 * log_state.c
 *		What the columns of a conversation can say together, and what must not
 *		change once it is written.
 *
 * Not in CHECKs: PostgreSQL parses the stored text of every CHECK anew for every
 * statement, which for these rules took 30 of the 100 microseconds of a
 * single-row INSERT. Capture itself writes no state that needs checking.
 */
#include "postgres.h"

#include "capture/filter.h"
#include "capture/log_columns.h"
#include "capture/log_state.h"
#include "common/table_triggers.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "utils/datum.h"

/* Written once; the id beside them, since samples and events refer to it. */
static const struct
{
	TwLogColumn column;
	const char *name;
}			written_once[] = {
	{TW_LOG_FILTER_OUTCOME, "filter_outcome"},
	{TW_LOG_FILTER_POLICY_ID, "filter_policy_id"},
	{TW_LOG_IS_AUDIT, "is_audit"},
	{TW_LOG_SELECTION_PROBABILITY, "selection_probability"},
	{TW_LOG_FILTERED_AT, "filtered_at"},
	{TW_LOG_CREATED_AT, "created_at"},
	{TW_LOG_CREATED_ON, "created_on"},
};

static bool
is_status(const LogRow *row, const char *status)
{
	return tw_span_compare(get_text(row, TW_LOG_REVIEW_STATUS), (TwSpan) {status, strlen(status)}) == 0;
}

/* What is wrong with review_status, is_training_candidate and review_priority together; NULL = nothing. */
static const char *
queue_problem(const LogRow *row)
{
	bool		waits = !is_null(row, TW_LOG_REVIEW_PRIORITY);
	int			priority = waits ? DatumGetInt16(get(row, TW_LOG_REVIEW_PRIORITY)) : 0;
	bool		candidate = is_status(row, "auto-approved") || is_status(row, "needs-review") || is_status(row, "approved");

	if (is_null(row, TW_LOG_REVIEW_STATUS))
		return NULL;
	if (is_null(row, TW_LOG_IS_TRAINING_CANDIDATE) ||
		DatumGetBool(get(row, TW_LOG_IS_TRAINING_CANDIDATE)) != candidate)
		return "is_training_candidate is true exactly for auto-approved, needs-review and approved.";
	if (is_status(row, "needs-review") && !waits)
		return "A conversation that needs review has a review_priority: it is in the queue exactly while it has one.";
	if (is_status(row, "not-applicable") && waits)
		return "A conversation that is not applicable has no review_priority: nobody can review it.";
	if (waits && (priority < TW_PRIORITY_HIGH || priority > TW_PRIORITY_LOW))
		return "review_priority is 1 (high), 2 (medium), 3 (low) or NULL.";
	return NULL;
}

/* What is wrong with the marks of the filter, by which honest numbers weigh; NULL = nothing. */
static const char *
filter_problem(const LogRow *row)
{
	bool		filtered = !is_null(row, TW_LOG_FILTERED_AT);
	bool		drawn = !is_null(row, TW_LOG_SELECTION_PROBABILITY);
	double		probability = drawn ? DatumGetFloat8(get(row, TW_LOG_SELECTION_PROBABILITY)) : 0;
	bool		audit = !is_null(row, TW_LOG_IS_AUDIT) && DatumGetBool(get(row, TW_LOG_IS_AUDIT));

	if (filtered == is_null(row, TW_LOG_FILTER_OUTCOME))
		return "filtered_at and filter_outcome come together: both are the filter's, or both are NULL.";
	if (!filtered && (drawn || audit))
		return "Only what the filter saw can have been drawn for the audit.";
	if (drawn && !(probability >= 0 && probability <= 1))
		return "selection_probability is between 0 and 1.";
	if (audit && !(probability > 0))
		return "What was drawn for the audit has a selection_probability above 0.";
	return NULL;
}

/* Raises 23514 (check_violation) for a row that is in a state that cannot be. */
void
tw_check_state(const LogRow *row)
{
	const char *problem = queue_problem(row);

	if (problem == NULL)
		problem = filter_problem(row);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("conversation would be in a state that cannot be"),
				 errdetail("%s", problem),
				 errhint("Verdicts are given with approve_conversation(), fix_conversation() and reject_conversation().")));
}

static LogRow
take_apart(Relation rel, TupleTableSlot *slot)
{
	LogRow		row;

	slot_getallattrs(slot);
	row.schema = RelationGetNamespace(rel);
	row.values = slot->tts_values;
	row.nulls = slot->tts_isnull;
	return row;
}

static bool
differs(Relation rel, const LogRow *old_row, const LogRow *new_row, TwLogColumn column)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rel), column - 1);

	if (is_null(old_row, column) || is_null(new_row, column))
		return is_null(old_row, column) != is_null(new_row, column);
	return !datumIsEqual(get(old_row, column), get(new_row, column), attribute->attbyval, attribute->attlen);
}

/* The name of a column that changed and must not; NULL = none. What was never filtered may still be. */
static const char *
rewritten_column(Relation rel, const LogRow *old_row, const LogRow *new_row)
{
	if (differs(rel, old_row, new_row, TW_LOG_ID))
		return "id";
	if (is_null(old_row, TW_LOG_REVIEW_STATUS) && is_null(old_row, TW_LOG_FILTERED_AT))
		return NULL;
	for (size_t i = 0; i < lengthof(written_once); i++)
	{
		if (differs(rel, old_row, new_row, written_once[i].column))
			return written_once[i].name;
	}
	return NULL;
}

PG_FUNCTION_INFO_V1(tw_check_update);

/* AFTER UPDATE of a row: AFTER, so that no BEFORE trigger of the user's can slip a change past it. */
Datum
tw_check_update(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Relation	rel;
	LogRow		old_row;
	LogRow		new_row;
	const char *column;

	tw_check_trigger(fcinfo, "tw_check_update", TW_AFTER | TW_ROW | TW_ON_UPDATE);
	rel = trigdata->tg_relation;
	tw_check_log_columns(rel);
	old_row = take_apart(rel, trigdata->tg_trigslot);
	new_row = take_apart(rel, trigdata->tg_newslot);

	column = rewritten_column(rel, &old_row, &new_row);
	if (column != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of table \"%s\" is written once, at capture", column, RelationGetRelationName(rel)),
				 errdetail("Estimates of live accuracy rest on how each row was selected, and samples on its id."),
				 errhint("Leave the column out of the UPDATE. What changes later is review_status, review_priority and review_reason.")));
	if (!is_null(&old_row, TW_LOG_REVIEW_STATUS) && is_null(&new_row, TW_LOG_REVIEW_STATUS))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("review_status of a conversation cannot become NULL"),
				 errdetail("The row would be filtered, and drawn for the audit, a second time."),
				 errhint("Change a verdict with approve_conversation(), fix_conversation() or reject_conversation().")));
	tw_check_state(&new_row);
	return PointerGetDatum(NULL);
}
