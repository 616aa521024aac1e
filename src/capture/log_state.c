/*
 * log_state.c
 *		What the columns of conversation_logs and training_samples can say
 *		together, and what of a conversation must not change once it is written.
 *
 * The CHECKs call functions here: PostgreSQL parses the stored text of a CHECK
 * anew for every statement, and the same rules in SQL took 30 of the 100
 * microseconds of a single-row INSERT. A function can also say what is wrong.
 */
#include "postgres.h"

#include "base/table_triggers.h"
#include "capture/filter.h"
#include "capture/log_columns.h"
#include "capture/log_row.h"
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

/* The columns that the rules are about. */
typedef struct LogState
{
	TwSpan		status;
	bool		waits;
	int			priority;
	bool		candidate_is_known;
	bool		candidate;
	TwSpan		outcome;
	bool		filtered;
	bool		audit;
	bool		drawn;
	double		probability;
} LogState;

static bool
is_one_of(TwSpan value, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (tw_span_compare(value, (TwSpan) {names[i], strlen(names[i])}) == 0)
			return true;
	}
	return false;
}

static bool
is(TwSpan value, const char *name)
{
	return is_one_of(value, &name, 1);
}

/* What is wrong with review_status, is_training_candidate and review_priority together; NULL = nothing. */
static const char *
queue_problem(const LogState *state)
{
	static const char *const candidates[] = {"auto-approved", "needs-review", "approved"};
	static const char *const others[] = {"rejected", "not-applicable"};
	bool		candidate = is_one_of(state->status, candidates, lengthof(candidates));

	if (state->status.data == NULL)
		return NULL;
	if (!candidate && !is_one_of(state->status, others, lengthof(others)))
		return "review_status is auto-approved, needs-review, approved, rejected or not-applicable.";
	if (!state->candidate_is_known || state->candidate != candidate)
		return "is_training_candidate is true exactly for auto-approved, needs-review and approved.";
	if (!state->waits && is(state->status, "needs-review"))
		return "A conversation that needs review has a review_priority: it is in the queue exactly while it has one.";
	if (state->waits && is(state->status, "not-applicable"))
		return "A conversation that is not applicable has no review_priority: nobody can review it.";
	if (state->waits && (state->priority < TW_PRIORITY_HIGH || state->priority > TW_PRIORITY_LOW))
		return "review_priority is 1 (high), 2 (medium), 3 (low) or NULL.";
	return NULL;
}

/* What is wrong with the marks of the filter, by which honest numbers weigh; NULL = nothing. */
static const char *
filter_problem(const LogState *state)
{
	static const char *const outcomes[] = {"auto-approved", "needs-review", "not-applicable"};

	if (state->filtered != (state->outcome.data != NULL))
		return "filtered_at and filter_outcome come together: both are the filter's, or both are NULL.";
	if (!state->filtered && (state->drawn || state->audit))
		return "Only what the filter saw can have been drawn for the audit.";
	if (state->filtered && !is_one_of(state->outcome, outcomes, lengthof(outcomes)))
		return "filter_outcome is auto-approved, needs-review or not-applicable.";
	if (state->drawn && !(state->probability >= 0 && state->probability <= 1))
		return "selection_probability is between 0 and 1.";
	if (state->audit && !(state->probability > 0))
		return "What was drawn for the audit has a selection_probability above 0.";
	return NULL;
}

static TwSpan
text_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? TW_NULL_SPAN : tw_text_span(PG_GETARG_DATUM(n), false);
}

PG_FUNCTION_INFO_V1(tw_valid_conversation);

/*
 * tw_valid_conversation(review_status, review_priority, is_training_candidate,
 * filter_outcome, filtered_at, is_audit, selection_probability): true, or an
 * error that says what is wrong.
 */
Datum
tw_valid_conversation(PG_FUNCTION_ARGS)
{
	LogState	state = {0};
	const char *problem;

	state.status = text_argument(fcinfo, 0);
	state.waits = !PG_ARGISNULL(1);
	state.priority = state.waits ? PG_GETARG_INT16(1) : 0;
	state.candidate_is_known = !PG_ARGISNULL(2);
	state.candidate = state.candidate_is_known && PG_GETARG_BOOL(2);
	state.outcome = text_argument(fcinfo, 3);
	state.filtered = !PG_ARGISNULL(4);
	state.audit = !PG_ARGISNULL(5) && PG_GETARG_BOOL(5);
	state.drawn = !PG_ARGISNULL(6);
	state.probability = state.drawn ? PG_GETARG_FLOAT8(6) : 0;

	problem = queue_problem(&state);
	if (problem == NULL)
		problem = filter_problem(&state);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("conversation would be in a state that cannot be"),
				 errdetail("%s", problem),
				 errhint("Verdicts are given with approve_conversation(), fix_conversation() and reject_conversation().")));
	PG_RETURN_BOOL(true);
}

PG_FUNCTION_INFO_V1(tw_valid_sample);

/*
 * tw_valid_sample(review_status, label_source, source, split, quality_score,
 * selection_probability): true, or an error that says what is wrong.
 */
Datum
tw_valid_sample(PG_FUNCTION_ARGS)
{
	static const char *const statuses[] = {"approved", "pending", "rejected"};
	static const char *const label_sources[] = {"model", "human"};
	static const char *const sources[] = {"production", "synthetic", "manual"};
	static const char *const splits[] = {"train", "test"};
	const char *problem = NULL;

	if (!PG_ARGISNULL(0) && !is_one_of(text_argument(fcinfo, 0), statuses, lengthof(statuses)))
		problem = "review_status is pending, approved or rejected.";
	else if (!PG_ARGISNULL(1) && !is_one_of(text_argument(fcinfo, 1), label_sources, lengthof(label_sources)))
		problem = "label_source is model or human.";
	else if (!PG_ARGISNULL(2) && !is_one_of(text_argument(fcinfo, 2), sources, lengthof(sources)))
		problem = "source is production, synthetic or manual.";
	else if (!PG_ARGISNULL(3) && !is_one_of(text_argument(fcinfo, 3), splits, lengthof(splits)))
		problem = "split is train, test or NULL.";
	else if (!PG_ARGISNULL(4) && !(PG_GETARG_FLOAT8(4) >= 0 && PG_GETARG_FLOAT8(4) <= 1))
		problem = "quality_score is between 0 and 1.";
	else if (!PG_ARGISNULL(5) && !(PG_GETARG_FLOAT8(5) >= 0 && PG_GETARG_FLOAT8(5) <= 1))
		problem = "selection_probability is between 0 and 1.";
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("training sample would be in a state that cannot be"),
				 errdetail("%s", problem)));
	PG_RETURN_BOOL(true);
}

/* Whether an UPDATE changed a column; also true of a value that is stored another way. */
bool
tw_log_differs(Relation rel, const LogRow *old_row, const LogRow *new_row, TwLogColumn column)
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
	if (tw_log_differs(rel, old_row, new_row, TW_LOG_ID))
		return "id";
	if (is_null(old_row, TW_LOG_REVIEW_STATUS) && is_null(old_row, TW_LOG_FILTERED_AT))
		return NULL;
	for (size_t i = 0; i < lengthof(written_once); i++)
	{
		if (tw_log_differs(rel, old_row, new_row, written_once[i].column))
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
	old_row = tw_take_apart(rel, trigdata->tg_trigslot);
	new_row = tw_take_apart(rel, trigdata->tg_newslot);

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
	return PointerGetDatum(NULL);
}
