/*
 * export_spans.c
 *		The entities of a sample as spans of its text.
 */
#include "postgres.h"

#include "exchange/export_spans.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

static int
number_at(JsonbContainer *container, uint32 index)
{
	JsonbValue *value = getIthJsonbValueFromContainer(container, index);

	return DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(value->val.numeric)));
}

/* Converts positions in code points to positions in bytes. The spans are sorted by start. */
static void
find_bytes(TwSlice text, TwEntitySpan *spans, int count)
{
	int			at = 0;
	int			position = 0;

	for (int i = 0; i < count; i++)
	{
		int			past;
		int			place;

		while (position < spans[i].start)
		{
			at += pg_utf_mblen((const unsigned char *) text.data + at);
			position++;
		}
		spans[i].first_byte = at;
		for (past = at, place = position; place < spans[i].end; place++)
			past += pg_utf_mblen((const unsigned char *) text.data + past);
		spans[i].end_byte = past;
	}
}

/* The sample's spans as tw_entity_spans() returns them: sorted by start, end and label, not empty, within the text. */
int
tw_export_spans(TwExport *export, TwEntitySpan **spans)
{
	Jsonb	   *json;
	int			count;

	if (!tw_export_has(export, TW_EXPORT_SPANS))
		return 0;
	json = DatumGetJsonbP(export->sample[TW_EXPORT_SPANS].value);
	count = JB_ROOT_COUNT(json);
	*spans = palloc(sizeof(TwEntitySpan) * (count + 1));
	for (int i = 0; i < count; i++)
	{
		JsonbContainer *span = getIthJsonbValueFromContainer(&json->root, i)->val.binary.data;
		JsonbValue *label = getIthJsonbValueFromContainer(span, 2);

		(*spans)[i] = (TwEntitySpan) {
			.start = number_at(span, 0),
			.end = number_at(span, 1),
			.label = pnstrdup(label->val.string.val, label->val.string.len)
		};
	}
	find_bytes(tw_export_text(export, TW_EXPORT_TEXT), *spans, count);
	return count;
}

/* Python, and therefore spaCy, counts four control characters (U+001C to U+001F) as white space, too. */
static bool
is_white_space(const char *at)
{
	pg_wchar	c = utf8_to_unicode((const unsigned char *) at);

	return tw_is_white_space(c) || (c >= 0x1C && c <= 0x1F);
}

/* Removes white space from both ends of the span; false if nothing remains. */
static bool
trim(TwSlice text, TwEntitySpan *span)
{
	const char *data = text.data;

	while (span->start < span->end && is_white_space(data + span->first_byte))
	{
		span->first_byte += pg_utf_mblen((const unsigned char *) data + span->first_byte);
		span->start++;
	}
	while (span->start < span->end)
	{
		int			last = span->end_byte - 1;

		while ((data[last] & 0xC0) == 0x80)
			last--;
		if (!is_white_space(data + last))
			return true;
		span->end_byte = last;
		span->end--;
	}
	return false;
}

/*
 * Spans for a tool that allows neither overlapping entities nor white space at
 * their ends. Of overlapping spans the first is kept; of spans with the same
 * start, the longest.
 */
int
tw_export_flat_spans(TwExport *export, TwEntitySpan **spans)
{
	TwSlice		text = tw_export_text(export, TW_EXPORT_TEXT);
	int			count = tw_export_spans(export, spans);
	int			kept = 0;

	for (int i = 0; i < count; i++)
	{
		TwEntitySpan span = (*spans)[i];
		TwEntitySpan *last = kept > 0 ? &(*spans)[kept - 1] : NULL;

		CHECK_FOR_INTERRUPTS();
		if (!trim(text, &span))
			continue;
		if (last == NULL || span.start >= last->end)
			(*spans)[kept++] = span;
		else if (span.start == last->start && span.end > last->end)
			*last = span;
	}
	return kept;
}
