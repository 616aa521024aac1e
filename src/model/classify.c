/*
 * classify.c
 *		classify_intent() and classify_intents(): the intent of a text.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/null_argument.h"
#include "fmgr.h"
#include "funcapi.h"
#include "model/model_cache.h"
#include "rules/conversations.h"
#include "rules/intent_names.h"
#include "samples/model_text.h"
#include "utils/builtins.h"

/* Why there is no answer: the column reason. */
#define NO_TEXT "no text"
#define NO_LIVE_VERSION "no live version"
#define NO_KNOWN_FEATURE "no known feature"

/*
 * The model that the arguments name: its type, never NULL, and a version or NULL for the live one. A model of NULL:
 * nothing is live.
 */
static TwServedModel
requested_model(FunctionCallInfo fcinfo, Oid schema, int type_argument)
{
	char	   *model_type;

	tw_refuse_null(fcinfo, type_argument, "the model type", "Leave it out for router.");
	model_type = text_to_cstring(PG_GETARG_TEXT_PP(type_argument));
	if (PG_ARGISNULL(type_argument + 1))
		return tw_live_model(schema, model_type);
	return tw_model_of_version(schema, model_type, text_to_cstring(PG_GETARG_TEXT_PP(type_argument + 1)));
}

/* An answer of a model, under the current name of the intent; the label's own strings, unless it was renamed. */
typedef struct Answer
{
	const char *intent;
	const char *module;			/* NULL = none */
	float		probability;
} Answer;

/* The module of a renamed label: one that followed from its name follows from the new name. */
static const char *
renamed_module(const char *module, TwSlice old_name, TwSlice new_name)
{
	TwSlice		named = tw_intent_module(old_name);
	TwSlice		given = {module, module ? (int) strlen(module) : 0};

	if (tw_slice_compare(given, named) != 0)
		return module;
	named = tw_intent_module(new_name);
	return named.data ? pnstrdup(named.data, named.length) : NULL;
}

/* Adds the probability of a renamed answer to another one with its name, which it then gives up. */
static void
merge_answer(Answer *renamed, Answer *answers, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (&answers[i] != renamed && answers[i].intent != NULL && strcmp(answers[i].intent, renamed->intent) == 0)
		{
			answers[i].probability += renamed->probability;
			renamed->intent = NULL;
			return;
		}
	}
}

/*
 * Gives the answers of a model from before a rename the current names. Labels
 * that were merged become one answer with the sum of their probabilities.
 * Returns how many answers are left.
 */
static int
rename_answers(Oid schema, Answer *answers, int count)
{
	int		   *renamed = palloc(sizeof(int) * count);
	int			renamed_count = 0;
	int			left = 0;

	for (int i = 0; i < count; i++)
	{
		TwSlice		label = {answers[i].intent, (int) strlen(answers[i].intent)};
		TwSlice		current = tw_current_intent(schema, label);

		if (current.data == label.data)
			continue;
		answers[i].intent = pnstrdup(current.data, current.length);
		answers[i].module = renamed_module(answers[i].module, label, current);
		renamed[renamed_count++] = i;
	}
	for (int i = 0; i < renamed_count; i++)
		merge_answer(&answers[renamed[i]], answers, count);
	for (int i = 0; i < count; i++)
	{
		if (answers[i].intent != NULL)
			answers[left++] = answers[i];
	}
	return left;
}

/* The answers of a model with these probabilities, in the order of its labels. Returns their number. */
static int
answers_of(Oid schema, const TwModel *model, const float *probabilities, Answer **answers)
{
	int			count = tw_model_label_count(model);

	*answers = palloc(sizeof(Answer) * count);
	for (int i = 0; i < count; i++)
		(*answers)[i] = (Answer)
		{
		tw_model_label(model, i), tw_model_module(model, i), probabilities[i]
	};
	return tw_has_intent_aliases(schema) ? rename_answers(schema, *answers, count) : count;
}

