/*
 * normalize.h
 *		When two texts are the same text.
 */
#ifndef TW_NORMALIZE_H
#define TW_NORMALIZE_H

#include "base/span.h"

extern text *tw_normalize(TwSpan text);
extern int64 tw_hash_text(TwSpan input);

#endif							/* TW_NORMALIZE_H */
