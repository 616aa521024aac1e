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
	int			best = 0;

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
		/* Labels are sorted: of two equally probable ones the first wins, on every machine. */
		for (int i = 1; i < tw_model_label_count(served.model); i++)
		{
			if (probabilities[i] > probabilities[best])
				best = i;
		}
		values[0] = optional_text(tw_model_label(served.model, best), &nulls[0]);
		values[1] = Float8GetDatum(probabilities[best]);
		values[2] = optional_text(tw_model_module(served.model, best), &nulls[2]);
	}
	values[3] = optional_text(served.version, &nulls[3]);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(call->desc, values, nulls)));
}

static int
compare_probabilities(const void *a, const void *b, void *arg)
{
	const float *probabilities = arg;
	int			first = *(const int *) a;
	int			second = *(const int *) b;

	if (probabilities[first] != probabilities[second])
		return probabilities[first] > probabilities[second] ? -1 : 1;
	return first - second;
}

/* What classify_intents() returns, computed when it is first called. */
typedef struct Ranking
{
	const char *reason;			/* NULL = there are answers */
	char	   *version;		/* NULL where nothing is live */
	int			count;
	struct
	{
		const char *intent;
		const char *module;
		float		probability;
	}			entries[FLEXIBLE_ARRAY_MEMBER];
} Ranking;

static Ranking *
empty_ranking(const char *reason)
{
	Ranking    *ranking = palloc0(offsetof(Ranking, entries));

	ranking->reason = reason;
	return ranking;
}

/* The k best labels of the text; the strings are copies, as the model may be gone at the next row. */
static Ranking *
rank_labels(TwServedModel served, text *input, int k)
{
	float	   *probabilities = probabilities_of(served.model, input);
	int			count = probabilities ? tw_model_label_count(served.model) : 0;
	int		   *order = palloc(sizeof(int) * Max(count, 1));
	Ranking    *ranking;

	if (probabilities == NULL)
	{
		ranking = empty_ranking(NO_KNOWN_FEATURE);
		ranking->version = pstrdup(served.version);
		return ranking;
	}

	for (int i = 0; i < count; i++)
		order[i] = i;
	qsort_arg(order, count, sizeof(int), compare_probabilities, probabilities);
	count = Min(k, count);
	ranking = palloc(offsetof(Ranking, entries) + sizeof(ranking->entries[0]) * count);
	ranking->reason = NULL;
	ranking->version = pstrdup(served.version);
	ranking->count = count;
	for (int i = 0; i < count; i++)
	{
		const char *module = tw_model_module(served.model, order[i]);

		ranking->entries[i].intent = pstrdup(tw_model_label(served.model, order[i]));
		ranking->entries[i].module = module ? pstrdup(module) : NULL;
		ranking->entries[i].probability = probabilities[order[i]];
	}
	return ranking;
}

static Ranking *
make_ranking(FunctionCallInfo fcinfo)
{
	TwServedModel served;

	if (PG_ARGISNULL(0))
		return empty_ranking(NO_TEXT);
	served = requested_model(fcinfo, tw_schema_of_function(fcinfo), 2);
	if (served.model == NULL)
		return empty_ranking(NO_LIVE_VERSION);
	return rank_labels(served, PG_GETARG_TEXT_PP(0), PG_GETARG_INT32(1));
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
