/*
 * redact.c
 *		Redaction of personal data in text and JSON, and the SQL functions.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "privacy/characters.h"
#include "privacy/masking.h"
#include "privacy/redact.h"
#include "privacy/redact_addresses.h"
#include "privacy/redact_numbers.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

/* Fewest digits of a match without '@': those of a PAN. */
#define MIN_DIGITS 4

/* Number of bytes between two checks for a cancel request. */
#define INTERRUPT_BYTES 65536

/* Whether a rule could match, in one quick pass: most messages have neither an '@' nor four digits. */
static bool
may_match(const uint8 *at, const uint8 *end)
{
	int			digits = 0;

	while (at < end)
	{
		const uint8 *stop = end - at > INTERRUPT_BYTES ? at + INTERRUPT_BYTES : end;

		CHECK_FOR_INTERRUPTS();
		while (at < stop)
		{
			int			length = 1;

			if (*at == '@')
				return true;
			if (*at < 0x80)
				digits += *at >= '0' && *at <= '9';
			else
				digits += tw_digit_value(tw_char_at(at, end, &length)) >= 0;
			if (digits >= MIN_DIGITS)
				return true;
			at += length;
		}
	}
	return false;
}

/* The text with personal data masked, with the same number of code points; `input` itself if nothing is masked. */
text *
tw_redact(text *input)
{
	TwRedaction redaction = {0};
	Size		length = VARSIZE_ANY_EXHDR(input);
	text	   *result;
	Size		result_length;

	redaction.data = (const uint8 *) VARDATA_ANY(input);
	redaction.end = redaction.data + length;
	if (!may_match(redaction.data, redaction.end))
		return input;
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
 * Masks a string or a number in place; returns whether it changed. A number
 * becomes 0 if the digits before its decimal point would be masked in a text:
 * a long fraction is no phone number.
 */
static bool
redact_scalar(JsonbValue *value)
{
	text	   *before;
	text	   *after;

	if (value->type == jbvString)
		before = cstring_to_text_with_len(value->val.string.val, value->val.string.len);
	else if (value->type == jbvNumeric)
	{
		char	   *digits = numeric_normalize(value->val.numeric);

		before = cstring_to_text_with_len(digits, (int) strcspn(digits, "."));
	}
	else
		return false;

	after = tw_redact(before);
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

/* Copies a document with its strings and numbers redacted; keys stay, since they are names. */
Jsonb *
tw_redact_jsonb(Jsonb *input)
{
	JsonbIterator *iterator = JsonbIteratorInit(&input->root);
	JsonbParseState *state = NULL;
	JsonbValue *result = NULL;
	JsonbValue	value;
	JsonbIteratorToken token;
	bool		is_scalar = JB_ROOT_IS_SCALAR(input);
	bool		changed = false;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		bool		has_value = token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM;

		CHECK_FOR_INTERRUPTS();
		if (has_value && token != WJB_KEY)
			changed |= redact_scalar(&value);
		result = pushJsonbValue(&state, token, has_value ? &value : NULL);
	}
	if (!changed)
		return input;
	if (result->type == jbvArray)
		result->val.array.rawScalar = is_scalar;
	return JsonbValueToJsonb(result);
}

PG_FUNCTION_INFO_V1(tw_redact_pii_text);

/* redact_pii(text) */
Datum
tw_redact_pii_text(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(tw_redact(PG_GETARG_TEXT_PP(0)));
}

PG_FUNCTION_INFO_V1(tw_redact_pii_jsonb);

/* redact_pii(jsonb) */
Datum
tw_redact_pii_jsonb(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(tw_redact_jsonb(PG_GETARG_JSONB_P(0)));
}
