/*
 * rows.c
 *		Training rows in an order that does not depend on the caller's.
 */
#include "postgres.h"

#include "base/hash.h"
#include "miscadmin.h"
#include "model/rows.h"

#define MOST_WEIGHT 100.0f

typedef struct SortedRow
{
	uint64		hash;
	TwTrainingRow row;
} SortedRow;

static int
compare_rows(const void *a, const void *b)
{
	const SortedRow *one = a;
	const SortedRow *other = b;
	int			order;

	CHECK_FOR_INTERRUPTS();
	if (one->hash != other->hash)
		return one->hash < other->hash ? -1 : 1;
	order = memcmp(one->row.text, other->row.text, Min(one->row.length, other->row.length));
	if (order == 0)
		order = one->row.length - other->row.length;
	if (order == 0)
		order = one->row.label - other->row.label;
	if (order == 0)
		order = (one->row.weight > other->row.weight) - (one->row.weight < other->row.weight);
	return order;
}

/*
 * Scales weights to a mean of 1 where it is below: only their ratios matter, and weights of 0.3 throughout would make
 * every update too small.
 */
static void
raise_weights(TwTrainingRow *rows, int row_count)
{
	double		sum = 0;

	for (int i = 0; i < row_count; i++)
		sum += rows[i].weight;
	if (sum >= row_count)
		return;
	for (int i = 0; i < row_count; i++)
		rows[i].weight = (float) Min(rows[i].weight / (sum / row_count), MOST_WEIGHT);
}

/* The rows in a random order that does not depend on the order of the input. */
TwTrainingRow *
tw_sort_rows(const TwTrainingSet *set)
{
	SortedRow  *sorted = palloc_extended(sizeof(SortedRow) * (Size) set->row_count, MCXT_ALLOC_HUGE);
	TwTrainingRow *rows = palloc_extended(sizeof(TwTrainingRow) * (Size) set->row_count, MCXT_ALLOC_HUGE);

	for (int i = 0; i < set->row_count; i++)
	{
		const TwTrainingRow *row = &set->rows[i];
		const char *label = set->labels[row->label];
		uint64		hash = tw_fnv(tw_fnv(TW_FNV_BASIS, row->text, row->length), label, strlen(label) + 1);

		CHECK_FOR_INTERRUPTS();
		sorted[i].hash = tw_finalise(hash);
		sorted[i].row = *row;
		sorted[i].row.weight = Min(row->weight, MOST_WEIGHT);
	}
	qsort(sorted, set->row_count, sizeof(SortedRow), compare_rows);
	for (int i = 0; i < set->row_count; i++)
		rows[i] = sorted[i].row;
	pfree(sorted);
	raise_weights(rows, set->row_count);
	return rows;
}
