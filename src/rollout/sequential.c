/*
 * sequential.c
 *		The canary against production, stratified by rollout step, with bounds that
 *		hold at all checks together.
 *
 * An asymptotic confidence sequence in the sense of Waudby-Smith, Arbour, Sinha,
 * Kennedy and Ramdas (Time-uniform central limit theory and asymptotic
 * confidence sequences, Annals of Statistics 52, 2024): the sums are
 * approximated, uniformly over time, by a Brownian motion whose variance is
 * estimated, and the boundary is one for Brownian motion. It assumes that
 * sessions are independent of each other, that more than two moments of a
 * session's contribution are bounded (they are: it is a fraction), and that
 * within a step sessions of both arms are drawn from the same traffic. Rates may
 * change from step to step: the estimate is the mean, over steps, of differences
 * within a step, weighted by information. A change of the base rate between
 * steps is therefore no difference (with pooled steps it would be).
 *
 * What makes the approximation good where counts are small:
 *
 * - The unit is the session. A step's rate is a ratio of sums; its variance is
 *	 that of independent trials times a design effect, the ratio of the delta
 *	 method's variance over sessions to the binomial one. With few failures,
 *	 that ratio is estimated well, and the variance itself badly.
 * - Variances are those under the tested difference, not those at the arms' own
 *	 rates, which are small exactly when the rate happens to be high. A bound is
 *	 the difference that the data just reject: an inverted score test.
 * - Failures are rare and therefore skewed. A sum z standard deviations away
 *	 counts as the signed root of twice Bennett's function, which is the log
 *	 likelihood ratio of a Poisson count with that skewness, corrected for its
 *	 mean. Without this correction an equal canary with 1 % of the sessions at a rate
 *	 of 0.99 is rolled back in 6 % of all cases where 5 % are allowed; with it, in 3 %.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "rollout/sequential.h"

typedef struct Stratum
{
	double		canary_n;
	double		production_n;
	double		canary_effect;	/* design effects */
	double		production_effect;
	double		canary_rate;
	double		production_rate;
	double		canary_share;	/* of the trials */
	double		rate;			/* of both arms */
	double		least;			/* the least distance of a rate from 0 and 1 */
	double		weight;
} Stratum;

typedef struct Moments
{
	double		variance;
	double		third;			/* third central moment */
} Moments;

/* The sum over sessions of squared deviations from the arm's rate, and its expectation for independent trials. */
static void
deviations(const TwArmSums *arm, double *squares, double *expected)
{
	double		rate = arm->y / arm->n;

	*squares = Max(arm->yy - 2 * rate * arm->ny + rate * rate * arm->nn, 0);
	if (arm->units > 1)
		*squares *= arm->units / (arm->units - 1);
	*expected = arm->n * rate * (1 - rate);
}

/*
 * The design effect: variance over that of independent trials. With few failures, an arm's estimate is shrunk towards
 * that of both arms, by the weight of a session; and with next to none, towards the case that all trials of a session
 * are equal.
 */
static void
set_design_effects(const TwStepSums *step, double session, Stratum *stratum)
{
	const TwArmSums *canary = &step->canary;
	const TwArmSums *production = &step->production;
	double		highest = (canary->nn + production->nn) / (canary->n + production->n);
	double		squares[2];
	double		expected[2];
	double		both;

	deviations(canary, &squares[0], &expected[0]);
	deviations(production, &squares[1], &expected[1]);
	both = (squares[0] + squares[1] + session * highest) / (expected[0] + expected[1] + session);
	stratum->canary_effect = (squares[0] + session * both) / (expected[0] + session);
	stratum->production_effect = (squares[1] + session * both) / (expected[1] + session);
}

/* Moments of a step's estimated difference, given the true difference and the estimated rate of both arms together. */
static Moments
step_moments(const Stratum *stratum, double difference)
{
	double		highest = 1 - stratum->least;
	double		canary = stratum->rate + (1 - stratum->canary_share) * difference;
	double		production = stratum->rate - stratum->canary_share * difference;
	double		canary_scale = stratum->canary_effect / stratum->canary_n;
	double		production_scale = stratum->production_effect / stratum->production_n;
	double		canary_variance;
	double		production_variance;

	canary = Min(Max(canary, stratum->least), highest);
	production = Min(Max(production, stratum->least), highest);
	canary_variance = canary * (1 - canary) * canary_scale;
	production_variance = production * (1 - production) * production_scale;
	return (Moments)
	{
		canary_variance + production_variance,
		canary_variance * canary_scale * (1 - 2 * canary) -
			production_variance * production_scale * (1 - 2 * production)
	};
}

