/*
 * chi_square.c
 *		The tail of the chi-square distribution.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"

PG_FUNCTION_INFO_V1(tw_chi_square_p);

/* Most terms of an expansion; each of them is smaller than the one before by a factor that is below 1 here. */
#define MAX_TERMS 10000

/* P(a, x) by its power series (Abramowitz and Stegun 6.5.29), for x < a + 1. */
static double
lower_gamma(double a, double x)
{
	double		term = 1 / a;
	double		sum = term;

	for (int n = 1; n < MAX_TERMS && term > sum * 1e-16; n++)
	{
		term *= x / (a + n);
		sum += term;
	}
	return sum * exp(a * log(x) - x - lgamma(a));
}

/* Q(a, x) by its continued fraction (Abramowitz and Stegun 6.5.31), evaluated from its end, for x >= a + 1. */
static double
upper_gamma(double a, double x)
{
	double		fraction = 0;

	for (int n = 500; n > 0; n--)
		fraction = n * (n - a) / (x + 2 * n + 1 - a - fraction);
	return exp(a * log(x) - x - lgamma(a)) / (x + 1 - a - fraction);
}

/* tw_chi_square_p(statistic, freedom): P(X >= statistic), X chi-square with that many degrees of freedom. */
Datum
tw_chi_square_p(PG_FUNCTION_ARGS)
{
	double		a = PG_GETARG_FLOAT8(1) / 2;
	double		x = PG_GETARG_FLOAT8(0) / 2;

	if (!(a > 0) || isnan(x))
		PG_RETURN_NULL();
	if (x <= 0)
		PG_RETURN_FLOAT8(1.0);
	PG_RETURN_FLOAT8(x < a + 1 ? 1 - lower_gamma(a, x) : upper_gamma(a, x));
}
