/*
 * test_kernels.c
 *		The fast loops against slow ones.
 */
#include "postgres.h"

#include "base/hash.h"
#include "check.h"

#include <math.h>

#define ROWS 11

static float
random_float(uint64 *random)
{
	return (float) ((int) tw_random_below(random, 2001) - 1000) / 1000;
}

/* The same additions in the same order have the same result, to the bit. */
static bool
sums_agree(int labels, int features, uint64 *random)
{
	TwMatrix	matrix;
	TwFeature  *list = palloc(sizeof(TwFeature) * (features + 1));
	float	   *sums;
	float	   *expected;
	bool		agree = true;

	tw_allocate_matrix(&matrix, ROWS, tw_stride(labels));
	sums = palloc0(sizeof(float) * matrix.stride);
	expected = palloc0(sizeof(float) * matrix.stride);
	for (int i = 0; i < ROWS * matrix.stride; i++)
		matrix.at[i] = random_float(random);
	for (int i = 0; i < features; i++)
	{
		list[i] = (TwFeature) {tw_random_below(random, ROWS), random_float(random)};
		for (int k = 0; k < matrix.stride; k++)
		{
			volatile float product = list[i].value * tw_matrix_row(&matrix, list[i].id)[k];

			expected[k] += product;
		}
	}
	tw_add_rows(sums, &matrix, list, features);
	agree = memcmp(sums, expected, sizeof(float) * matrix.stride) == 0;

	tw_clear_matrix(&matrix);
	tw_add_to_rows(&matrix, list, Min(features, 1), 2.0f, sums);
	for (int k = 0; k < matrix.stride && features > 0; k++)
		agree = agree && tw_matrix_row(&matrix, list[0].id)[k] == 2.0f * list[0].value * sums[k];
	pfree(matrix.chunk);
	return agree;
}

static void
test_exponentials(void)
{
	float		values[TW_LANES];
	double		worst = 0;
	bool		sums = true;

	for (int i = 0; i <= 100000; i += TW_LANES)
	{
		double		sum = 0;
		float		result;

		for (int j = 0; j < TW_LANES; j++)
			values[j] = 3 - (i + j) * 0.0008f;
		result = tw_exponentials(values, TW_LANES, 3);
		for (int j = 0; j < TW_LANES; j++)
		{
			double		expected = exp((double) ((3 - (i + j) * 0.0008f) - 3));

			worst = Max(worst, fabs(values[j] / expected - 1));
			sum += values[j];
		}
		sums = sums && fabs(result / sum - 1) < 1e-6;
	}
	check(worst < 3e-7 && sums, "exponentials are exact to two or three units in the last place");

	values[0] = -1e30f;
	values[1] = -INFINITY;
	for (int j = 2; j < TW_LANES; j++)
		values[j] = 0;
	check(fabsf(tw_exponentials(values, TW_LANES, 0) - 6) < 1e-5f && values[0] >= 0 && values[0] < 1e-30f &&
		  values[1] < 1e-30f,
		  "scores that nobody has count for nothing");
}

void
test_kernels(void)
{
	uint64		random = 99;
	bool		agree = true;

	for (int labels = 1; labels < 40; labels++)
	{
		for (int features = 0; features < 10; features++)
			agree = agree && sums_agree(labels, features, &random);
	}
	check(agree, "sums over rows are those of a plain loop, to the bit");
	test_exponentials();
}
