/*
 * temperature.c
 *		The factor of scores before the softmax, fitted so that a probability of 0.9 is right nine times in ten: Guo et
 *		al., On calibration of modern neural networks (ICML 2017), whose temperature is its inverse.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "model/temperature.h"

#include <math.h>

#define LEAST_TEMPERATURE 0.01
#define MOST_TEMPERATURE 10.0
#define STEPS 40

/*
 * The weight of the usual value as a prior, in examples: without it, scores that are all right would make the factor
 * grow for ever. A few dozen examples outweigh it.
 */
#define PRIOR_EXAMPLES 4.0

/* d(negative log-likelihood) / d(temperature), which grows with the temperature. */
static double
slope(const TwHeldOut *held_out, int label_count, double temperature)
{
	double		total = 0;

	for (int i = 0; i < held_out->count; i++)
	{
		const float *scores = held_out->scores + (Size) i * held_out->stride;
		float		largest = scores[0];
		double		sum = 0;
		double		expected = 0;

		CHECK_FOR_INTERRUPTS();
		for (int k = 1; k < label_count; k++)
			largest = Max(largest, scores[k]);
		for (int k = 0; k < label_count; k++)
		{
			double		weight = exp(temperature * (scores[k] - largest));

			sum += weight;
			expected += weight * scores[k];
		}
		total += held_out->weights[i] * (expected / sum - scores[held_out->labels[i]]);
	}
	return total;
}

double
tw_fit_temperature(const TwHeldOut *held_out, int label_count)
{
	double		low = LEAST_TEMPERATURE;
	double		high = MOST_TEMPERATURE;

	for (int i = 0; i < STEPS; i++)
	{
		double		middle = sqrt(low * high);

		/* The prior is log-normal. */
		if (slope(held_out, label_count, middle) + PRIOR_EXAMPLES * log(middle / TW_USUAL_TEMPERATURE) / middle > 0)
			high = middle;
		else
			low = middle;
	}
	return sqrt(low * high);
}