static void
make_stratum(const TwStepSums *step, double effect, Stratum *stratum)
{
	const TwArmSums *canary = &step->canary;
	const TwArmSums *production = &step->production;
	double		n = canary->n + production->n;
	double		session = effect * n / (canary->units + production->units);

	/* The effective numbers of trials, after the design effect. */
	stratum->canary_n = canary->n / effect;
	stratum->production_n = production->n / effect;
	set_design_effects(step, session, stratum);
	stratum->canary_rate = canary->y / canary->n;
	stratum->production_rate = production->y / production->n;
	stratum->canary_share = canary->n / n;
	/* One good and one bad session are added: no rate is certain (Agresti and Caffo 2000). */
	stratum->least = session / (n + 2 * session);
	stratum->rate = (canary->y + production->y + session) / (n + 2 * session);
	/* Inverse variance under no difference: it hardly correlates with the observed difference. */
	stratum->weight = 1 / step_moments(stratum, 0).variance;
}

/*
 * The distance in standard deviations of a value of this skewness from its mean that is as unlikely as a normal value
 * at z. It is x / skewness with h(x) = skewness^2 r^2 / 2, where h(x) = (1 + x) log(1 + x) - x is Bennett's function,
 * and r is z less the mean of the signed root.
 */
static double
skewed(double z, double skewness)
{
	double		root = z - Min(skewness / 6, 0.1 * z);
	double		target = 0.5 * root * root * skewness * skewness;
	double		x = copysign(sqrt(2 * target), skewness);

	if (fabs(x) < 1e-4)
		return root * (1 + x / 6);
	/* No count is further below its mean; a continuation for bounds that are never reached. */
	if (skewness < 0 && target >= 1 - 1e-9)
		return root * M_SQRT1_2;

	/* h is convex: Newton's steps stay on one side of the root. */
	x = Max(x, -1 + 1e-12);
	for (int i = 0; i < 100; i++)
	{
		double		step = ((1 + x) * log1p(x) - x - target) / log1p(x);

		x -= step;
		if (fabs(step) <= 1e-13 * fabs(x))
			break;
	}
	return x / skewness;
}

/*
 * The boundary in standard deviations. Information is counted in trials: variances are in units of a trial's variance.
 * All bounds use the information under no difference.
 */
static double
boundary_of(const Stratum *strata, int count, double alpha)
{
	double		variance = 0;
	double		trial = 0;

	for (int i = 0; i < count; i++)
	{
		variance += strata[i].weight * strata[i].weight * step_moments(&strata[i], 0).variance;
		trial += strata[i].weight * strata[i].rate * (1 - strata[i].rate);
	}
	return tw_boundary(trial / variance, alpha) / sqrt(trial / variance);
}

/* How far below (side 1) or above (side -1) a true difference the estimate may lie without contradicting it. */
static double
radius(const Stratum *strata, int count, double difference, int side, double boundary)
{
	double		variance = 0;
	double		third = 0;

	for (int i = 0; i < count; i++)
	{
		double		weight = strata[i].weight;
		Moments		moments = step_moments(&strata[i], difference);

		variance += weight * weight * moments.variance;
		third += weight * weight * weight * moments.third;
	}
	return skewed(boundary, -side * third / (variance * sqrt(variance))) * sqrt(variance);
}

/* The upper (side 1) or lower (side -1) bound: the difference at a distance of its radius (Illinois method). */
static double
find_bound(const Stratum *strata, int count, double estimate, int side, double boundary)
{
	double		near = 0;
	double		far = 1 - side * estimate;
	double		near_value = -radius(strata, count, estimate, side, boundary);
	double		far_value = far - radius(strata, count, side, side, boundary);
	double		middle = far;
	int			last = 0;

	if (far_value <= 0)
		return side;
	for (int i = 0; i < 200 && far - near > 1e-14; i++)
	{
		double		value;
		int			now;

		CHECK_FOR_INTERRUPTS();
		middle = (near * far_value - far * near_value) / (far_value - near_value);
		value = middle - radius(strata, count, estimate + side * middle, side, boundary);
		if (fabs(value) < 1e-15)
			break;
		now = value > 0 ? 1 : -1;
		if (now > 0)
		{
			far = middle;
			far_value = value;
			near_value *= last == now ? 0.5 : 1;
		}
		else
		{
			near = middle;
			near_value = value;
			far_value *= last == now ? 0.5 : 1;
		}
		last = now;
	}
	return estimate + side * middle;
}

