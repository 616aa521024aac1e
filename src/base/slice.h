/*
 * slice.h
 *		A piece of text without a terminator, such as the content of a text
 *		value, read without a copy.
 */
#ifndef TW_SLICE_H
#define TW_SLICE_H

#include "base/compat.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"

typedef struct TwSlice
{
	const char *data;			/* NULL = SQL NULL */
	int			length;			/* in bytes */
} TwSlice;

#define TW_NULL_SLICE ((TwSlice) {NULL, 0})

/* The content of a text value; copied only if it is compressed or stored out of line. */
static inline TwSlice
tw_text_slice(Datum value, bool isnull)
{
	text	   *packed;

	if (isnull)
		return TW_NULL_SLICE;
	packed = DatumGetTextPP(value);
	return (TwSlice) {VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed)};
}

/* Unicode's White_Space property. */
static inline bool
tw_is_white_space(pg_wchar c)
{
	return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
		(c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

extern TwSlice tw_text_argument(FunctionCallInfo fcinfo, int n);
extern int	tw_slice_compare(TwSlice a, TwSlice b);
extern bool tw_slice_equals_ascii_ci(TwSlice slice, TwSlice lower);
extern bool tw_slice_is_blank(TwSlice slice);

#endif							/* TW_SLICE_H */
