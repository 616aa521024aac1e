/*
 * redact.c
 *		Redaction of personal data: e-mail addresses and UPI ids, the text that
 *		comes out, and the SQL face. Numbers are in redact_numbers.c.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "privacy/redact.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

/* The least number of digits in anything that is redacted without an '@' in it: those of a PAN. */
#define MIN_DIGITS 4

/* How often a loop over bytes looks for a cancel request. */
#define INTERRUPT_BYTES 65536

typedef enum CharKind
{
	OTHER,
	DIGIT,
	LETTER,
	JOINER						/* of no width, inside words of Indian scripts: neither masked nor a boundary */
} CharKind;

/*
 * What is no letter beyond ASCII: punctuation, symbols, spaces, emoji. The rest
 * counts as letters, so that marks, which are much of a word in Indian scripts,
 * and what Unicode has yet to add do.
 */
static CharKind
char_kind(pg_wchar c)
{
	static const pg_wchar others[][2] = {
		{0x0080, 0x00A9}, {0x00AB, 0x00B4}, {0x00B6, 0x00B9}, {0x00BB, 0x00BF}, {0x00D7, 0x00D7},
		{0x00F7, 0x00F7}, {0x0589, 0x058F}, {0x0600, 0x060F}, {0x061B, 0x061F}, {0x066A, 0x066D},
		{0x06D4, 0x06D4}, {0x0964, 0x0965}, {0x0970, 0x0970}, {0x2000, 0x206F}, {0x20A0, 0x20CF},
		{0x2190, 0x2BFF}, {0x2E00, 0x2E7F}, {0x3000, 0x3004}, {0x3008, 0x3020}, {0xE000, 0xF8FF},
		{0xFE00, 0xFE1F}, {0xFE30, 0xFE6F}, {0xFEFF, 0xFEFF}, {0xFF01, 0xFF20}, {0xFF3B, 0xFF40},
		{0xFF5B, 0xFF65}, {0xFFE0, 0xFFFF}, {0x1F000, 0x1FAFF}, {0xE0000, 0x10FFFF}
	};

	if (tw_digit_value(c) >= 0)
		return DIGIT;
	if (c < 0x80)
		return (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? LETTER : OTHER;
	if (c == 0x200C || c == 0x200D)
		return JOINER;
	for (size_t i = 0; i < lengthof(others) && c >= others[i][0]; i++)
	{
		if (c <= others[i][1])
			return OTHER;
	}
	return LETTER;
}

/* Marks what lies between `start` and `end` for redaction. */
void
tw_redaction_mark(TwRedaction *redaction, const uint8 *start, const uint8 *end)
{
	if (redaction->marks == NULL)
		redaction->marks = palloc0(redaction->end - redaction->data);
	memset(redaction->marks + (start - redaction->data), 1, end - start);
}

/*
 * Where the part before the '@' at `at` begins; `at` itself if there is none.
 * A dot directly before it ends a sentence: "ok.@asha" mentions somebody.
 */
static const uint8 *
local_part_start(const TwRedaction *redaction, const uint8 *at)
{
	const uint8 *start = at;
	bool		has_name = false;
	int			length;

	if (at > redaction->data && at[-1] == '.')
		return at;
	while (start > redaction->data)
	{
		pg_wchar	c = tw_char_before(redaction->data, start, &length);
		CharKind	kind = char_kind(c);

		CHECK_FOR_INTERRUPTS();
		if (kind == OTHER && (c == 0 || c >= 0x80 || strchr("._%+-", (int) c) == NULL))
			break;
		has_name |= kind == DIGIT || kind == LETTER;
		start -= length;
	}
	return has_name ? start : at;
}

/* A part of a host name: letters and digits, with single hyphens between them. */
typedef struct Label
{
	const uint8 *end;
	int			characters;		/* letters and digits in it */
	bool		begins_with_letter;
} Label;

static void
read_label(const uint8 *at, const uint8 *end, Label *label)
{
	bool		after_hyphen = false;

	label->end = at;
	label->characters = 0;
	label->begins_with_letter = false;
	while (at < end)
	{
		int			length;
		pg_wchar	c = tw_char_at(at, end, &length);
		CharKind	kind = char_kind(c);

		CHECK_FOR_INTERRUPTS();
		if (c == '-')
		{
			if (after_hyphen || label->characters == 0)
				break;
		}
		else if (kind == OTHER)
			break;
		at += length;
		after_hyphen = c == '-';
		if (kind != DIGIT && kind != LETTER)
			continue;
		if (label->characters == 0)
			label->begins_with_letter = kind == LETTER;
		label->characters++;
		label->end = at;
	}
}

/*
 * Where the host after an '@' ends, NULL if there is none: the handle of a UPI
 * id, or everything up to the last label that could be a top-level domain, so
 * that the price in "asha@okbank.500" is not taken along.
 */
static const uint8 *
host_end(const uint8 *at, const uint8 *end)
{
	const uint8 *found = NULL;
	Label		label;

	read_label(at, end, &label);
	if (label.begins_with_letter && label.characters >= 3)
		found = label.end;
	while (label.characters > 0 && label.end < end && *label.end == '.')
	{
		at = label.end + 1;
		read_label(at, end, &label);
		if (label.begins_with_letter && label.characters >= 2)
			found = label.end;
	}
	return found;
}

static void
mark_addresses(TwRedaction *redaction)
{
	const uint8 *at = redaction->data;

	while ((at = memchr(at, '@', redaction->end - at)) != NULL)
	{
		const uint8 *start = local_part_start(redaction, at);
		const uint8 *end = start < at ? host_end(at + 1, redaction->end) : NULL;

		CHECK_FOR_INTERRUPTS();
		if (end != NULL)
			tw_redaction_mark(redaction, start, end);
		at++;
	}
}

/* Whether the rules are worth trying, in one quick pass: most messages have neither an '@' nor four digits. */
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

/* Writes the text with what is marked masked; returns where it ends. */
static uint8 *
write_masked(const TwRedaction *redaction, uint8 *out)
{
	const uint8 *at = redaction->data;

	while (at < redaction->end)
	{
		const uint8 *mark = memchr(redaction->marks + (at - redaction->data), 1, redaction->end - at);
		const uint8 *stop = mark ? redaction->data + (mark - redaction->marks) : redaction->end;

		memcpy(out, at, stop - at);
		out += stop - at;
		for (at = stop; at < redaction->end && redaction->marks[at - redaction->data];)
		{
			int			length;
			CharKind	kind = char_kind(tw_char_at(at, redaction->end, &length));

			CHECK_FOR_INTERRUPTS();
			if (kind == DIGIT || kind == LETTER)
				*out++ = kind == DIGIT ? '0' : 'x';
			else
			{
				memcpy(out, at, length);
				out += length;
			}
			at += length;
		}
	}
	return out;
}

/* The text with personal data masked, as long as before in code points; `input` itself if there are none. */
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
	mark_addresses(&redaction);
	tw_redaction_mark_numbers(&redaction);
	if (redaction.marks == NULL)
		return input;

	/* No mask is longer than what it replaces. */
	result = palloc(VARHDRSZ + length);
	result_length = write_masked(&redaction, (uint8 *) VARDATA(result)) - (uint8 *) VARDATA(result);
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
 * Masks a string or a number in place; returns whether it had to. A number
 * becomes 0 if the digits before its decimal point would be masked as a text:
 * a long fraction is nobody's phone number.
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

/* Copies a document with its strings and numbers redacted; keys are names, and stay. */
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
