/*
 * span.h
 *		A piece of text that is not terminated, such as the inside of a text
 *		value, so that looking at one copies nothing.
 */
#ifndef TW_SPAN_H
#define TW_SPAN_H

typedef struct TwSpan
{
	const char *data;			/* NULL = SQL NULL */
	int			length;			/* in bytes */
} TwSpan;

#define TW_NULL_SPAN ((TwSpan) {NULL, 0})

extern TwSpan tw_text_span(Datum value, bool isnull);
extern int	tw_span_compare(TwSpan a, TwSpan b);
extern bool tw_span_equals_ascii_ci(TwSpan span, TwSpan lower);
extern bool tw_span_is_blank(TwSpan span);

#endif							/* TW_SPAN_H */
