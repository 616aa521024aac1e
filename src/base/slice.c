/*
 * slice.c
 *		A piece of text without a terminator, such as the content of a text
 *		value, read without a copy.
 */
#include "postgres.h"

#include "base/slice.h"
#include "fmgr.h"

/* The content of a function's text argument. */
TwSlice
tw_text_argument(FunctionCallInfo fcinfo, int n)
{
	return tw_text_slice(PG_GETARG_DATUM(n), PG_ARGISNULL(n));
}

/* Byte order, NULL first. No collation is used, so the order is the same on every server. */
int
tw_slice_compare(TwSlice a, TwSlice b)
{
	int			result;

	if (a.data == NULL || b.data == NULL)
		return (a.data != NULL) - (b.data != NULL);
	result = memcmp(a.data, b.data, Min(a.length, b.length));
	if (result == 0)
		result = (a.length > b.length) - (a.length < b.length);
	return result;
}

/* Whether the two are equal once the ASCII letters of `span` are lowered; `lower` must be in lower case. */
bool
tw_slice_equals_ascii_ci(TwSlice slice, TwSlice lower)
{
	if (slice.data == NULL || slice.length != lower.length)
		return false;
	for (int i = 0; i < slice.length; i++)
	{
		char		c = slice.data[i];

		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if (c != lower.data[i])
			return false;
	}
	return true;
}

/* White space and zero-width characters: a message of nothing else is blank. */
static bool
is_blank_character(pg_wchar c)
{
	return tw_is_white_space(c) || (c >= 0x200B && c <= 0x200D) || c == 0x2060 || c == 0xFEFF;
}

/* Whether a UTF-8 text consists of blank characters only. */
bool
tw_slice_is_blank(TwSlice slice)
{
	const unsigned char *at = (const unsigned char *) slice.data;
	const unsigned char *end = at + slice.length;

	while (at < end)
	{
		int			length = pg_utf_mblen(at);

		if (length > end - at || !is_blank_character(utf8_to_unicode(at)))
			return false;
		at += length;
	}
	return true;
}
