/*
 * rollout.c
 *		Rollouts with known truth, in great number, through the very functions
 *		that sequential_comparison() and sample_ratio_check() call. rollout.sh
 *		builds it, runs it and says how to read it.
 */
#include "postgres.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "rollout.h"
#include "rollout/sample_ratio.h"
#include "rollout/sequential.h"

#define STEPS 3
#define STEP_REQUESTS 6667
#define LOOK 250

/* What of the server the functions use. */
volatile sig_atomic_t InterruptPending = false;
extern void ProcessInterrupts(void);

void
ProcessInterrupts(void)
{
}

void *
palloc(Size size)
{
	return malloc(size);
}

void
pfree(void *pointer)
{
	free(pointer);
}

typedef struct Traffic
{
	const char *name;
	double		rates[STEPS];	/* of production, by step */
	double		shares[STEPS];	/* of the canary */
	double		loss;
	int			messages;		/* of a session */
	double		correlation;	/* between a session's messages */
	int			step_requests;
	int			look;
} Traffic;

/* The ways to decide. */
enum
{
	OURS,						/* sequential_comparison */
	THIRD,						/* the same at a third of alpha: one of three guardrails */
	BETTER,						/* its other bound */
	PEEKED,						/* z-test at each look, steps pooled */
	POOLED,						/* sequential_comparison, steps pooled */
	BY_MESSAGE,					/* sequential_comparison, each message a session */
	WAYS
};

static const char *const headings[WAYS] = {"this", "alpha/3", "better", "z, peeked", "pooled", "by message"};

static uint64 state;

