/*
 * normalize.h
 *		Normalisation of texts, and their hash.
 */
#ifndef TW_NORMALIZE_H
#define TW_NORMALIZE_H

#include "base/slice.h"

extern text *tw_normalize(TwSlice text);
extern int64 tw_hash_text(TwSlice input);

#endif							/* TW_NORMALIZE_H */
