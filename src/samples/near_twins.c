/*
 * near_twins.c
 *		Which texts are nearly the same as others: sets of words whose Jaccard
 *		similarity (words in common / words in either) reaches a threshold.
 *
 * An exact set similarity join that compares few of the pairs, from the
 * literature: prefix filtering (Chaudhuri, Ganti and Kaushik 2006, SSJoin;
 * Bayardo, Ma and Srikant 2007), length and positional filtering (Xiao, Wang,
 * Lin and Yu 2008, PPJoin). Two sets of n words that must share m have one of
 * them among the first n - m + 1 in any order common to both. Only those words
 * are indexed and looked up. With the rarest words first, few pairs share one
 * of them.
 *
 * "Reaches" is (double) common / either >= threshold everywhere. Division rounds
 * correctly, so that 4 of 5 words are exactly the double 0.8, as in SQL, and a
 * larger fraction never gives a smaller double: its bounds miss no pair.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "samples/word_sets.h"
#include "utils/float.h"
#include "utils/memutils.h"

/* A text that contains an indexed word, and the number of its words that are rarer. */
typedef struct Posting
{
	int32		set;
	int32		place;
} Posting;

typedef struct PrefixIndex
{
	double		threshold;
	TwWordSets *texts;
	Posting    *postings;		/* by rank, then by the size of the text's set */
	int32	   *starts;			/* first posting of each rank, then the end of all */
	int32	   *seen;			/* for each set, the last candidate compared with it */
} PrefixIndex;

/* The least m with m / size >= threshold: a set has at least m words in common with any twin. */
static int32
least_shared(int32 size, double threshold)
{
	int32		shared = (int32) ceil(threshold * size);

	while (shared > 0 && (double) (shared - 1) / size >= threshold)
		shared--;
	while ((double) shared / size < threshold)
		shared++;
	return shared;
}

/* The least number of words in common with which sets of `sizes` words together reach the threshold. */
static int32
least_overlap(int32 sizes, double threshold)
{
	int32		overlap = (int32) ceil(threshold / (1 + threshold) * sizes);

	while (overlap > 0 && (double) (overlap - 1) / (sizes - (overlap - 1)) >= threshold)
		overlap--;
	while ((double) overlap / (sizes - overlap) < threshold)
		overlap++;
	return overlap;
}

/* How many of a set's words are indexed. */
static int32
prefix_size(const PrefixIndex *index, const TwWordSet *set)
{
	return set->size - least_shared(set->size, index->threshold) + 1;
}