/* The probabilities of the labels, or NULL when the text has no feature that the model knows. */
static float *
probabilities_of(const TwModel *model, text *input)
{
	float	   *probabilities = palloc(sizeof(float) * tw_model_label_count(model));
	text	   *known = tw_text_for_model(input);

	if (!tw_model_probabilities(model, VARDATA_ANY(known), VARSIZE_ANY_EXHDR(known), probabilities))
		return NULL;
	return probabilities;
}

static Datum
optional_text(const char *value, bool *isnull)
{
	*isnull = value == NULL;
	return value ? CStringGetTextDatum(value) : (Datum) 0;
}

static TupleDesc
result_row(FunctionCallInfo fcinfo)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return BlessTupleDesc(desc);
}

/* What classify_intent() looks up once for each calling expression. */
typedef struct ClassifyCall
{
	Oid			schema;
	TupleDesc	desc;
} ClassifyCall;

static ClassifyCall *
kept_call(FunctionCallInfo fcinfo)
{
	ClassifyCall *call = fcinfo->flinfo->fn_extra;

	if (call == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		call = palloc(sizeof(ClassifyCall));
		call->schema = tw_schema_of_function(fcinfo);
		call->desc = result_row(fcinfo);
		fcinfo->flinfo->fn_extra = call;
		MemoryContextSwitchTo(caller);
	}
	return call;
}

/* The row of classify_intent() without an answer. Until ALTER EXTENSION UPDATE it has no column for the reason. */
static Datum
row_of_reason(TupleDesc desc, const char *reason)
{
	Datum		values[5] = {0};
	bool		nulls[5] = {true, true, true, true, false};

	values[4] = CStringGetTextDatum(reason);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

PG_FUNCTION_INFO_V1(tw_classify_intent);

/* classify_intent(text, model_type, version) */
Datum
tw_classify_intent(PG_FUNCTION_ARGS)
{
	ClassifyCall *call;
	TwServedModel served;
	float	   *probabilities;
	Datum		values[5];
	bool		nulls[5] = {true, true, true, true, true};

	call = kept_call(fcinfo);
	if (PG_ARGISNULL(0))
		return row_of_reason(call->desc, NO_TEXT);
	served = requested_model(fcinfo, call->schema, 1);
	if (served.model == NULL)
		return row_of_reason(call->desc, NO_LIVE_VERSION);
	probabilities = probabilities_of(served.model, PG_GETARG_TEXT_PP(0));
	values[1] = Float8GetDatum(0.0);
	nulls[1] = false;
	if (probabilities == NULL)
		values[4] = optional_text(NO_KNOWN_FEATURE, &nulls[4]);
	else
	{
		Answer	   *answers;
		Answer	   *best;
		int			count = answers_of(call->schema, served.model, probabilities, &answers);

		/* Labels are sorted: of two equally probable ones the first wins, on every machine. */
		best = answers;
		for (int i = 1; i < count; i++)
		{
			if (answers[i].probability > best->probability)
				best = &answers[i];
		}
		values[0] = optional_text(best->intent, &nulls[0]);
		values[1] = Float8GetDatum(Min(best->probability, 1.0));
		values[2] = optional_text(best->module, &nulls[2]);
	}
	values[3] = optional_text(served.version, &nulls[3]);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(call->desc, values, nulls)));
}

static int
compare_answers(const void *a, const void *b, void *arg)
{
	const Answer *answers = arg;
	int			first = *(const int *) a;
	int			second = *(const int *) b;

	if (answers[first].probability != answers[second].probability)
		return answers[first].probability > answers[second].probability ? -1 : 1;
	return first - second;
}

/* What classify_intents() returns, computed when it is first called. */
typedef struct Ranking
{
	const char *reason;			/* NULL = there are answers */
	char	   *version;		/* NULL where nothing is live */
	int			count;
	Answer		entries[FLEXIBLE_ARRAY_MEMBER];
} Ranking;

static Ranking *
empty_ranking(const char *reason)
{
	Ranking    *ranking = palloc0(offsetof(Ranking, entries));

	ranking->reason = reason;
	return ranking;
}

