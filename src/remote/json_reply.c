/*
 * json_reply.c
 *		JSON from another server, as jsonb.
 *
 * jsonb's own parser raises errors that quote the document. So Jansson has the
 * first look: what it takes, jsonb takes.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "remote/jansson.h"
#include "remote/json_reply.h"
#include "utils/builtins.h"

/* The code unit that four hexadecimal digits at `at` stand for, or -1. */
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

/* Writes U+FFFD over escapes that no text of PostgreSQL can hold: U+0000 and halves of surrogate pairs. */
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

static bool
is_interrupted(void)
{
	return INTERRUPTS_PENDING_CONDITION() && INTERRUPTS_CAN_BE_PROCESSED();
}

/* What Jansson has not read yet. */
typedef struct Rest
{
	const char *at;
	size_t		length;
} Rest;

/* Gives Jansson the body in pieces, so that a long one can be cancelled: what has come is then all there is. */
static size_t
next_piece(void *buffer, size_t size, void *arg)
{
	Rest	   *rest = arg;

	if (is_interrupted())
		return 0;
	size = Min(size, rest->length);
	memcpy(buffer, rest->at, size);
	rest->at += size;
	rest->length -= size;
	return size;
}

/* No error can be raised while Jansson's tree, which is malloc's, is there. */
static bool
is_json(const char *body, size_t length)
{
	json_error_t error;
	bool		result;
	Rest		rest;

	do
	{
		json_t	   *tree;

		CHECK_FOR_INTERRUPTS();
		rest = (Rest) {body, length};
		tree = json_load_callback(next_piece, &rest, JSON_DECODE_ANY, &error);
		result = tree != NULL;
		json_decref(tree);
		/* What interrupted it need not end it. */
	} while (rest.length > 0 && is_interrupted());

	if (!result && json_error_code(&error) == json_error_out_of_memory)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed while parsing a reply of %zu bytes.", length)));
	return result;
}

/* Whether the body, which ends with a NUL that does not count, is JSON; it becomes jsonb. The body is changed. */
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