/* Indexes the texts in the current memory context. */
static PrefixIndex *
make_index(TwWordSets *texts, double threshold)
{
	PrefixIndex *index = palloc(sizeof(PrefixIndex));
	Size		counters = (Size) texts->rank_limit + 2;
	int32	   *starts = palloc_extended(sizeof(int32) * counters, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	index->threshold = threshold;
	index->texts = texts;
	index->seen = palloc_extended(sizeof(int32) * texts->count, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int32 i = 0; i < texts->count; i++)
	{
		const TwWordSet *set = &texts->sets[i];

		for (int32 place = prefix_size(index, set) - 1; place >= 0; place--)
		{
			CHECK_FOR_INTERRUPTS();
			starts[texts->ranks[set->start + place] + 2]++;
		}
	}
	for (Size i = 2; i < counters; i++)
		starts[i] += starts[i - 1];

	/* starts[rank + 1] is the position for the rank's next posting. In the end it is the start of the next rank. */
	index->postings = palloc_extended(sizeof(Posting) * starts[counters - 1], MCXT_ALLOC_HUGE);
	for (int32 i = 0; i < texts->count; i++)
	{
		const TwWordSet *set = &texts->sets[i];
		int32		size = prefix_size(index, set);

		for (int32 place = 0; place < size; place++)
		{
			CHECK_FOR_INTERRUPTS();
			index->postings[starts[texts->ranks[set->start + place] + 1]++] = (Posting) {i, place};
		}
	}
	index->starts = starts;
	return index;
}

/* The first posting of a word whose text has at least `size` words. */
static int32
first_posting(const PrefixIndex *index, int32 rank, int32 size)
{
	int32		low = index->starts[rank];
	int32		high = index->starts[rank + 1];

	while (low < high)
	{
		int32		middle = low + (high - low) / 2;

		if (index->texts->sets[index->postings[middle].set].size < size)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Number of ranks that two ascending lists have in common; if below `needed`, any number below it. */
static int32
count_common(const int32 *a, const int32 *a_end, const int32 *b, const int32 *b_end, int32 needed)
{
	int32		common = 0;

	while (a < a_end && b < b_end && common + Min(a_end - a, b_end - b) >= needed)
	{
		if (*a == *b)
		{
			common++;
			a++;
			b++;
		}
		else if (*a < *b)
			a++;
		else
			b++;
	}
	return common;
}

/*
 * The position of the most similar text, 0 if none reaches the threshold. A text
 * is found by the rarest word in common; the lists are compared from there on.
 * The best similarity so far becomes the threshold: a later text must exceed it,
 * or equal it and come earlier in the array.
 */
static int32
find_twin(PrefixIndex *index, const TwKnownWords *candidate, int32 number)
{
	double		least = index->threshold;
	int32		shared = least_shared(candidate->size, least);
	int32		best_position = 0;
	int64		best_common = 0;
	int64		best_either = 1;

	for (int32 place = 0; place <= candidate->count - shared; place++)
	{
		int32		rank = candidate->ranks[place];
		int32		size = 0;
		int32		needed = 0;

		for (int32 i = first_posting(index, rank, shared); i < index->starts[rank + 1]; i++)
		{
			Posting		posting = index->postings[i];
			const TwWordSet *set = &index->texts->sets[posting.set];
			const int32 *ranks = index->texts->ranks + set->start;
			int32		common;
			int64		gain;

			CHECK_FOR_INTERRUPTS();
			if (set->size != size)
			{
				size = set->size;
				needed = least_overlap(candidate->size + size, least);
				if (needed > candidate->count - place)
					break;
			}
			if (index->seen[posting.set] == number)
				continue;
			index->seen[posting.set] = number;
			common = count_common(candidate->ranks + place, candidate->ranks + candidate->count,
								  ranks + posting.place, ranks + size, needed);
			if (common < needed)
				continue;

			gain = common * best_either - best_common * (candidate->size + size - common);
			if (gain < 0 || (gain == 0 && set->position > best_position))
				continue;
			best_position = set->position;
			best_common = common;
			best_either = candidate->size + size - common;
			least = (double) best_common / best_either;
			shared = least_shared(candidate->size, least);
			size = 0;
		}
	}
	return best_position;
}

static void
check_arguments(ArrayType *candidates, ArrayType *texts, double threshold)
{
	if (!(threshold > 0 && threshold <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("threshold must be above 0 and at most 1"),
				 errdetail("It is %s.", float8out_internal(threshold)),
				 errhint("It is a fraction of the words, for example 0.8; with 1, twins have the same words.")));
	if (ARR_NDIM(candidates) > 1 || ARR_NDIM(texts) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("near_twins() takes arrays of one dimension"),
				 errdetail("The array \"%s\" has %d.", ARR_NDIM(candidates) > 1 ? "candidates" : "texts",
						   ARR_NDIM(candidates) > 1 ? ARR_NDIM(candidates) : ARR_NDIM(texts)),
				 errhint("ARRAY(SELECT unnest(...)) makes one of any array.")));
}

PG_FUNCTION_INFO_V1(tw_near_twins);

/*
 * near_twins(candidates text[], texts text[], threshold double precision), and tw_near_twins() with a fourth argument,
 * digits_alike boolean, which is true for near_twins().
 */
Datum
tw_near_twins(PG_FUNCTION_ARGS)
{
	ArrayType  *candidates = PG_GETARG_ARRAYTYPE_P(0);
	ArrayType  *texts = PG_GETARG_ARRAYTYPE_P(1);
	int			count = ArrayGetNItems(ARR_NDIM(candidates), ARR_DIMS(candidates));
	int			lower_bound = 1;
	ArrayType  *result;
	Datum	   *positions;
	bool	   *nulls;
	MemoryContext work;
	MemoryContext caller;
	TwWordSets *sets;
	PrefixIndex *index;
	ArrayIterator iterator;
	Datum		value;
	bool		isnull;

	check_arguments(candidates, texts, PG_GETARG_FLOAT8(2));
	if (count == 0)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(INT4OID));

	work = AllocSetContextCreate(CurrentMemoryContext, "near_twins", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(work);
	positions = palloc_extended(sizeof(Datum) * count, MCXT_ALLOC_HUGE);
	nulls = palloc_extended(count, MCXT_ALLOC_HUGE);
	sets = tw_word_sets(texts, PG_NARGS() < 4 || PG_GETARG_BOOL(3));
	index = make_index(sets, PG_GETARG_FLOAT8(2));
	iterator = array_create_iterator(candidates, 0, NULL);
	for (int32 i = 0; array_iterate(iterator, &value, &isnull); i++)
	{
		int32		position = 0;

		CHECK_FOR_INTERRUPTS();
		if (!isnull)
		{
			TwKnownWords candidate = tw_known_words(sets, value);

			/* A text without words is similar to no text. */
			if (candidate.size > 0)
				position = find_twin(index, &candidate, i + 1);
		}
		positions[i] = Int32GetDatum(position);
		nulls[i] = position == 0;
	}
	MemoryContextSwitchTo(caller);
	result = construct_md_array(positions, nulls, 1, &count, &lower_bound, INT4OID, sizeof(int32), true, TYPALIGN_INT);
	MemoryContextDelete(work);
	PG_RETURN_ARRAYTYPE_P(result);
}
