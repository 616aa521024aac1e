/*
 * filter.c
 *		The filter: the decision about a prediction.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "base/catalog.h"
#include "capture/filter.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "rules/conversations.h"
#include "rules/intent_names.h"
#include "utils/builtins.h"

static const char *const reason_names[] = {
	[TW_NO_REASON] = NULL,
	[TW_MISSING_PREDICTION] = "missing prediction",
	[TW_INVALID_CONFIDENCE] = "invalid confidence",
	[TW_LLM_FALLBACK] = "llm fallback",
	[TW_LOW_CONFIDENCE] = "low confidence",
	[TW_UNTRUSTED_PROVIDER] = "untrusted provider",
	[TW_MEDIUM_CONFIDENCE] = "medium confidence",
	[TW_AUDIT] = "audit",
	[TW_NEGATIVE_FEEDBACK] = "negative feedback",
	[TW_USER_CORRECTION] = "user correction",
	[TW_TOO_LONG] = "too long",
};

/* The reason as review_reason spells it; not to be freed, and not for TW_NO_REASON. */
Datum
tw_reason_datum(TwReason reason)
{
	static text *texts[lengthof(reason_names)];

	Assert(reason != TW_NO_REASON);
	return tw_constant_text(&texts[reason], reason_names[reason]);
}

static void
send_to_review(TwDecision *decision, int priority, TwReason reason)
{
	decision->status = TW_NEEDS_REVIEW;
	decision->priority = priority;
	decision->reason = reason;
	decision->audit_rate = decision->policy.audit_rate_review;
}

/*
 * Decides about a text message that is not blank; the first rule that matches
 * wins. Confidences are compared as doubles, without rounding.
 */
void
tw_decide(Oid schema, const TwPrediction *prediction, TwDecision *decision)
{
	TwPolicy   *policy = &decision->policy;
	TwSlice		module_type = tw_module_of(prediction->module_type, prediction->intent);
	double		confidence = prediction->confidence;

	tw_resolve_policy(tw_policies(schema), module_type, prediction->intent, policy);

	if (prediction->intent.data == NULL || tw_slice_is_blank(prediction->intent) || !prediction->has_confidence)
		send_to_review(decision, TW_PRIORITY_HIGH, TW_MISSING_PREDICTION);
	else if (isnan(confidence) || confidence < 0 || confidence > 1)
		send_to_review(decision, TW_PRIORITY_HIGH, TW_INVALID_CONFIDENCE);
	else if (tw_provider_in(policy->fallback, prediction->provider))
		send_to_review(decision, TW_PRIORITY_HIGH, TW_LLM_FALLBACK);
	else if (confidence < policy->review_below)
		send_to_review(decision, TW_PRIORITY_HIGH, TW_LOW_CONFIDENCE);
	else if (confidence <= policy->approve_above)
		send_to_review(decision, TW_PRIORITY_MEDIUM, TW_MEDIUM_CONFIDENCE);
	else if (!tw_provider_in(policy->trusted, prediction->provider))
		send_to_review(decision, TW_PRIORITY_MEDIUM, TW_UNTRUSTED_PROVIDER);
	else
	{
		decision->status = TW_AUTO_APPROVED;
		decision->priority = TW_PRIORITY_NONE;
		decision->reason = TW_NO_REASON;
		decision->audit_rate = policy->audit_rate_approved;
	}
}

/* State that calls of filter_decision() share. */
typedef struct DecisionCall
{
	Oid			schema;
	TupleDesc	desc;
} DecisionCall;

static DecisionCall *
decision_call(FunctionCallInfo fcinfo)
{
	DecisionCall *call = fcinfo->flinfo->fn_extra;

	if (call == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
		TupleDesc	desc;

		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		call = palloc(sizeof(DecisionCall));
		call->schema = tw_schema_of_function(fcinfo);
		call->desc = BlessTupleDesc(desc);
		MemoryContextSwitchTo(caller);
		fcinfo->flinfo->fn_extra = call;
	}
	return call;
}

PG_FUNCTION_INFO_V1(tw_filter_decision);

/* filter_decision(confidence, provider, intent, module_type): the decision without a row. */
Datum
tw_filter_decision(PG_FUNCTION_ARGS)
{
	DecisionCall *call = decision_call(fcinfo);
	TwPrediction prediction;
	TwDecision	decision;
	Datum		values[7] = {0};
	bool		nulls[7] = {false};

	prediction.has_confidence = !PG_ARGISNULL(0);
	prediction.confidence = prediction.has_confidence ? PG_GETARG_FLOAT8(0) : 0;
	prediction.provider = tw_text_argument(fcinfo, 1);
	prediction.intent = tw_current_intent(call->schema, tw_text_argument(fcinfo, 2));
	prediction.module_type = tw_text_argument(fcinfo, 3);
	tw_decide(call->schema, &prediction, &decision);

	values[0] = tw_status_datum(decision.status);
	nulls[1] = decision.priority == TW_PRIORITY_NONE;
	values[1] = Int16GetDatum(decision.priority);
	nulls[2] = decision.reason == TW_NO_REASON;
	if (!nulls[2])
		values[2] = tw_reason_datum(decision.reason);
	values[3] = Float8GetDatum(decision.policy.review_below);
	values[4] = Float8GetDatum(decision.policy.approve_above);
	values[5] = Float8GetDatum(decision.audit_rate);
	nulls[6] = decision.policy.id == 0;
	values[6] = Int64GetDatum(decision.policy.id);
	return HeapTupleGetDatum(heap_form_tuple(call->desc, values, nulls));
}

PG_FUNCTION_INFO_V1(tw_is_fallback_provider);

/* is_fallback_provider(provider, intent, module_type): by the policy in force. */
Datum
tw_is_fallback_provider(PG_FUNCTION_ARGS)
{
	Oid			schema = tw_kept_schema_of_function(fcinfo);
	TwSlice		intent = tw_current_intent(schema, tw_text_argument(fcinfo, 1));
	TwSlice		module_type = tw_module_of(tw_text_argument(fcinfo, 2), intent);
	TwPolicy	policy;

	tw_resolve_policy(tw_policies(schema), module_type, intent, &policy);
	PG_RETURN_BOOL(tw_provider_in(policy.fallback, tw_text_argument(fcinfo, 0)));
}
