/*
 * import_marks.c
 *		Examples of Rasa's, with their entities marked: [words](label),
 *		[words](label:value), [words]{"entity": "label", "role": ...} and
 *		[words][{...}, {...}].
 *
 * As Rasa has it, words hold no ], a mark ends at the first closing bracket of
 * its kind, and nothing can be escaped. A word joiner that our export put behind
 * a ] of the text is taken away again.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/excerpt.h"
#include "exchange/export_words.h"
#include "exchange/import_marks.h"
#include "mb/pg_wchar.h"

#define LINE(reader) ((long long) (reader)->place.number)

/* A mark: where its words are, and what stands behind them. */
typedef struct Mark
{
	TwSlice		words;
	TwSlice		label;			/* of (label) and (label:value); null for JSON */
	TwSlice		value;
	TwSlice		json;
	const char *end;
} Mark;

typedef struct Example
{
	StringInfoData text;
	int			position;		/* of its end, in code points */
	StringInfoData entities;
} Example;

static const char *
find(const char *at, const char *end, char c)
{
	return at < end ? memchr(at, c, end - at) : NULL;
}

/* (label) or (label:value), which begins at the bracket. */
static bool
read_round(const char *at, const char *end, Mark *mark)
{
	const char *close = find(at + 1, end, ')');
	const char *colon = close == NULL ? NULL : find(at + 1, close, ':');

	if (close == NULL || close == at + 1 || colon == at + 1)
		return false;
	mark->label = (TwSlice) {at + 1, (int) ((colon != NULL ? colon : close) - at - 1)};
	if (colon != NULL)
	{
		/* Of (label:) there is no value, and it is no mark. */
		if (colon + 1 == close)
			return false;
		mark->value = (TwSlice) {colon + 1, (int) (close - colon - 1)};
	}
	mark->end = close + 1;
	return true;
}

/* {...} or [{...}], as JSON. */
static bool
read_json_mark(const char *at, const char *end, Mark *mark)
{
	const char *close = find(at + 1, end, *at == '{' ? '}' : ']');

	if (close == NULL || close == at + 1)
		return false;
	if (*at == '[')
	{
		const char *first = at + 1;

		while (first < close && *first == ' ')
			first++;
		/* "[a][b]" is a text with brackets, not a list of attributes. */
		if (*first != '{' || find(at, close, '\n') != NULL)
			return false;
	}
	mark->json = (TwSlice) {at, (int) (close + 1 - at)};
	mark->end = close + 1;
	return true;
}

/* Whether a mark begins at this bracket. */
static bool
read_mark(const char *at, const char *end, Mark *mark)
{
	const char *close = find(at + 1, end, ']');

	memset(mark, 0, sizeof(Mark));
	if (close == NULL || close == at + 1 || close + 1 == end)
		return false;
	mark->words = (TwSlice) {at + 1, (int) (close - at - 1)};
	if (close[1] == '(')
		return read_round(close + 1, end, mark);
	return (close[1] == '{' || close[1] == '[') && read_json_mark(close + 1, end, mark);
}

pg_noreturn static void
refuse_mark(const TwImportReader *reader, TwSlice json, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("line %lld: an entity of the example cannot be read", LINE(reader)),
			 errdetail("%s: %s", what, tw_excerpt_of(json.data, json.length)),
			 errhint("Mark entities so: [credit card]{\"entity\": \"account_type\", \"value\": \"credit\"}. "
					 TW_NOTHING_STAYS)));
}

/* An attribute of an entity: a string, or a number, which files have, too. A null slice = it is not there. */
static TwSlice
attribute_of(const TwImportReader *reader, const json_t *attributes, const char *name, TwSlice json)
{
	const json_t *value = json_object_get(attributes, name);
	char	   *number;

	if (value == NULL || json_is_null(value))
		return TW_NULL_SLICE;
	if (json_is_string(value))
		return tw_json_slice(value);
	if (!json_is_integer(value))
		refuse_mark(reader, json, psprintf("The attribute \"%s\" is no string", name));
	number = psprintf(INT64_FORMAT, (int64) json_integer_value(value));
	return TW_CSTRING_SLICE(number);
}

