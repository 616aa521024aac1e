/*
 * json_reply.c
 *		JSON from another server, as jsonb.
 *
 * jsonb's input function raises errors that quote the document. So its parser checks the document first, without an
 * error message.
 */
#include "postgres.h"

#include "base/compat.h"
#include "common/jsonapi.h"
#include "http/json_reply.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

/* The code unit of the four hexadecimal digits at `at`, or -1. */
static int
code_unit(const char *at, const char *end)
{
	int			unit = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		if (!isxdigit((unsigned char) at[i]))
			return -1;
		unit = unit * 16 + (at[i] <= '9' ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10);
	}
	return unit;
}

/* Replaces escapes that text cannot hold by U+FFFD: U+0000 and unpaired surrogates. */
static void
replace_unstorable(char *body, size_t length)
{
	const char *end = body + length;

	for (char *at = memchr(body, '\\', length); at != NULL; at = memchr(at, '\\', end - at))
	{
		int			unit = end - at > 1 && at[1] == 'u' ? code_unit(at + 2, end) : -1;
		int			next = unit >= 0 && end - at > 7 && at[6] == '\\' && at[7] == 'u' ? code_unit(at + 8, end) : -1;
		bool		is_pair = unit >= 0xD800 && unit < 0xDC00 && next >= 0xDC00 && next < 0xE000;

		if (!is_pair && (unit == 0 || (unit >= 0xD800 && unit < 0xE000)))
			memcpy(at + 2, "fffd", 4);
		at += Min(is_pair ? 12 : unit >= 0 ? 6 : 2, end - at);
	}
}

/* More than any honest reply has; PostgreSQL's parser would raise an error that does not mention a reply. */
#define MOST_NESTING 512

static bool
is_shallow(const char *body, size_t length)
{
	int			depth = 0;
	bool		in_string = false;

	for (size_t i = 0; i < length; i++)
	{
		if (in_string && body[i] == '\\')
			i++;
		else if (body[i] == '"')
			in_string = !in_string;
		else if (!in_string && (body[i] == '[' || body[i] == '{') && ++depth > MOST_NESTING)
			return false;
		else if (!in_string && (body[i] == ']' || body[i] == '}'))
			depth--;
	}
	return true;
}

/* Whether jsonb accepts it. Jansson would refuse integers of more than 64 bits, which are valid JSON. */
static bool
is_json(char *body, size_t length)
{
	CHECK_FOR_INTERRUPTS();
	if (!is_shallow(body, length) || !pg_verify_mbstr(PG_UTF8, body, (int) length, true))
		return false;
	CHECK_FOR_INTERRUPTS();
	return pg_parse_json(tw_json_lexer(body, (int) length), &nullSemAction) == JSON_SUCCESS;
}

/* Converts the body, which ends with a NUL outside its length, to jsonb; false for invalid JSON. Changes the body. */
bool
tw_json_reply(char *body, size_t length, Datum *reply)
{
	if (length == 0)
		return false;
	replace_unstorable(body, length);
	if (!is_json(body, length))
		return false;
	CHECK_FOR_INTERRUPTS();
	*reply = DirectFunctionCall1(jsonb_in, CStringGetDatum(body));
	return true;
}
