/*
 * long_text.h
 *		What is too long to be learned from, and what is shown of it.
 */
#ifndef TW_LONG_TEXT_H
#define TW_LONG_TEXT_H

#include "postgres.h"

extern bool tw_text_exceeds(Datum value, bool isnull, int most);
extern bool tw_json_exceeds(Datum value, bool isnull, int most);

#endif							/* TW_LONG_TEXT_H */