/* SplitMix64 (Steele, Lea and Flood 2014). */
double
uniform(void)
{
	uint64		z = (state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return ((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* Marsaglia and Tsang (2000). */
static double
gamma_variate(double shape)
{
	double		boost = shape < 1 ? pow(1 - uniform(), 1 / shape) : 1;
	double		d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3;
	double		c = 1 / sqrt(9 * d);

	for (;;)
	{
		double		x = sqrt(-2 * log(1 - uniform())) * cos(2 * M_PI * uniform());
		double		v = 1 + c * x;

		if (v <= 0)
			continue;
		v = v * v * v;
		if (log(1 - uniform()) < 0.5 * x * x + d - d * v + d * log(v))
			return boost * d * v;
	}
}

/* A session's own rate, of this mean, such that messages have the correlation that is asked for. */
double
session_rate(double rate, double correlation)
{
	double		size = 1 / correlation - 1;
	double		good;

	if (correlation == 0 || rate <= 0 || rate >= 1)
		return rate;
	good = gamma_variate(rate * size);
	return good / (good + gamma_variate((1 - rate) * size));
}

void
add_session(TwArmSums *arm, double n, double y)
{
	arm->units++;
	arm->n += n;
	arm->y += y;
	arm->nn += n * n;
	arm->ny += n * y;
	arm->yy += y * y;
}

/* Whether sequential_comparison() has a verdict. */
bool
is_measured(const TwComparison *result)
{
	return result->canary_units >= TW_MEASURED_FROM && result->production_units >= TW_MEASURED_FROM;
}

static void
add_arm(TwArmSums *to, const TwArmSums *arm)
{
	to->units += arm->units;
	to->n += arm->n;
	to->y += arm->y;
	to->nn += arm->nn;
	to->ny += arm->ny;
	to->yy += arm->yy;
}

static TwArmSums
as_messages(const TwArmSums *arm)
{
	return (TwArmSums) {arm->n, arm->n, arm->y, arm->n, arm->y, arm->y};
}

static bool
z_says_worse(const TwStepSums *all)
{
	double		pc = all->canary.y / all->canary.n;
	double		pp = all->production.y / all->production.n;

	return pc - pp < -1.6448536269514722 * sqrt(pc * (1 - pc) / all->canary.n + pp * (1 - pp) / all->production.n);
}

/* Which ways have decided by now. */
static void
look(const TwStepSums *steps, int count, bool sessions, bool *decided)
{
	TwStepSums	all = {0};
	TwStepSums	messages[STEPS];
	TwComparison result;

	for (int i = 0; i < count; i++)
	{
		add_arm(&all.canary, &steps[i].canary);
		add_arm(&all.production, &steps[i].production);
		messages[i] = (TwStepSums) {as_messages(&steps[i].canary), as_messages(&steps[i].production)};
	}
	tw_compare_arms(steps, count, ALPHA, 1, &result);
	if (!is_measured(&result))
		return;
	decided[OURS] |= result.upper < 0;
	decided[BETTER] |= result.lower > 0;
	if (sessions)
	{
		tw_compare_arms(messages, count, ALPHA, 1, &result);
		decided[BY_MESSAGE] |= result.upper < 0;
		return;
	}
	tw_compare_arms(steps, count, GUARDRAIL_ALPHA, 1, &result);
	decided[THIRD] |= result.upper < 0;
	tw_compare_arms(&all, 1, ALPHA, 1, &result);
	decided[POOLED] |= result.upper < 0;
	decided[PEEKED] |= z_says_worse(&all);
}

/* One rollout; when each way decided, in requests, or 0. */
static void
roll_out(const Traffic *traffic, bool sessions, int *when)
{
	TwStepSums	steps[STEPS] = {0};
	bool		decided[WAYS] = {false};
	int			requests = 0;
	int			next = traffic->look;

	for (int w = 0; w < WAYS; w++)
		when[w] = 0;
	for (int s = 0; s < STEPS; s++)
		while (requests < (s + 1) * traffic->step_requests)
		{
			bool		is_canary = uniform() < traffic->shares[s];
			double		rate = session_rate(traffic->rates[s] - (is_canary ? traffic->loss : 0), traffic->correlation);
			int			good = 0;

			for (int m = 0; m < traffic->messages; m++)
				good += uniform() < rate;
			add_session(is_canary ? &steps[s].canary : &steps[s].production, traffic->messages, good);
			requests += traffic->messages;
			if (requests < next && requests < STEPS * traffic->step_requests)
				continue;
			next += traffic->look;
			look(steps, s + 1, sessions, decided);
			for (int w = 0; w < WAYS; w++)
				if (decided[w] && when[w] == 0)
					when[w] = requests;
		}
}

/* Prints for each way how many percent decided, and the mean number of requests until then (or until the end). */
static void
run(const Traffic *traffic, int runs, bool sessions)
{
	static const int one[] = {OURS, THIRD, BETTER, PEEKED, POOLED, -1};
	static const int many[] = {OURS, BETTER, BY_MESSAGE, -1};
	const int  *ways = sessions ? many : one;
	int			found[WAYS] = {0};
	double		sum[WAYS] = {0};

	for (int r = 0; r < runs; r++)
	{
		int			when[WAYS];

		roll_out(traffic, sessions, when);
		for (int w = 0; w < WAYS; w++)
		{
			found[w] += when[w] > 0;
			sum[w] += when[w] > 0 ? when[w] : STEPS * traffic->step_requests;
		}
	}
	printf("%-46s", traffic->name);
	for (int i = 0; ways[i] >= 0; i++)
		printf(" | %5.1f %% %6.0f", 100.0 * found[ways[i]] / runs, sum[ways[i]] / runs);
	printf("\n");
	fflush(stdout);
}

static void
print_headings(const char *first, const int *ways, int count)
{
	printf("\n%-46s", first);
	for (int i = 0; i < count; i++)
		printf(" | %14s", headings[ways[i]]);
	printf("\n");
}

static void
simulate_rollouts(int runs)
{
	static const char *const kinds[] = {"flat 0.90/0.90/0.90", "falling 0.95/0.92/0.86", "rising 0.86/0.92/0.95"};
	static const double rates[][STEPS] = {{0.90, 0.90, 0.90}, {0.95, 0.92, 0.86}, {0.86, 0.92, 0.95}};
	static const double losses[] = {0, 0.01, 0.02, 0.03, 0.05};

	print_headings("one message a session", (int[]) {OURS, THIRD, BETTER, PEEKED, POOLED}, 5);
	for (int l = 0; l < (int) lengthof(losses); l++)
		for (int k = 0; k < (int) lengthof(kinds); k++)
		{
			char		name[100];
			Traffic		traffic = {name, {rates[k][0], rates[k][1], rates[k][2]}, {0.10, 0.25, 0.50},
			losses[l], 1, 0, STEP_REQUESTS, LOOK};

			snprintf(name, sizeof(name), "loss %.0f points, %s", losses[l] * 100, kinds[k]);
			run(&traffic, runs, false);
		}
}

/* Equal models where the normal approximation is worst: small shares, rates near one, looks at every tenth request. */
static void
simulate_extremes(int runs)
{
	static const double shares[] = {0.01, 0.10, 0.25, 0.50};
	static const double rates[] = {0.86, 0.95, 0.99};

	print_headings("equal, 20,001 requests, a look every 25", (int[]) {OURS, THIRD, BETTER, PEEKED, POOLED}, 5);
	for (int s = 0; s < (int) lengthof(shares); s++)
		for (int r = 0; r < (int) lengthof(rates); r++)
		{
			char		name[100];
			double		p = rates[r];
			Traffic		traffic = {name, {p, p, p}, {shares[s], shares[s], shares[s]}, 0, 1, 0, STEP_REQUESTS, 25};

			snprintf(name, sizeof(name), "canary %.0f %%, rate %.2f", shares[s] * 100, p);
			run(&traffic, runs, false);
		}
}

static void
simulate_sessions(int runs)
{
	static const int messages[] = {1, 4, 8};
	static const double correlations[] = {0, 0.1, 0.3};

	print_headings("equal, rate 0.90, sessions", (int[]) {OURS, BETTER, BY_MESSAGE}, 3);
	for (int m = 0; m < (int) lengthof(messages); m++)
		for (int c = 0; c < (int) lengthof(correlations); c++)
		{
			char		name[100];
			Traffic		traffic = {name, {0.90, 0.90, 0.90}, {0.10, 0.25, 0.50},
			0, messages[m], correlations[c], STEP_REQUESTS, LOOK};

			snprintf(name, sizeof(name), "%d a session, correlation %.1f", messages[m], correlations[c]);
			run(&traffic, runs, true);
		}
}

/* Sessions until the alarm: looks at every 250th of 100,000, in steps of 10, 25 and 50 %, or 10 % throughout. */
static void
simulate_split(const char *name, int runs, double actual, double meant, bool steps)
{
	int			alarms = 0;
	double		sum = 0;

	for (int r = 0; r < runs; r++)
	{
		TwSplit		splits[STEPS] = {{0, 0, meant}, {0, 0, 0.25}, {0, 0, 0.50}};
		int			units = 0;

		while (units < 100000)
		{
			int			step = !steps ? 0 : units < 33250 ? 0 : units < 66500 ? 1 : 2;
			double		fraction = splits[step].fraction * actual / meant;

			for (int i = 0; i < 250; i++, units++)
				*(uniform() < fraction ? &splits[step].canary : &splits[step].production) += 1;
			if (tw_sample_ratio_log_evidence(splits, step + 1) >= log(1000))
			{
				alarms++;
				break;
			}
		}
		sum += units;
	}
	printf("%-46s | %6.3f %% %7.0f\n", name, 100.0 * alarms / runs, sum / runs);
	fflush(stdout);
}

/* Sums and what comes of them, for COPY: the SQL function has to say the same. */
static void
print_cases(int count)
{
	for (int i = 0; i < count; i++)
	{
		TwStepSums	steps[STEPS] = {0};
		TwComparison result;
		double		rate = 0.5 + 0.5 * uniform();
		double		alpha = 0.001 + 0.4 * uniform();
		const double *sums = (const double *) steps;

		for (int s = 0; s < 300 + 3000 * uniform(); s++)
		{
			int			messages = 1 + (int) (8 * uniform());
			double		own = session_rate(rate, 0.2);
			int			good = 0;
			int			step = (int) (STEPS * uniform());

			for (int m = 0; m < messages; m++)
				good += uniform() < own;
			add_session(uniform() < 0.2 ? &steps[step].canary : &steps[step].production, messages, good);
		}
		tw_compare_arms(steps, STEPS, alpha, 1, &result);
		printf("%.17g\t%.17g\t%.17g\t%.17g\t%.17g\t%.17g\t%.17g", alpha, result.canary_rate, result.production_rate,
			   result.difference, result.lower, result.upper, tw_minimum_detectable_loss(steps, STEPS, alpha, 1));
		for (int a = 0; a < 12; a++)
			printf("\t{%.17g,%.17g,%.17g}", sums[a], sums[12 + a], sums[24 + a]);
		printf("\n");
	}
}

int
main(int argc, char **argv)
{
	int			runs = argc > 2 ? atoi(argv[2]) : 2000;

	state = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
	if (argc > 1 && strcmp(argv[1], "cases") == 0)
	{
		print_cases(runs);
		return 0;
	}
	if (argc < 2 || strcmp(argv[1], "simulate") != 0)
	{
		fprintf(stderr, "usage: rollout simulate|cases [NUMBER [SEED]]\n");
		return 2;
	}
	simulate_rollouts(runs);
	simulate_sessions(runs);
	simulate_extremes(runs / 2);
	simulate_equal_models(runs);
	simulate_power(runs / 2);
	printf("\n%-46s | %16s\n", "the split, alpha 0.001", "alarms sessions");
	simulate_split("right, 10 %", runs * 5, 0.10, 0.10, false);
	simulate_split("right, 10, 25, 50 %", runs * 5, 0.10, 0.10, true);
	simulate_split("10 % is 12 %", runs, 0.12, 0.10, false);
	simulate_split("10 % is 9 %", runs, 0.09, 0.10, false);
	simulate_split("10 % is 5 %", runs, 0.05, 0.10, false);
	simulate_split("10 % is nothing", runs, 0, 0.10, false);
	return 0;
}
