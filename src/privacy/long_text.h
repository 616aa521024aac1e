/*
 * long_text.h
 *		The length limit of samples, and the shortened display of longer
 *		values.
 */
#ifndef TW_LONG_TEXT_H
#define TW_LONG_TEXT_H

#include "postgres.h"

extern bool tw_text_exceeds(Datum value, bool isnull, int max_bytes);
extern bool tw_json_exceeds(Datum value, bool isnull, int max_bytes);

#endif							/* TW_LONG_TEXT_H */
