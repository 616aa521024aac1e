/*
 * word_sets.h
 *		Texts as sets of words, the rarest first.
 */
#ifndef TW_WORD_SETS_H
#define TW_WORD_SETS_H

#include "utils/array.h"

/* A text: the ranks of its words from `start` on, ascending. */
typedef struct TwWordSet
{
	int32		start;
	int32		size;			/* at least 1 */
	int32		position;		/* in the array, from 1 */
} TwWordSet;

/* The sets of an array of texts, by size; of equal sets only the first in the array. */
typedef struct TwWordSets
{
	TwWordSet  *sets;
	int32		count;
	int32	   *ranks;			/* `start` is an index of it */
	int32		rank_limit;		/* ranks are below this */
	struct TwVocabulary *vocabulary;
} TwWordSets;

/* Another text's words by rank, without words that are in no set. */
typedef struct TwKnownWords
{
	int32	   *ranks;			/* valid until the next lookup */
	int32		count;
	int32		size;			/* with the unknown words */
} TwKnownWords;

extern TwWordSets *tw_word_sets(ArrayType *texts, bool digits_alike);
extern TwKnownWords tw_known_words(TwWordSets *sets, Datum text);

#endif							/* TW_WORD_SETS_H */
