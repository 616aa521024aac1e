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

/* The sets of an array of texts, by size; of equal ones, the first in the array alone. */
typedef struct TwWordSets
{
	TwWordSet  *sets;
	int32		count;
	int32	   *ranks;			/* what `start` counts in */
	int32		rank_limit;		/* ranks are below this */
	struct TwVocabulary *vocabulary;
} TwWordSets;

/* Another text's words by rank, without those that the sets do not know. */
typedef struct TwKnownWords
{
	int32	   *ranks;			/* until the next text is looked up */
	int32		count;
	int32		size;			/* the unknown ones counted as well */
} TwKnownWords;

extern TwWordSets *tw_word_sets(ArrayType *texts);
extern TwKnownWords tw_known_words(TwWordSets *sets, Datum text);

#endif							/* TW_WORD_SETS_H */
