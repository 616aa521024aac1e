/*
 * span.c
 *		A piece of text that is not terminated, such as the inside of a text
 *		value, so that looking at one copies nothing.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/span.h"
#include "fmgr.h"

/* The inside of a text value; copies only what is compressed or stored out of line. */
TwSpan
tw_text_span(Datum value, bool isnull)
{
	TwSpan		span = TW_NULL_SPAN;

	if (!isnull)
	{
		text	   *packed = DatumGetTextPP(value);

		span.data = VARDATA_ANY(packed);
		span.length = VARSIZE_ANY_EXHDR(packed);
	}
	return span;
}

/* The inside of an argument of a function. */
TwSpan
tw_text_argument(FunctionCallInfo fcinfo, int n)
{
	return tw_text_span(PG_GETARG_DATUM(n), PG_ARGISNULL(n));
}

/* Byte order, NULL first: never a collation, so that it is the same everywhere. */
int
tw_span_compare(TwSpan a, TwSpan b)
{
	int			result;

	if (a.data == NULL || b.data == NULL)
		return (a.data != NULL) - (b.data != NULL);
	result = memcmp(a.data, b.data, Min(a.length, b.length));
	if (result == 0)
		result = (a.length > b.length) - (a.length < b.length);
	return result;
}

/* Whether they are equal when the ASCII letters of `span` are lowered; `lower` is lower case already. */
bool
tw_span_equals_ascii_ci(TwSpan span, TwSpan lower)
{
	if (span.data == NULL || span.length != lower.length)
		return false;
	for (int i = 0; i < span.length; i++)
	{
		char		c = span.data[i];

		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if (c != lower.data[i])
			return false;
	}
	return true;
}

/* White space, and the characters of no width that a message can consist of without saying anything. */
static bool
is_blank_character(pg_wchar c)
{
	return tw_is_white_space(c) || (c >= 0x200B && c <= 0x200D) || c == 0x2060 || c == 0xFEFF;
}

/* Whether there is nothing to read in it (UTF-8). */
bool
tw_span_is_blank(TwSpan span)
{
	const unsigned char *at = (const unsigned char *) span.data;
	const unsigned char *end = at + span.length;

	while (at < end)
	{
		int			length = pg_utf_mblen(at);

		if (length > end - at || !is_blank_character(utf8_to_unicode(at)))
			return false;
		at += length;
	}
	return true;
}
