/*
 * row_checks.c
 *		Rules on combinations of columns of conversation_logs and
 *		training_samples.
 *
 * The CHECKs call functions here: PostgreSQL parses the stored text of a CHECK
 * anew for every statement, and the same rules in SQL took 30 of the 100
 * microseconds of a single-row INSERT. A function can also name the violated
 * rule.
 */
#include "postgres.h"

#include "base/slice.h"
#include "fmgr.h"
#include "rules/statuses.h"

/* The columns of the rules. */
typedef struct LogState
{
	TwSlice		status;
	bool		waits;
	int			priority;
	bool		candidate_is_known;
	bool		candidate;
	TwSlice		outcome;
	bool		filtered;
	bool		audit;
	bool		drawn;
	double		probability;
} LogState;

static bool
is_one_of(TwSlice value, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (tw_slice_compare(value, (TwSlice) {names[i], strlen(names[i])}) == 0)
			return true;
	}
	return false;
}

/* What is wrong with review_status, is_training_candidate and review_priority together; NULL = nothing. */
static const char *
queue_problem(const LogState *state)
{
	TwStatus	status = tw_find_status(state->status);
	bool		candidate = (TW_CANDIDATES & TW_BIT(status)) != 0;

	if (state->status.data == NULL)
		return NULL;
	if ((TW_OF_CONVERSATIONS & TW_BIT(status)) == 0)
		return "review_status is auto-approved, needs-review, approved, rejected or not-applicable.";
	if (!state->candidate_is_known || state->candidate != candidate)
		return "is_training_candidate is true exactly for auto-approved, needs-review and approved.";
	if (!state->waits && status == TW_NEEDS_REVIEW)
		return "A conversation that needs review has a review_priority: it is in the queue while it has one.";
	if (state->waits && status == TW_NOT_APPLICABLE)
		return "A conversation that is not applicable has no review_priority: it is not reviewed.";
	if (state->waits && (state->priority < TW_PRIORITY_HIGH || state->priority > TW_PRIORITY_LOW))
		return "review_priority is 1 (high), 2 (medium), 3 (low) or NULL.";
	return NULL;
}

/* What is wrong with the columns of the filter, which the estimates depend on; NULL = nothing. */
static const char *
filter_problem(const LogState *state)
{
	if (state->filtered != (state->outcome.data != NULL))
		return "filtered_at and filter_outcome are both set, or both NULL.";
	if (!state->filtered && (state->drawn || state->audit))
		return "Only a filtered conversation can be drawn for the audit.";
	if (state->filtered && !tw_status_in(state->outcome, TW_OUTCOMES))
		return "filter_outcome is auto-approved, needs-review or not-applicable.";
	if (state->drawn && !(state->probability >= 0 && state->probability <= 1))
		return "selection_probability is between 0 and 1.";
	if (state->audit && !(state->probability > 0))
		return "An audited conversation has a selection_probability above 0.";
	return NULL;
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

	state.status = tw_text_argument(fcinfo, 0);
	state.waits = !PG_ARGISNULL(1);
	state.priority = state.waits ? PG_GETARG_INT16(1) : 0;
	state.candidate_is_known = !PG_ARGISNULL(2);
	state.candidate = state.candidate_is_known && PG_GETARG_BOOL(2);
	state.outcome = tw_text_argument(fcinfo, 3);
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
				 errmsg("conversation would be in an impossible state"),
				 errdetail("%s", problem),
				 errhint("Verdicts are given with approve_conversation(), fix_conversation() and "
						 "reject_conversation().")));
	PG_RETURN_BOOL(true);
}

/* What is wrong with a sample's place in the queue; NULL = nothing. */
static const char *
sample_queue_problem(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(7) != PG_ARGISNULL(8))
		return "review_priority and review_reason are both NULL or both not.";
	if (PG_ARGISNULL(7))
		return NULL;
	if (PG_GETARG_INT16(7) < 1 || PG_GETARG_INT16(7) > 3)
		return "review_priority is 1, 2, 3 or NULL.";
	if (!PG_ARGISNULL(6))
		return "The conversation of a sample is queued, not the sample.";
	return NULL;
}

PG_FUNCTION_INFO_V1(tw_valid_sample);

/*
 * tw_valid_sample(review_status, label_source, source, split, quality_score,
 * selection_probability, conversation_log_id, review_priority, review_reason):
 * true, or an error that says what is wrong. The SQL of 0.1.0 has no more than
 * six arguments.
 */
Datum
tw_valid_sample(PG_FUNCTION_ARGS)
{
	static const char *const label_sources[] = {"model", "human"};
	static const char *const sources[] = {"production", "synthetic", "manual"};
	static const char *const splits[] = {"train", "test"};
	const char *problem = NULL;

	if (!PG_ARGISNULL(0) && !tw_status_in(tw_text_argument(fcinfo, 0), TW_OF_SAMPLES))
		problem = "review_status is pending, approved or rejected.";
	else if (!PG_ARGISNULL(1) && !is_one_of(tw_text_argument(fcinfo, 1), label_sources, lengthof(label_sources)))
		problem = "label_source is model or human.";
	else if (!PG_ARGISNULL(2) && !is_one_of(tw_text_argument(fcinfo, 2), sources, lengthof(sources)))
		problem = "source is production, synthetic or manual.";
	else if (!PG_ARGISNULL(3) && !is_one_of(tw_text_argument(fcinfo, 3), splits, lengthof(splits)))
		problem = "split is train, test or NULL.";
	else if (!PG_ARGISNULL(4) && !(PG_GETARG_FLOAT8(4) >= 0 && PG_GETARG_FLOAT8(4) <= 1))
		problem = "quality_score is between 0 and 1.";
	else if (!PG_ARGISNULL(5) && !(PG_GETARG_FLOAT8(5) >= 0 && PG_GETARG_FLOAT8(5) <= 1))
		problem = "selection_probability is between 0 and 1.";
	else if (PG_NARGS() > 6)
		problem = sample_queue_problem(fcinfo);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("training sample would be in an impossible state"),
				 errdetail("%s", problem)));
	PG_RETURN_BOOL(true);
}
