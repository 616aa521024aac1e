/*
 * sequential_boundary.c
 *		The boundary that a sum without upward drift ever crosses with probability
 *		at most alpha.
 *
 * Let S(v) be a Brownian motion with drift k per unit of information v. If
 * there is no drift, exp(k S - k^2 v / 2) is a martingale of mean 1 for every
 * k > 0, and a supermartingale if the drift is downward; so is its mean M over
 * any distribution of k > 0. By Ville's inequality M ever reaches 1 / alpha with
 * probability at most alpha. Robbins (Annals of Mathematical Statistics 41,
 * 1970) took the half-normal distribution, which is Proposition 6 of Howard,
 * Ramdas, McAuliffe and Sekhon (Time-uniform, nonparametric, nonasymptotic
 * confidence sequences, Annals of Statistics 49, 2021). Here it is a mixture of
 * two normal distributions truncated at zero. For each of them, with
 * a = v + 1 / SD^2 and b = S + MEAN / SD^2,
 *
 *		M = Phi(b / sqrt(a)) / Phi(MEAN / SD) / (SD sqrt(a))
 *			* exp(b^2 / (2 a) - MEAN^2 / (2 SD^2))
 *
 * and MEAN = 0 makes it the half-normal one. k is in standard deviations of a
 * trial. A rollout is monitored for two kinds of loss:
 *
 * - A small loss. 3 to 5 points at a rate of 0.90 are 0.10 to 0.17. A
 *	 distribution around these values detects them about 6 % earlier than the best
 *	 half-normal one, and a loss of one point later.
 * - A disaster: a model that fails always, or half of the time, is a loss of 0.8
 *	 to 3, and has to be detected within a dozen sessions. The first distribution
 *	 alone would need ten standard deviations there. The half-normal one, at a
 *	 fifth of the weight, needs four, and raises the boundary for small losses by
 *	 1 to 2 %: a loss of 3 points takes 2 to 3 % more requests.
 *
 * The error probability depends on neither choice. The boundary is the exact sum
 * at which M is 1 / alpha, not a bound of it in closed form.
 */
#include "postgres.h"

#include <math.h>

#include "rollout/sequential.h"

typedef struct Component
{
	double		weight;
	double		mean;
	double		sd;
} Component;

static const Component components[] = {
	{0.8, 0.11, 0.045},
	{0.2, 0, 0.6},
};

static double
log_normal_cdf(double x)
{
	return log(0.5 * erfc(-x * M_SQRT1_2));
}

/* log M of one distribution for a nonnegative sum; increases with the sum, with derivative *slope. */
static double
log_component(const Component *c, double sum, double information, double *slope)
{
	double		ratio = c->mean / c->sd;
	double		a = information + 1 / (c->sd * c->sd);
	double		b = sum + c->mean / (c->sd * c->sd);
	double		x = b / sqrt(a);
	double		log_cdf = log_normal_cdf(x);

	*slope = (x + exp(-0.5 * x * x - log_cdf) / sqrt(2 * M_PI)) / sqrt(a);
	return log_cdf - log_normal_cdf(ratio) - 0.5 * log(c->sd * c->sd * a) + 0.5 * x * x - 0.5 * ratio * ratio;
}

/* log M of the mixture: convex in the sum, as the logarithm of a mean of exponentials of it. */
static double
log_mixture(double sum, double information, double *slope)
{
	double		logs[lengthof(components)];
	double		slopes[lengthof(components)];
	double		largest = -INFINITY;
	double		total = 0;

	for (int i = 0; i < (int) lengthof(components); i++)
	{
		logs[i] = log(components[i].weight) + log_component(&components[i], sum, information, &slopes[i]);
		largest = Max(largest, logs[i]);
	}
	*slope = 0;
	for (int i = 0; i < (int) lengthof(components); i++)
	{
		double		weight = exp(logs[i] - largest);

		total += weight;
		*slope += weight * slopes[i];
	}
	*slope /= total;
	return largest + log(total);
}

/* Newton's steps for an increasing convex function stay to the right of its root after the first. */
double
tw_boundary(double information, double alpha)
{
	double		sum = sqrt(information);

	for (int i = 0; i < 100; i++)
	{
		double		slope;
		double		step = (log_mixture(sum, information, &slope) + log(alpha)) / slope;

		sum = Max(sum - step, 0);
		if (fabs(step) <= 1e-14 * sum)
			break;
	}
	return sum;
}
