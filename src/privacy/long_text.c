/*
 * long_text.c
 *		The length limit of samples, and the shortened display of longer
 *		values.
 *
 * Any value can have at most 1 GB. A message of 200 MB fits, but its JSON may
 * not: one byte may take six. Sizes are read without fetching the value.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "privacy/long_text.h"
#include "privacy/redact.h"
#include "rules/setting_values.h"
#include "rules/settings.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

/*
 * Most bytes of JSON for one byte of jsonb. 14 bytes can hold a number with
 * 131072 digits before and 16383 after the decimal point: its entry (4), its
 * length (4), its header (4) and one digit (2). Numbers with the shorter
 * header of 2 bytes have at most 319 digits.
 */
#define MOST_JSON_BYTES 10533

/*
 * How many bytes are redacted before the cut, so that a match across the cut
 * is seen whole. No phone number or address is longer than the extra bytes.
 */
#define REDACTED_BYTES (4 * TW_CUT_BYTES)

/* Number of bytes that escape_json() writes for a string. */
static Size
escaped_bytes(const char *data, int length)
{
	Size		result = 2;

	for (int i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) data[i];

		if (c == '"' || c == '\\' || c == '\b' || c == '\f' || c == '\n' || c == '\r' || c == '\t')
			result += 2;
		else
			result += c < 0x20 ? 6 : 1;
	}
	return result;
}

/* Number of bytes of a key or value in JSON, with the following comma or colon and space. */
static Size
printed_bytes(const JsonbValue *value)
{
	char	   *digits;
	Size		result;

	if (value->type == jbvString)
		return escaped_bytes(value->val.string.val, value->val.string.len) + 2;
	if (value->type != jbvNumeric)
		return 7;
	digits = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
	result = strlen(digits) + 2;
	pfree(digits);
	return result;
}

/* Whether a document is longer than `max_bytes` bytes, as stored or as JSON: 1e100000 is short only as stored. */
bool
tw_json_exceeds(Datum value, bool isnull, int max_bytes)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	part;
	Size		bytes = 0;

	if (isnull || tw_raw_bytes(value) <= (Size) (max_bytes / MOST_JSON_BYTES))
		return false;
	if (tw_raw_bytes(value) > (Size) max_bytes)
		return true;
	iterator = JsonbIteratorInit(&DatumGetJsonbP(value)->root);
	while (bytes <= (Size) max_bytes && (token = JsonbIteratorNext(&iterator, &part, false)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		if (token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM)
			bytes += printed_bytes(&part);
		else
			bytes += 2;
	}
	return bytes > (Size) max_bytes;
}

/* The beginning of a value that is too long, redacted or not, with its length. */
static text *
cut_text(Datum value, bool redact, bool locations)
{
	text	   *start = DatumGetTextPSlice(value, 0, REDACTED_BYTES);
	int			length = pg_mbcliplen(VARDATA_ANY(start), VARSIZE_ANY_EXHDR(start), VARSIZE_ANY_EXHDR(start));
	char	   *mark = psprintf(" [... cut: %zu bytes in all]", tw_raw_bytes(value));
	text	   *result;

	start = cstring_to_text_with_len(VARDATA_ANY(start), length);
	if (redact)
		start = tw_redact(start, locations);
	length = pg_mbcliplen(VARDATA_ANY(start), VARSIZE_ANY_EXHDR(start), TW_CUT_BYTES);

	result = palloc(VARHDRSZ + length + strlen(mark));
	SET_VARSIZE(result, VARHDRSZ + length + strlen(mark));
	memcpy(VARDATA(result), VARDATA_ANY(start), length);
	memcpy(VARDATA(result) + length, mark, strlen(mark));
	return result;
}

PG_FUNCTION_INFO_V1(tw_cut_text);

/* tw_cut_text(value, max_bytes): the value, cut where it is longer than `max_bytes` bytes; never redacted. */
Datum
tw_cut_text(PG_FUNCTION_ARGS)
{
	if (!tw_text_exceeds(PG_GETARG_DATUM(0), false, Max(PG_GETARG_INT32(1), TW_CUT_BYTES)))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	PG_RETURN_TEXT_P(cut_text(PG_GETARG_DATUM(0), false, false));
}

PG_FUNCTION_INFO_V1(tw_shown_text);

/* tw_shown_text(message, redacted) */
Datum
tw_shown_text(PG_FUNCTION_ARGS)
{
	TwSettings	settings = tw_settings(tw_kept_schema_of_function(fcinfo));
	bool		redact = PG_GETARG_BOOL(1) && settings.redact;

	if (tw_text_exceeds(PG_GETARG_DATUM(0), false, settings.max_message_bytes))
		PG_RETURN_TEXT_P(cut_text(PG_GETARG_DATUM(0), redact, settings.redact_locations));
	if (!redact)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	PG_RETURN_TEXT_P(tw_redact(PG_GETARG_TEXT_PP(0), settings.redact_locations));
}

PG_FUNCTION_INFO_V1(tw_shown_entities);

/* tw_shown_entities(entities, redacted) */
Datum
tw_shown_entities(PG_FUNCTION_ARGS)
{
	Datum		value = PG_GETARG_DATUM(0);
	TwSettings	settings = tw_settings(tw_kept_schema_of_function(fcinfo));

	if (tw_json_exceeds(value, false, settings.max_message_bytes))
		return DirectFunctionCall1(jsonb_in, CStringGetDatum(psprintf("{\"too long to be shown\": \"%zu bytes as "
																	  "stored\"}",
																	  tw_raw_bytes(value))));
	if (PG_GETARG_BOOL(1) && settings.redact)
		PG_RETURN_JSONB_P(tw_redact_jsonb(DatumGetJsonbP(value), settings.redact_locations));
	PG_RETURN_DATUM(value);
}

PG_FUNCTION_INFO_V1(tw_is_too_long);

/* tw_is_too_long(most, message, intent, module_type, language, service, entities): NULL is never too long. */
Datum
tw_is_too_long(PG_FUNCTION_ARGS)
{
	int			max_bytes = tw_settings(tw_kept_schema_of_function(fcinfo)).max_message_bytes;

	if (!PG_ARGISNULL(0))
		max_bytes = Min(max_bytes, PG_GETARG_INT32(0));
	for (int i = 1; i <= 5; i++)
	{
		if (tw_text_exceeds(PG_GETARG_DATUM(i), PG_ARGISNULL(i), max_bytes))
			PG_RETURN_BOOL(true);
	}
	PG_RETURN_BOOL(tw_json_exceeds(PG_GETARG_DATUM(6), PG_ARGISNULL(6), max_bytes));
}
