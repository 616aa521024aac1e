/*
 * import_values.c
 *		The keys that a line to import may have, and their valid values.
 */
#include "postgres.h"

#include <math.h>

#include "base/compat.h"
#include "base/excerpt.h"
#include "base/slice.h"
#include "common/shortest_dec.h"
#include "exchange/import_values.h"
#include "exchange/iso_timestamp.h"
#include "fmgr.h"
#include "privacy/entity_spans.h"
#include "privacy/redact.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

static bool read_text(const TwImportPlace *place, const json_t *value, NullableDatum *result);
static bool read_intent(const TwImportPlace *place, const json_t *value, NullableDatum *result);
static bool read_word(const TwImportPlace *place, const json_t *value, NullableDatum *result);
static bool read_entities(const TwImportPlace *place, const json_t *value, NullableDatum *result);
static bool read_module_id(const TwImportPlace *place, const json_t *value, NullableDatum *result);
static bool read_split(const TwImportPlace *place, const json_t *value, NullableDatum *result);
static bool read_label_source(const TwImportPlace *place, const json_t *value, NullableDatum *result);
static bool read_quality_score(const TwImportPlace *place, const json_t *value, NullableDatum *result);
static bool read_created_at(const TwImportPlace *place, const json_t *value, NullableDatum *result);

const TwImportKeyDefinition tw_import_keys[TW_IMPORT_KEYS] = {
	[TW_IMPORT_TEXT] = {"text", read_text, "a string that is not blank"},
	[TW_IMPORT_INTENT] = {"intent", read_intent, "a string that is not blank"},
	[TW_IMPORT_LANGUAGE] = {"language", read_word, "a string"},
	[TW_IMPORT_ENTITIES] = {"entities", read_entities, "an object or an array"},
	[TW_IMPORT_MODULE_ID] = {"module_id", read_module_id, "a whole number from -2147483648 to 2147483647"},
	[TW_IMPORT_MODULE_TYPE] = {"module_type", read_word, "a string"},
	[TW_IMPORT_EXPECTED_SERVICE] = {"expected_service", read_word, "a string"},
	[TW_IMPORT_SPLIT] = {"split", read_split, "\"train\" or \"test\""},
	[TW_IMPORT_LABEL_SOURCE] = {"label_source", read_label_source, "\"human\" or \"model\" (also \"person\", \"llm\")"},
	[TW_IMPORT_QUALITY_SCORE] = {"quality_score", read_quality_score, "a number from 0 to 1"},
	[TW_IMPORT_CREATED_AT] = {"created_at", read_created_at, "a time such as \"2026-11-23T09:30:00+05:30\""},
};

/* Whose label it is, human or model, of the words that files have for it; NULL for others. */
const char *
tw_canonical_label_source(const char *given)
{
	static const char *const words[][2] = {
		{"human", "human"}, {"person", "human"},
		{"model", "model"}, {"llm", "model"}, {"machine", "model"}
	};

	for (size_t i = 0; i < lengthof(words); i++)
	{
		if (pg_strcasecmp(given, words[i][0]) == 0)
			return words[i][1];
	}
	return NULL;
}

/* A description of the value that completes the sentence "It is ...". */
char *
tw_import_describe(const json_t *value)
{
	switch (json_typeof(value))
	{
		case JSON_OBJECT:
			return "an object";
		case JSON_ARRAY:
			return "an array";
		case JSON_STRING:
			return psprintf("the string \"%s\"",
							tw_excerpt_of(json_string_value(value), json_string_length(value)));
		case JSON_INTEGER:
			return psprintf("the number %lld", (long long) json_integer_value(value));
		case JSON_REAL:
			return psprintf("the number %s", double_to_shortest_decimal(json_real_value(value)));
		case JSON_TRUE:
			return "true";
		case JSON_FALSE:
			return "false";
		default:
			return "null";
	}
}

static bool
set_text(NullableDatum *result, const char *value, size_t length)
{
	result->value = PointerGetDatum(cstring_to_text_with_len(value, (int) length));
	result->isnull = false;
	return true;
}

static TwSlice
string_span(const json_t *value)
{
	return (TwSlice) {json_string_value(value), (int) json_string_length(value)};
}

static bool
is_ascii_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Whether a text or an intent is valid. An intent is trimmed: a space at an end would make it another one. */
bool
tw_import_read_slice(const TwImportPlace *place, int key, TwSlice value, NullableDatum *result)
{
	if (tw_slice_is_blank(value))
		return false;
	if (key == TW_IMPORT_INTENT)
	{
		while (is_ascii_space(value.data[0]))
			value = (TwSlice) {value.data + 1, value.length - 1};
		while (is_ascii_space(value.data[value.length - 1]))
			value.length--;
		return set_text(result, value.data, value.length);
	}
	return set_text(result, value.data, value.length);
}

static bool
read_text(const TwImportPlace *place, const json_t *value, NullableDatum *result)
{
	return json_is_string(value) && tw_import_read_slice(place, TW_IMPORT_TEXT, string_span(value), result);
}

static bool
read_intent(const TwImportPlace *place, const json_t *value, NullableDatum *result)
{
	return json_is_string(value) && tw_import_read_slice(place, TW_IMPORT_INTENT, string_span(value), result);
}

/* An optional name; a blank one is read as NULL. */
static bool
read_word(const TwImportPlace *place, const json_t *value, NullableDatum *result)
{
	if (!json_is_string(value))
		return false;
	if (tw_slice_is_blank(string_span(value)))
		return true;
	return set_text(result, json_string_value(value), json_string_length(value));
}

