/*
 * sequential_boundary.c
 *		The boundary that a sum without upward drift crosses with probability at
 *		most alpha, ever.
 *
 * Let S(v) be a Brownian motion with drift k per unit of information v. If
 * there is no drift, exp(k S - k^2 v / 2) is a martingale of mean 1 for every
 * k > 0, and a supermartingale if the drift is downward; so is its mean M over
 * any distribution of k > 0. By Ville's inequality M ever reaches 1 / alpha with
 * probability at most alpha. Robbins (Annals of Mathematical Statistics 41,
 * 1970) took the half-normal distribution, which is Proposition 6 of Howard,
 * Ramdas, McAuliffe and Sekhon (Time-uniform, nonparametric, nonasymptotic
 * confidence sequences, Annals of Statistics 49, 2021). Here it is a normal one
 * that is cut off at zero; with a = v + 1 / SD^2 and b = S + MEAN / SD^2
 *
 *		M = Phi(b / sqrt(a)) / Phi(MEAN / SD) / (SD sqrt(a))
 *			* exp(b^2 / (2 a) - MEAN^2 / (2 SD^2))
 *
 * MEAN = 0 makes it the half-normal mixture. k counts in standard deviations of
 * a trial, and what a rollout is watched for is known beforehand: 3 to 5 points
 * at a rate of 0.90 are 0.10 to 0.17. A distribution that lies there finds them
 * some 6 % earlier than the best half-normal one, and a loss of one point later;
 * the error does not depend on it. The boundary is the sum at which M is
 * 1 / alpha itself, not a bound of it in closed form.
 */
#include "postgres.h"

#include <math.h>

#include "rollout/sequential.h"

#define MEAN 0.11
#define SD 0.045

static double
log_normal_cdf(double x)
{
	return log(0.5 * erfc(-x * M_SQRT1_2));
}

/* log M for a sum that is not negative; it rises with the sum, by *slope, and is convex. */
static double
log_mixture(double sum, double information, double *slope)
{
	double		a = information + 1 / (SD * SD);
	double		b = sum + MEAN / (SD * SD);
	double		x = b / sqrt(a);
	double		log_cdf = log_normal_cdf(x);

	*slope = (x + exp(-0.5 * x * x - log_cdf) / sqrt(2 * M_PI)) / sqrt(a);
	return log_cdf - log_normal_cdf(MEAN / SD) - 0.5 * log(SD * SD * a) + 0.5 * x * x - 0.5 * (MEAN / SD) * (MEAN / SD);
}

/* Newton's steps on a rising convex function stay on the right of its root after the first. */
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
