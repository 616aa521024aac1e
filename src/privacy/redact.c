/*
 * redact.c
 *		Redaction of personal data in text and JSON, and the SQL functions.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "privacy/characters.h"
#include "privacy/decimals.h"
#include "privacy/masking.h"
#include "privacy/redact.h"
#include "privacy/redact_addresses.h"
#include "privacy/redact_locations.h"
#include "privacy/redact_numbers.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

/* Whether a rule could match, in one quick pass: most messages have no '@', '/', degrees or four digits. */
static bool
may_match(const uint8 *at, const uint8 *end)
{
	int			digits = 0;

	while (at < end)
	{
		const uint8 *stop = end - at > TW_INTERRUPT_BYTES ? at + TW_INTERRUPT_BYTES : end;

		CHECK_FOR_INTERRUPTS();
		for (int length; at < stop; at += length)
		{
			pg_wchar	c = tw_char_at(at, end, &length);

			if (c == '@' || c == '/' || c == TW_DEGREE_SIGN)
				return true;
			if (tw_digit_value(c) >= 0 && ++digits == TW_MIN_DIGITS)
				return true;
		}
	}
	return false;
}

/* Masks a text; with `is_coordinate`, a decimal number in it is one. */
static text *
redact_text(text *input, bool locations, bool is_coordinate)
{
	TwRedaction redaction = {0};
	Size		length = VARSIZE_ANY_EXHDR(input);
	text	   *result;
	Size		result_length;

	redaction.data = (const uint8 *) VARDATA_ANY(input);
	redaction.end = redaction.data + length;
	if (!is_coordinate && !may_match(redaction.data, redaction.end))
		return input;
	if (is_coordinate)
		tw_mark_decimals(&redaction, redaction.data, redaction.end);
	if (locations)
		tw_mark_locations(&redaction);
	tw_mark_addresses(&redaction);
	tw_mark_numbers(&redaction);
	if (redaction.marks == NULL)
		return input;

	/* A mask is never longer than the replaced characters. */
	result = palloc(VARHDRSZ + length);
	result_length = tw_write_masked(&redaction, (uint8 *) VARDATA(result)) - (uint8 *) VARDATA(result);
	SET_VARSIZE(result, VARHDRSZ + result_length);
	pfree(redaction.marks);
	if (result_length == length && memcmp(VARDATA(result), redaction.data, length) == 0)
	{
		pfree(result);
		return input;
	}
	return result;
}

/*
 * The text with personal data masked, and with locations if wanted, with the
 * same number of code points; `input` itself if nothing is masked.
 */
text *
tw_redact(text *input, bool locations)
{
	return redact_text(input, locations, false);
}

/*
 * Masks a string or a number in place; returns whether it changed. A number
 * becomes 0 if the digits before its decimal point would be masked in a text:
 * a long fraction is no phone number. It also does as a coordinate with
 * decimals.
 */
static bool
redact_scalar(JsonbValue *value, bool locations, bool is_coordinate)
{
	text	   *before;
	text	   *after;

	if (value->type == jbvString)
	{
		const uint8 *data = (const uint8 *) value->val.string.val;

		if (!is_coordinate && !may_match(data, data + value->val.string.len))
			return false;
		before = cstring_to_text_with_len(value->val.string.val, value->val.string.len);
	}
	else if (value->type == jbvNumeric)
	{
		char	   *digits = numeric_normalize(value->val.numeric);

		if (is_coordinate && strchr(digits, '.') != NULL)
		{
			value->val.numeric = int64_to_numeric(0);
			return true;
		}

		before = cstring_to_text_with_len(digits, (int) strcspn(digits, "."));
	}
	else
		return false;

	after = redact_text(before, locations, is_coordinate);
	if (after == before)
	{
		pfree(before);
		return false;
	}
	if (value->type == jbvString)
	{
		value->val.string.val = VARDATA(after);
		value->val.string.len = VARSIZE(after) - VARHDRSZ;
	}
	else
		value->val.numeric = int64_to_numeric(0);
	return true;
}

/*
 * Masks the strings and numbers of a document; keys stay, since they are
 * names. Returns a copy if one is wanted. Else it only finds out whether
 * anything changes.
 */
static JsonbValue *
redact_document(Jsonb *input, bool locations, bool copy, bool *changed)
{
	JsonbIterator *iterator = JsonbIteratorInit(&input->root);
	JsonbParseState *state = NULL;
	JsonbValue *result = NULL;
	JsonbValue	value;
	JsonbIteratorToken token;
	bool		is_coordinate = false;	/* the value, or the elements of the array, belong to a key for it */

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		bool		has_value = token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM;

		CHECK_FOR_INTERRUPTS();
		if (has_value && token != WJB_KEY)
			*changed |= redact_scalar(&value, locations, is_coordinate);
		else if (token == WJB_KEY)
			is_coordinate = locations && tw_is_location_key(value.val.string.val, value.val.string.len);
		else if (token == WJB_BEGIN_OBJECT || token == WJB_END_OBJECT)
			is_coordinate = false;
		if (copy)
			result = pushJsonbValue(&state, token, has_value ? &value : NULL);
		else if (*changed)
			return NULL;
	}
	return result;
}

/* The document with personal data masked; `input` itself if it has none, as most have, which a first look finds out. */
Jsonb *
tw_redact_jsonb(Jsonb *input, bool locations)
{
	bool		changed = false;
	JsonbValue *result;

	(void) redact_document(input, locations, false, &changed);
	if (!changed)
		return input;
	result = redact_document(input, locations, true, &changed);
	if (result->type == jbvArray)
		result->val.array.rawScalar = JB_ROOT_IS_SCALAR(input);
	return JsonbValueToJsonb(result);
}

PG_FUNCTION_INFO_V1(tw_redact_pii_text);

/* redact_pii(text) */
Datum
tw_redact_pii_text(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(tw_redact(PG_GETARG_TEXT_PP(0), true));
}

PG_FUNCTION_INFO_V1(tw_redact_pii_jsonb);

/* redact_pii(jsonb) */
Datum
tw_redact_pii_jsonb(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(tw_redact_jsonb(PG_GETARG_JSONB_P(0), true));
}
