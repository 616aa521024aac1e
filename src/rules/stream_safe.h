/*
 * stream_safe.h
 *		NFKC of texts of any length and content, in linear time.
 */
#ifndef TW_STREAM_SAFE_H
#define TW_STREAM_SAFE_H

#include "mb/pg_wchar.h"

/* Code points and their number; not terminated. */
typedef struct CodePoints
{
	pg_wchar   *at;
	int			count;
} CodePoints;

extern CodePoints tw_bound_marks(CodePoints points);
extern CodePoints tw_nfkc(CodePoints points);
extern void tw_check_normal_length(Size length);

#endif							/* TW_STREAM_SAFE_H */
