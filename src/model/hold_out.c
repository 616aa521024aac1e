/*
 * hold_out.c
 *		Which rows are held out for the calibration.
 *
 * People say the same thing in almost the same words. A row whose near-duplicate is in the training set is easier than
 * what users will send, and confidences fitted to such rows are too high: near-duplicates are kept together. They are
 * found by minwise hashing of their words and word pairs (Broder, On the resemblance and containment of documents,
 * 1997), banded as in Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, section 3.4.
 */
#include "postgres.h"

#include "base/hash.h"
#include "miscadmin.h"
#include "model/features.h"
#include "model/hold_out.h"

/* Rows that share all minima of a band become one group. */
#define BANDS 6
#define BAND_MINIMA 3

/* The largest group is this part of the rows: chains of near-duplicates would make everything one group. */
#define LARGEST_GROUP 100

/* The version of the features that rows are compared by: texts that differ only in digits are near-duplicates. */
#define DIGITS_ALIKE 1

#define SEED UINT64CONST(0xD1B54A32D192ED03)

typedef struct BandKey
{
	uint64		key;
	int			row;
} BandKey;

static int
compare_keys(const void *a, const void *b)
{
	const BandKey *one = a;
	const BandKey *other = b;

	CHECK_FOR_INTERRUPTS();
	if (one->key != other->key)
		return one->key < other->key ? -1 : 1;
	return one->row - other->row;
}

/* One key for each band, of a row's words and word pairs; a unique one for a row without words. */
static void
sketch(TwFeatureScratch *scratch, const TwTrainingRow *row, uint64 *keys)
{
	TwFeature  *features;
	int			count = tw_extract_features(scratch, row->text, row->length, &features);
	uint64		minima[BANDS * BAND_MINIMA];

	memset(minima, 0xFF, sizeof(minima));
	for (int i = 0; i < count; i++)
	{
		if (features[i].id & TW_CHARACTER_BLOCK)
			continue;
		for (int j = 0; j < BANDS * BAND_MINIMA; j++)
			minima[j] = Min(minima[j], tw_finalise(features[i].id + SEED * (j + 1)));
	}
	for (int band = 0; band < BANDS; band++)
	{
		keys[band] = 0;
		for (int j = 0; j < BAND_MINIMA; j++)
			keys[band] = tw_finalise(keys[band] + minima[band * BAND_MINIMA + j]);
	}
}

static int
find_group(int *parents, int row)
{
	while (parents[row] != row)
	{
		parents[row] = parents[parents[row]];
		row = parents[row];
	}
	return row;
}

static void
join_groups(int *parents, int *sizes, int a, int b, int max_size)
{
	a = find_group(parents, a);
	b = find_group(parents, b);
	if (a == b || sizes[a] + sizes[b] > max_size)
		return;
	parents[Max(a, b)] = Min(a, b);
	sizes[Min(a, b)] = sizes[a] + sizes[b];
}

/* The group of each row, named by its first row. */
static int *
group_twins(const TwTrainingRow *rows, int row_count)
{
	TwFeatureScratch *scratch = tw_feature_scratch(DIGITS_ALIKE);
	uint64	   *keys = palloc_extended(sizeof(uint64) * BANDS * (Size) row_count, MCXT_ALLOC_HUGE);
	BandKey    *sorted = palloc_extended(sizeof(BandKey) * (Size) row_count, MCXT_ALLOC_HUGE);
	int		   *parents = palloc_extended(sizeof(int) * (Size) row_count, MCXT_ALLOC_HUGE);
	int		   *sizes = palloc_extended(sizeof(int) * (Size) row_count, MCXT_ALLOC_HUGE);
	int			max_size = Max(row_count / LARGEST_GROUP, 10);

	for (int i = 0; i < row_count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		sketch(scratch, &rows[i], keys + (Size) i * BANDS);
		parents[i] = i;
		sizes[i] = 1;
	}
	for (int band = 0; band < BANDS; band++)
	{
		for (int i = 0; i < row_count; i++)
			sorted[i] = (BandKey) {keys[(Size) i * BANDS + band], i};
		qsort(sorted, row_count, sizeof(BandKey), compare_keys);
		for (int i = 1; i < row_count; i++)
		{
			if (sorted[i].key == sorted[i - 1].key)
				join_groups(parents, sizes, sorted[i - 1].row, sorted[i].row, max_size);
		}
	}
	for (int i = 0; i < row_count; i++)
		parents[i] = find_group(parents, i);
	pfree(keys);
	pfree(sorted);
	pfree(sizes);
	return parents;
}

/*
 * A part for each row, from 0 to parts - 1, the same one for near-duplicates; -1 for rows that are never held out,
 * because no other row has their label.
 */
int *
tw_split_rows(const TwTrainingRow *rows, int row_count, int label_count, int parts)
{
	int		   *groups = group_twins(rows, row_count);
	int		   *split = palloc_extended(sizeof(int) * (Size) row_count, MCXT_ALLOC_HUGE);
	int		   *totals = palloc0(sizeof(int) * label_count);
	int		   *taken = palloc0(sizeof(int) * (Size) label_count * parts);

	for (int i = 0; i < row_count; i++)
		totals[rows[i].label]++;
	for (int i = 0; i < row_count; i++)
	{
		int			part = (int) (tw_finalise(groups[i] + SEED) % parts);
		int		   *here = &taken[rows[i].label * parts + part];

		split[i] = *here + 1 <= totals[rows[i].label] / 2 ? part : -1;
		*here += split[i] >= 0;
	}
	pfree(groups);
	pfree(totals);
	pfree(taken);
	return split;
}