static void
add_entity(const TwImportReader *reader, Example *example, const Mark *mark, const json_t *attributes, int length)
{
	static const char *const further[] = {"role", "group"};
	TwSlice		label = mark->label;
	TwSlice		value = mark->value;

	if (attributes != NULL)
	{
		label = attribute_of(reader, attributes, "entity", mark->json);
		value = attribute_of(reader, attributes, "value", mark->json);
		if (label.data == NULL || label.length == 0)
			refuse_mark(reader, mark->json, "It has no \"entity\"");
	}
	tw_import_add_span(&example->entities, example->position, example->position + length, label,
					   value.data != NULL ? value : mark->words);
	for (size_t i = 0; attributes != NULL && i < lengthof(further); i++)
	{
		TwSlice		more = attribute_of(reader, attributes, further[i], mark->json);

		if (more.data != NULL)
			tw_import_add_attribute(&example->entities, further[i], more);
	}
}

/* The attributes of an entity, or of several with the same words. */
static void
add_json_mark(TwImportReader *reader, Example *example, const Mark *mark, int length)
{
	json_error_t error;
	size_t		i;
	json_t	   *attributes;

	tw_import_free_object(reader);
	reader->part = tw_import_parse_json(reader, mark->json, &error);
	if (reader->part == NULL)
		refuse_mark(reader, mark->json, "It is not JSON");
	if (json_is_object(reader->part))
		add_entity(reader, example, mark, reader->part, length);
	json_array_foreach(reader->part, i, attributes)
	{
		if (!json_is_object(attributes))
			refuse_mark(reader, mark->json, "It is no list of objects");
		add_entity(reader, example, mark, attributes, length);
	}
}

static void
add_words(Example *example, const char *at, const char *end)
{
	appendBinaryStringInfo(&example->text, at, (int) (end - at));
	example->position += pg_mbstrlen_with_len(at, (int) (end - at));
}

/* Adds text outside of marks, without the word joiners that our export put in. */
static void
add_outside(Example *example, const char *at, const char *end, const char *end_of_example)
{
	const char *from = at;

	while ((at = find(at, end, ']')) != NULL)
	{
		at++;
		if (!tw_is_joined_bracket(at, end_of_example, true))
			continue;
		add_words(example, from, at);
		at += strlen(TW_WORD_JOINER);
		from = at;
	}
	add_words(example, from, end);
}

/* Makes a sample of an example. */
void
tw_import_read_marks(TwImportReader *reader, TwSlice intent, TwSlice words)
{
	TwImportLine *line = tw_import_add_line(reader);
	const char *at = words.data;
	const char *end = at + words.length;
	const char *from = at;
	Example		example = {.position = 0};
	Mark		mark;

	initStringInfo(&example.text);
	initStringInfo(&example.entities);
	while ((at = find(at, end, '[')) != NULL)
	{
		int			length;

		if (!read_mark(at, end, &mark))
		{
			at++;
			continue;
		}
		add_outside(&example, from, at, end);
		length = pg_mbstrlen_with_len(mark.words.data, mark.words.length);
		if (mark.json.data != NULL)
			add_json_mark(reader, &example, &mark, length);
		else
			add_entity(reader, &example, &mark, NULL, length);
		add_words(&example, mark.words.data, mark.words.data + mark.words.length);
		at = from = mark.end;
	}
	add_outside(&example, from, end, end);
	tw_import_put_slice(reader, line, TW_IMPORT_TEXT, "text", (TwSlice) {example.text.data, example.text.len});
	tw_import_put_slice(reader, line, TW_IMPORT_INTENT, "intent", intent);
	tw_import_end_spans(reader, line, &example.entities);
	tw_import_finish(reader, line);
}
