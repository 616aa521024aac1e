/*
 * entity_spans.c
 *		The entities of a sample as [[start, end, label], ...].
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "privacy/entity_spans.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

typedef struct LabelledSpan
{
	int			start;
	int			end;
	TwSlice		label;
} LabelledSpan;

static int
compare_spans(const void *a, const void *b)
{
	const LabelledSpan *left = a;
	const LabelledSpan *right = b;

	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	if (left->end != right->end)
		return left->end < right->end ? -1 : 1;
	return tw_slice_compare(left->label, right->label);
}

/* Spans within the text, sorted, each once. */
static int
labelled_spans(const TwSpans *read, int text_length, LabelledSpan *result)
{
	int			count = 0;
	int			kept = 0;

	for (int i = 0; i < read->count; i++)
	{
		const TwSpan *span = &read->spans[i];

		if (span->start >= span->end || span->end > text_length)
			continue;
		for (int j = 0; j < span->labels_count; j++)
			result[count++] = (LabelledSpan) {span->start, span->end, span->labels[j]};
	}
	qsort(result, count, sizeof(LabelledSpan), compare_spans);
	for (int i = 0; i < count; i++)
	{
		if (kept == 0 || compare_spans(&result[i], &result[kept - 1]) != 0)
			result[kept++] = result[i];
	}
	return kept;
}

static void
push_number(JsonbParseState **state, int number)
{
	JsonbValue	value = {.type = jbvNumeric};

	value.val.numeric = DatumGetNumeric(DirectFunctionCall1(int4_numeric, Int32GetDatum(number)));
	pushJsonbValue(state, WJB_ELEM, &value);
}

static Size
count_labels(const TwSpans *read)
{
	Size		count = 0;

	for (int i = 0; i < read->count; i++)
		count += read->spans[i].labels_count;
	return count;
}

PG_FUNCTION_INFO_V1(tw_entity_spans);

/* tw_entity_spans(entities, text_length) */
Datum
tw_entity_spans(PG_FUNCTION_ARGS)
{
	TwSpans		read = {0};
	LabelledSpan *spans;
	int			count;
	JsonbParseState *state = NULL;

	if (!PG_ARGISNULL(0))
		read = tw_read_spans(PG_GETARG_JSONB_P(0));
	spans = palloc_extended(sizeof(LabelledSpan) * (count_labels(&read) + 1), MCXT_ALLOC_HUGE);
	count = PG_ARGISNULL(1) ? 0 : labelled_spans(&read, PG_GETARG_INT32(1), spans);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++)
	{
		JsonbValue	label = {.type = jbvString};

		CHECK_FOR_INTERRUPTS();
		label.val.string.val = (char *) spans[i].label.data;
		label.val.string.len = spans[i].label.length;
		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		push_number(&state, spans[i].start);
		push_number(&state, spans[i].end);
		pushJsonbValue(&state, WJB_ELEM, &label);
		pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	}
	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL)));
}