static bool
read_one_of(const json_t *value, const char *a, const char *b, NullableDatum *result)
{
	if (!json_is_string(value) ||
		(strcmp(json_string_value(value), a) != 0 && strcmp(json_string_value(value), b) != 0))
		return false;
	return set_text(result, json_string_value(value), json_string_length(value));
}

static bool
read_split(const TwImportPlace *place, const json_t *value, NullableDatum *result)
{
	return read_one_of(value, "train", "test", result);
}

static bool
read_label_source(const TwImportPlace *place, const json_t *value, NullableDatum *result)
{
	const char *source = json_is_string(value) ? tw_canonical_label_source(json_string_value(value)) : NULL;

	return source != NULL && set_text(result, source, strlen(source));
}

static bool
read_module_id(const TwImportPlace *place, const json_t *value, NullableDatum *result)
{
	double		number = json_number_value(value);

	/* Data frames write 4.0 where a column has gaps. */
	if (!json_is_number(value) || number != floor(number) || number < PG_INT32_MIN || number > PG_INT32_MAX)
		return false;
	result->value = Int32GetDatum((int32) number);
	result->isnull = false;
	return true;
}

static bool
read_quality_score(const TwImportPlace *place, const json_t *value, NullableDatum *result)
{
	double		number = json_number_value(value);

	if (!json_is_number(value) || !(number >= 0 && number <= 1))
		return false;
	result->value = Float8GetDatum(number);
	result->isnull = false;
	return true;
}

static bool
read_created_at(const TwImportPlace *place, const json_t *value, NullableDatum *result)
{
	TimestampTz time;

	if (!json_is_string(value) || !tw_read_iso_timestamp(json_string_value(value), &time))
		return false;
	result->value = TimestampTzGetDatum(time);
	result->isnull = false;
	return true;
}

/* Error context: adds the line to errors that jsonb itself raises, such as for a string of 256 MB. */
static void
entities_context(void *arg)
{
	errcontext("\"entities\" in line %lld of the data", (long long) ((const TwImportPlace *) arg)->number);
}

/*
 * Reads entities from JSON as text: a field of an object, or all of it. jsonb parses that text again: Jansson converts
 * fractions to doubles, jsonb keeps their digits.
 */
static bool
read_document(const TwImportPlace *place, TwSlice json, const char *field, NullableDatum *result)
{
	ErrorContextCallback context = {.callback = entities_context, .arg = (void *) place};
	MemoryContext caller;
	Datum		document;
	Jsonb	   *entities;

	context.previous = error_context_stack;
	error_context_stack = &context;
	caller = MemoryContextSwitchTo(place->scratch);
	document = PointerGetDatum(cstring_to_text_with_len(json.data, json.length));
	if (field != NULL)
		document = DirectFunctionCall2(json_object_field, document, CStringGetTextDatum(field));
	entities = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(TextDatumGetCString(document))));
	MemoryContextSwitchTo(caller);
	result->isnull = JB_ROOT_IS_SCALAR(entities);
	if (!result->isnull)
		result->value = datumCopy(JsonbPGetDatum(entities), false, -1);
	MemoryContextReset(place->scratch);
	error_context_stack = context.previous;
	return !result->isnull;
}

static bool
read_entities(const TwImportPlace *place, const json_t *value, NullableDatum *result)
{
	return (json_is_object(value) || json_is_array(value)) && read_document(place, place->line, place->name, result);
}

/* Reads entities that are JSON as text; false if they are neither an object nor an array. */
bool
tw_import_read_entities(const TwImportPlace *place, TwSlice json, NullableDatum *result)
{
	return read_document(place, json, NULL, result);
}

pg_noreturn static void
refuse_misplaced(const TwImportPlace *place, const TwSpan *span)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("line %lld: an entity is not where its positions say", (long long) place->number),
			 errdetail("From %d to %d the text does not hold \"%s\", whether the positions count code points, UTF-16 "
					   "code units or bytes.", span->start, span->end,
					   tw_excerpt_of(span->words.data, span->words.length)),
			 errhint("Correct the positions: the first is 0, and the end is excluded. Nothing of the data was "
					 "imported.")));
}

/*
 * Brings text and entities of a line into the form in which samples hold them:
 * positions in code points, redacted. In that order, for a masked text can have
 * fewer bytes.
 */
void
tw_import_fit(const TwImportPlace *place, NullableDatum *message, NullableDatum *entities)
{
	MemoryContext caller = MemoryContextSwitchTo(place->scratch);
	Jsonb	   *document = entities->isnull ? NULL : DatumGetJsonbP(entities->value);
	Jsonb	   *fitting = document;
	const TwSpan *misplaced = NULL;

	if (document != NULL && !place->has_marks)
		fitting = tw_fit_entities(document, tw_text_slice(message->value, false), &misplaced);
	if (misplaced != NULL)
		refuse_misplaced(place, misplaced);
	if (place->redact && fitting != NULL)
		fitting = tw_redact_jsonb(fitting, place->redact_locations);
	MemoryContextSwitchTo(caller);
	if (fitting != document)
		entities->value = datumCopy(JsonbPGetDatum(fitting), false, -1);
	if (place->redact)
		message->value = PointerGetDatum(tw_redact(DatumGetTextPP(message->value), place->redact_locations));
	MemoryContextReset(place->scratch);
}
