/*
 * mcnemar.c
 *		The exact McNemar test of two models on the same samples.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "miscadmin.h"

PG_FUNCTION_INFO_V1(tw_mcnemar_p);

/*
 * mcnemar_p(only_first, only_second): 2 P(X <= min), X ~ Binomial(n, 1/2), at
 * most 1. The terms are summed in logarithms from the largest down, so that
 * neither a power of two nor a binomial coefficient overflows.
 */
Datum
tw_mcnemar_p(PG_FUNCTION_ARGS)
{
	int64		first = PG_GETARG_INT64(0);
	int64		second = PG_GETARG_INT64(1);
	int64		least = Min(first, second);
	double		n = (double) first + (double) second;
	double		term;
	double		sum = 0;

	if (least < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a number of samples must not be negative")));
	if (first == second)
		PG_RETURN_FLOAT8(1.0);

	/* The largest term of the tail is the last; each before it is smaller by k / (n - k + 1). */
	term = exp(lgamma(n + 1) - lgamma((double) least + 1) - lgamma(n - (double) least + 1) - n * log(2.0));
	for (int64 k = least; k >= 0 && term > sum * 1e-17; k--)
	{
		sum += term;
		term *= (double) k / (n - (double) k + 1);
		if ((k & 0xFFFF) == 0)
			CHECK_FOR_INTERRUPTS();
	}
	PG_RETURN_FLOAT8(Min(1.0, 2 * sum));
}
