/*
 * sample_ratio_evidence.c
 *		The evidence against the planned split.
 *
 * Lindon and Malek (Anytime-valid inference for multinomial count data, NeurIPS 35, 2022): take the likelihood of the
 * assignments if the canary's fraction has a beta distribution around the planned one, over their likelihood at the
 * planned one. This ratio is a nonnegative martingale of mean 1 as long as sessions are assigned independently at that
 * fraction. So is the product over successive steps, and the mean over several such distributions. By Ville's
 * inequality it ever reaches 1 / alpha with probability at most alpha, however often it is checked.
 *
 * With the planned fraction p, the distribution Beta(c p, c (1 - p)) has the standard deviation
 * sqrt(p (1 - p) / (c + 1)) and detects deviations of about that size soonest. A broken split can be anything from a
 * tenth lost to an arm that gets nothing, so the evidence is the mean over three concentrations c. Compared with
 * knowing the best c beforehand, that costs a factor of three at most: log 3 of the log 1000 that an alarm at 0.001
 * needs.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "rollout/sample_ratio.h"

static const double concentrations[] = {10, 100, 1000};

static double
log_beta(double a, double b)
{
	return lgamma(a) + lgamma(b) - lgamma(a + b);
}

static double
log_ratio(const TwSplit *split, double concentration)
{
	double		a = concentration * split->fraction;
	double		b = concentration * (1 - split->fraction);

	return log_beta(a + split->canary, b + split->production) - log_beta(a, b)
		- split->canary * log(split->fraction) - split->production * log1p(-split->fraction);
}

double
tw_sample_ratio_log_evidence(const TwSplit *splits, int count)
{
	double		products[lengthof(concentrations)] = {0};
	double		greatest = -INFINITY;
	double		sum = 0;

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int c = 0; c < (int) lengthof(concentrations); c++)
			products[c] += log_ratio(&splits[i], concentrations[c]);
	}
	for (int c = 0; c < (int) lengthof(concentrations); c++)
		greatest = Max(greatest, products[c]);
	for (int c = 0; c < (int) lengthof(concentrations); c++)
		sum += exp(products[c] - greatest);
	return greatest + log(sum / lengthof(concentrations));
}
