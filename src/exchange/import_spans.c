/*
 * import_spans.c
 *		Spans of a text as the entities of a sample: from the positions that other
 *		tools write, and from readers that find them in the text themselves.
 */
#include "postgres.h"

#include <math.h>

#include "exchange/import_objects.h"
#include "mb/pg_wchar.h"
#include "utils/json.h"

/* A span's positions in code points; the end is excluded. */
typedef struct Range
{
	int			start;
	int			end;
} Range;

static void
append_string(StringInfo json, TwSlice value)
{
	escape_json(json, pnstrdup(value.data, value.length));
}

/* Appends an entity to a list, without its closing brace; a null value is left out. */
void
tw_import_add_span(StringInfo entities, int start, int end, TwSlice label, TwSlice value)
{
	appendStringInfo(entities, "%s{\"start\":%d,\"end\":%d,\"label\":", entities->len == 0 ? "[" : "},", start, end);
	append_string(entities, label);
	if (value.data != NULL)
		tw_import_add_attribute(entities, "value", value);
}

void
tw_import_add_attribute(StringInfo entities, const char *name, TwSlice value)
{
	appendStringInfo(entities, ",\"%s\":", name);
	append_string(entities, value);
}

/* Gives the sample the list, unless it is empty. */
void
tw_import_end_spans(TwImportReader *reader, TwImportLine *line, StringInfo entities)
{
	if (entities->len == 0)
		return;
	appendStringInfoString(entities, "}]");
	tw_import_put_entities(reader, line, (TwSlice) {entities->data, entities->len});
}

static bool
read_position(const json_t *value, int *position)
{
	double		number = json_number_value(value);

	/* Data frames write 2.0 where a column has gaps. */
	if (!json_is_number(value) || number != floor(number) || number < 0 || number > PG_INT32_MAX)
		return false;
	*position = (int) number;
	return true;
}

/* The text of the tokens, with their positions in it, where the object has none of its own. */
static TwSlice
join_tokens(TwImportReader *reader, const json_t *tokens, Range *ranges)
{
	StringInfoData all;
	size_t		i;
	json_t	   *token;
	int			position = 0;
	bool		wants_space = false;

	initStringInfo(&all);
	json_array_foreach(tokens, i, token)
	{
		const json_t *words = json_is_object(token) ? json_object_get(token, "text") : token;

		if (!json_is_string(words))
			tw_import_refuse_foreign(reader, "tokens", "an array of words", token);
		if (wants_space)
		{
			appendStringInfoChar(&all, ' ');
			position++;
		}
		appendBinaryStringInfo(&all, json_string_value(words), (int) json_string_length(words));
		ranges[i].start = position;
		position += pg_mbstrlen_with_len(json_string_value(words), (int) json_string_length(words));
		ranges[i].end = position;
		wants_space = !json_is_false(json_object_get(token, "ws"));
	}
	return (TwSlice) {all.data, all.len};
}

/* Where the tokens are, by what they say themselves. */
static void
find_tokens(const json_t *tokens, Range *ranges)
{
	size_t		i;
	json_t	   *token;

	json_array_foreach(tokens, i, token)
	{
		if (!read_position(json_object_get(token, "start"), &ranges[i].start) ||
			!read_position(json_object_get(token, "end"), &ranges[i].end))
			ranges[i] = (Range) {-1, -1};
	}
}

/* Whether the labels of a span are strings, at least one. */
static bool
are_labels(const json_t *labels)
{
	size_t		i;
	json_t	   *label;

	json_array_foreach(labels, i, label)
	{
		if (!json_is_string(label))
			return false;
	}
	return json_array_size(labels) > 0;
}

/*
 * A span as [start, end, label], or as an object with these, or with the first
 * and last of its tokens. An object may have an array of labels instead of one.
 */
