/*
 * normalize.h
 *		Normalisation of texts, and their hash.
 */
#ifndef TW_NORMALIZE_H
#define TW_NORMALIZE_H

#include "base/slice.h"

/*
 * The number of the normalisation, stored beside every hash. 1 did not
 * break up runs of marks, and differs for texts with more than 30 in a row only.
 */
#define TW_NORMALIZER 2

extern text *tw_normalize(TwSlice text);
extern int64 tw_hash_text(TwSlice input);

#endif							/* TW_NORMALIZE_H */
