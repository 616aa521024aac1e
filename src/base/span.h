/*
 * span.h
 *		A piece of text that is not terminated, such as the inside of a text
 *		value, so that looking at one copies nothing.
 */
#ifndef TW_SPAN_H
#define TW_SPAN_H

#include "fmgr.h"
#include "mb/pg_wchar.h"

typedef struct TwSpan
{
	const char *data;			/* NULL = SQL NULL */
	int			length;			/* in bytes */
} TwSpan;

#define TW_NULL_SPAN ((TwSpan) {NULL, 0})

/* Unicode's White_Space property. */
static inline bool
tw_is_white_space(pg_wchar c)
{
	return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
		(c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

extern TwSpan tw_text_span(Datum value, bool isnull);
extern TwSpan tw_text_argument(FunctionCallInfo fcinfo, int n);
extern int	tw_span_compare(TwSpan a, TwSpan b);
extern bool tw_span_equals_ascii_ci(TwSpan span, TwSpan lower);
extern bool tw_span_is_blank(TwSpan span);

#endif							/* TW_SPAN_H */
