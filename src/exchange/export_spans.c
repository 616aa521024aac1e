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

static JsonbValue *
field_of(JsonbContainer *object, const char *name)
{
	return getKeyJsonValueFromContainer(object, name, (int) strlen(name), NULL);
}

/* A number as it is, a string as its text; NULL for anything else, and where it is empty. */
static char *
attribute_of(JsonbContainer *entity, const char *name)
{
	JsonbValue *value = field_of(entity, name);

	if (value != NULL && value->type == jbvString && value->val.string.len > 0)
		return pnstrdup(value->val.string.val, value->val.string.len);
	if (value != NULL && value->type == jbvNumeric)
		return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
	return NULL;
}

/* The name of the entity, by the rule of tw_entity_spans(). */
static char *
label_of(JsonbContainer *entity)
{
	static const char *const keys[] = {"label", "entity", "type"};

	for (size_t i = 0; i < lengthof(keys); i++)
	{
		JsonbValue *value = field_of(entity, keys[i]);

		if (value != NULL && value->type != jbvNull)
			return attribute_of(entity, keys[i]);
	}
	return NULL;
}

static bool
is_position(JsonbValue *value, int position)
{
	Datum		wanted = DirectFunctionCall1(int4_numeric, Int32GetDatum(position));

	return value != NULL && value->type == jbvNumeric &&
		DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(value->val.numeric), wanted));
}

/* Gives a span the attributes of an entity; of several with the same span and label, those of the first. */
static void
add_attributes(TwEntitySpan *span, JsonbContainer *entity, TwSlice text)
{
	char	   *value = attribute_of(entity, "value");
	int			length = span->end_byte - span->first_byte;

	if (span->value != NULL || span->role != NULL || span->group != NULL)
		return;
	if (value != NULL && ((int) strlen(value) != length || memcmp(value, text.data + span->first_byte, length) != 0))
		span->value = value;
	span->role = attribute_of(entity, "role");
	span->group = attribute_of(entity, "group");
}

/* Finds the entities that have something beside span and label, and gives it to their spans. */
static void
find_attributes(TwExport *export, TwEntitySpan *spans, int count)
{
	Jsonb	   *entities = tw_export_entities(export);
	TwSlice		text = tw_export_text(export, TW_EXPORT_TEXT);
	JsonbIterator *iterator = JsonbIteratorInit(&entities->root);
	JsonbValue	value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		JsonbContainer *entity = token == WJB_ELEM && value.type == jbvBinary ? value.val.binary.data : NULL;
		char	   *label;

		if (entity == NULL || !JsonContainerIsObject(entity) ||
			(field_of(entity, "value") == NULL && field_of(entity, "role") == NULL &&
			 field_of(entity, "group") == NULL))
			continue;
		label = label_of(entity);
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < count && label != NULL; i++)
		{
			if (strcmp(spans[i].label, label) == 0 && is_position(field_of(entity, "start"), spans[i].start) &&
				is_position(field_of(entity, "end"), spans[i].end))
				add_attributes(&spans[i], entity, text);
		}
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
	if (export->format->wants_attributes && count > 0)
		find_attributes(export, *spans, count);
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