/* The k best answers to the text; the strings are copies, as the model may be gone at the next row. */
static Ranking *
rank_answers(Oid schema, TwServedModel served, text *input, int k)
{
	float	   *probabilities = probabilities_of(served.model, input);
	Answer	   *answers;
	int		   *order;
	int			count;
	Ranking    *ranking;

	if (probabilities == NULL)
	{
		ranking = empty_ranking(NO_KNOWN_FEATURE);
		ranking->version = pstrdup(served.version);
		return ranking;
	}

	count = answers_of(schema, served.model, probabilities, &answers);
	order = palloc(sizeof(int) * count);
	for (int i = 0; i < count; i++)
		order[i] = i;
	qsort_arg(order, count, sizeof(int), compare_answers, answers);
	count = Min(k, count);
	ranking = palloc(offsetof(Ranking, entries) + sizeof(Answer) * count);
	ranking->reason = NULL;
	ranking->version = pstrdup(served.version);
	ranking->count = count;
	for (int i = 0; i < count; i++)
	{
		const Answer *answer = &answers[order[i]];

		ranking->entries[i].intent = pstrdup(answer->intent);
		ranking->entries[i].module = answer->module ? pstrdup(answer->module) : NULL;
		ranking->entries[i].probability = Min(answer->probability, 1.0f);
	}
	return ranking;
}

static Ranking *
make_ranking(FunctionCallInfo fcinfo)
{
	Oid			schema = tw_schema_of_function(fcinfo);
	TwServedModel served;

	if (PG_ARGISNULL(0))
		return empty_ranking(NO_TEXT);
	served = requested_model(fcinfo, schema, 2);
	if (served.model == NULL)
		return empty_ranking(NO_LIVE_VERSION);
	return rank_answers(schema, served, PG_GETARG_TEXT_PP(0), PG_GETARG_INT32(1));
}

static void
begin_ranking(FunctionCallInfo fcinfo)
{
	FuncCallContext *context = SRF_FIRSTCALL_INIT();
	MemoryContext caller = MemoryContextSwitchTo(context->multi_call_memory_ctx);
	Ranking    *ranking;

	if (PG_ARGISNULL(1) || PG_GETARG_INT32(1) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("k must be at least 1"),
				 errhint("It is how many intents are wanted; there are never more than the model knows.")));
	context->tuple_desc = result_row(fcinfo);
	ranking = make_ranking(fcinfo);
	context->user_fctx = ranking;
	/* Without an answer, one row says why. */
	context->max_calls = Max(ranking->count, 1);
	MemoryContextSwitchTo(caller);
}

PG_FUNCTION_INFO_V1(tw_classify_intents);

/* classify_intents(text, k, model_type, version) */
Datum
tw_classify_intents(PG_FUNCTION_ARGS)
{
	FuncCallContext *context;
	Ranking    *ranking;
	int			i;
	Datum		values[6];
	bool		nulls[6] = {true, true, true, true, true, true};

	if (SRF_IS_FIRSTCALL())
		begin_ranking(fcinfo);
	context = SRF_PERCALL_SETUP();
	if (context->call_cntr >= context->max_calls)
		SRF_RETURN_DONE(context);

	ranking = context->user_fctx;
	i = (int) context->call_cntr;
	values[4] = optional_text(ranking->version, &nulls[4]);
	values[5] = optional_text(ranking->reason, &nulls[5]);
	if (ranking->count > 0)
	{
		nulls[0] = nulls[2] = false;
		values[0] = Int32GetDatum(i + 1);
		values[1] = optional_text(ranking->entries[i].intent, &nulls[1]);
		values[2] = Float8GetDatum(ranking->entries[i].probability);
		values[3] = optional_text(ranking->entries[i].module, &nulls[3]);
	}
	SRF_RETURN_NEXT(context, HeapTupleGetDatum(heap_form_tuple(context->tuple_desc, values, nulls)));
}