static bool
read_span(const json_t *span, const Range *tokens, size_t tokens_count, Range *range, const json_t **label)
{
	int			first;
	int			last;

	if (json_is_array(span))
	{
		*label = json_array_get(span, 2);
		return json_array_size(span) >= 3 && json_is_string(*label) &&
			read_position(json_array_get(span, 0), &range->start) &&
			read_position(json_array_get(span, 1), &range->end);
	}
	*label = json_object_get(span, "label");
	if (*label == NULL)
		*label = json_object_get(span, "labels");
	if (!json_is_string(*label) && !are_labels(*label))
		return false;
	if (json_object_get(span, "start") != NULL)
		return read_position(json_object_get(span, "start"), &range->start) &&
			read_position(json_object_get(span, "end"), &range->end);
	if (!read_position(json_object_get(span, "token_start"), &first) ||
		!read_position(json_object_get(span, "token_end"), &last) ||
		(size_t) last >= tokens_count || first > last || tokens[first].start < 0)
		return false;
	*range = (Range) {tokens[first].start, tokens[last].end};
	return true;
}

static void
append_spans(TwImportReader *reader, StringInfo entities, const json_t *spans, const char *name, const Range *tokens,
			 size_t tokens_count)
{
	size_t		i;
	json_t	   *span;

	if (!json_is_array(spans))
		tw_import_refuse_foreign(reader, name, "an array", spans);
	json_array_foreach(spans, i, span)
	{
		Range		range;
		const json_t *label;
		const json_t *value = json_object_get(span, "text");

		if (!read_span(span, tokens, tokens_count, &range, &label))
			tw_import_refuse_foreign(reader, name, "an array of spans such as {\"start\": 3, \"end\": 9, \"label\": "
									 "\"city\"} or [3, 9, \"city\"]", span);
		for (size_t j = 0; j < (json_is_array(label) ? json_array_size(label) : 1); j++)
			tw_import_add_span(entities, range.start, range.end,
							   tw_json_slice(json_is_array(label) ? json_array_get(label, j) : label),
							   json_is_string(value) ? tw_json_slice(value) : TW_NULL_SLICE);
	}
}

/* Whether the entities are a list of [start, end, label]. */
static bool
are_triples(const json_t *entities)
{
	size_t		i;
	json_t	   *span;

	json_array_foreach(entities, i, span)
	{
		Range		range;
		const json_t *label;

		if (!json_is_array(span) || !read_span(span, NULL, 0, &range, &label))
			return false;
	}
	return true;
}

/* Puts the spans of the current object into the sample, and its text where it has tokens in place of one. */
void
tw_import_read_spans(TwImportReader *reader, TwImportLine *line)
{
	TwObject   *object = reader->object;
	const json_t *tokens = object->values[TW_TOKENS];
	size_t		tokens_count = json_array_size(tokens);
	Range	   *ranges = tokens_count > 0 ? palloc(sizeof(Range) * tokens_count) : NULL;
	bool		is_foreign = object->values[TW_CATS] != NULL || object->values[TW_LABEL] != NULL;
	StringInfoData entities;

	if (tokens_count > 0 && line->values[TW_IMPORT_TEXT].isnull)
		tw_import_put_slice(reader, line, TW_IMPORT_TEXT, "tokens", join_tokens(reader, tokens, ranges));
	else if (tokens_count > 0)
		find_tokens(tokens, ranges);

	if (object->values[TW_SPANS] == NULL && object->values[TW_ENTS] == NULL)
	{
		if (object->entities == NULL || (is_foreign && json_array_size(object->entities) == 0))
			return;
		if (!is_foreign || !are_triples(object->entities))
		{
			tw_import_put(reader, line, TW_IMPORT_ENTITIES, object->entities_name, object->entities);
			return;
		}
	}
	initStringInfo(&entities);
	if (object->entities != NULL)
		append_spans(reader, &entities, object->entities, object->entities_name, ranges, tokens_count);
	if (object->values[TW_SPANS] != NULL)
		append_spans(reader, &entities, object->values[TW_SPANS], "spans", ranges, tokens_count);
	if (object->values[TW_ENTS] != NULL)
		append_spans(reader, &entities, object->values[TW_ENTS], "ents", ranges, tokens_count);
	tw_import_end_spans(reader, line, &entities);
}