/* The strata of the steps that have both arms, with weights that add up to 1; counts their sessions if asked to. */
static Stratum *
make_strata(const TwStepSums *steps, int count, double effect, int *used, TwComparison *units)
{
	Stratum    *strata = palloc(sizeof(Stratum) * Max(count, 1));
	double		total = 0;

	*used = 0;
	for (int i = 0; i < count; i++)
	{
		if (steps[i].canary.n == 0 || steps[i].production.n == 0)
			continue;
		make_stratum(&steps[i], effect, &strata[*used]);
		total += strata[(*used)++].weight;
		units->canary_units += steps[i].canary.units / effect;
		units->production_units += steps[i].production.units / effect;
	}
	for (int i = 0; i < *used; i++)
		strata[i].weight /= total;
	return strata;
}

void
tw_compare_arms(const TwStepSums *steps, int count, double alpha, double effect, TwComparison *result)
{
	Stratum    *strata;
	int			used;
	double		boundary;

	*result = (TwComparison) {0, 0, NAN, NAN, NAN, NAN, NAN};
	strata = make_strata(steps, count, effect, &used, result);
	if (used > 0)
	{
		result->canary_rate = result->production_rate = 0;
		for (int i = 0; i < used; i++)
		{
			result->canary_rate += strata[i].weight * strata[i].canary_rate;
			result->production_rate += strata[i].weight * strata[i].production_rate;
		}
		result->difference = result->canary_rate - result->production_rate;
		boundary = boundary_of(strata, used, alpha);
		result->lower = find_bound(strata, used, result->difference, -1, boundary);
		result->upper = find_bound(strata, used, result->difference, 1, boundary);
	}
	pfree(strata);
}

/*
 * How far a canary that is worse than production by this loss in each step still is from the boundary: negative where
 * the verdict would be worse.
 */
static double
missing_loss(const Stratum *strata, Stratum *supposed, int count, double alpha, double loss)
{
	double		total = 0;
	double		observed = 0;

	for (int i = 0; i < count; i++)
	{
		double		canary = Max(strata[i].production_rate - loss, 0);

		supposed[i] = strata[i];
		/* The failures of that loss change the rate of both arms together, and so the variance. */
		supposed[i].rate += (1 - 2 * strata[i].least) * strata[i].canary_share * (canary - strata[i].canary_rate);
		supposed[i].weight = 1 / step_moments(&supposed[i], 0).variance;
		total += supposed[i].weight;
		observed += supposed[i].weight * (strata[i].production_rate - canary);
	}
	for (int i = 0; i < count; i++)
		supposed[i].weight /= total;
	return radius(supposed, count, 0, 1, boundary_of(supposed, count, alpha)) - observed / total;
}

/*
 * The smallest loss that would give the verdict worse if it were observed now: with these sessions, production as it
 * is, and a canary that is worse by it. 1 where no loss would.
 */
double
tw_minimum_detectable_loss(const TwStepSums *steps, int count, double alpha, double effect)
{
	TwComparison units = {0};
	int			used;
	Stratum    *strata = make_strata(steps, count, effect, &used, &units);
	Stratum    *supposed = palloc(sizeof(Stratum) * Max(used, 1));
	double		low = 0;
	double		high = 1;

	if (used > 0 && missing_loss(strata, supposed, used, alpha, 1) < 0)
	{
		while (high - low > 1e-6)
		{
			double		middle = (low + high) / 2;

			CHECK_FOR_INTERRUPTS();
			if (missing_loss(strata, supposed, used, alpha, middle) < 0)
				high = middle;
			else
				low = middle;
		}
	}
	pfree(supposed);
	pfree(strata);
	return high;
}
