/*
 * long_text.h
 *		The length limit of samples, and the shortened display of longer
 *		values.
 */
#ifndef TW_LONG_TEXT_H
#define TW_LONG_TEXT_H

#include "postgres.h"

#include "access/detoast.h"
#include "base/compat.h"

/* The size of a value that is not NULL, however it is stored. */
static inline Size
tw_raw_bytes(Datum value)
{
	struct varlena *stored = (struct varlena *) DatumGetPointer(value);

	/* Most messages are short enough for a short header, and need no call. */
	if (VARATT_IS_SHORT(stored) && !VARATT_IS_EXTERNAL(stored))
		return VARSIZE_SHORT(stored) - VARHDRSZ_SHORT;
	return toast_raw_datum_size(value) - VARHDRSZ;
}

/* Whether a text is longer than `max_bytes` bytes. */
static inline bool
tw_text_exceeds(Datum value, bool isnull, int max_bytes)
{
	return !isnull && tw_raw_bytes(value) > (Size) max_bytes;
}

extern bool tw_json_exceeds(Datum value, bool isnull, int max_bytes);

#endif							/* TW_LONG_TEXT_H */
