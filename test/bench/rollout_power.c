/*
 * rollout_power.c
 *		What a rollout finds, and how soon, as it really runs: alpha shared by
 *		three guardrails of which one has the loss, steps of a day, and no
 *		comparison once the new version has all sessions.
 */
#include "postgres.h"

#include <stdio.h>
#include <stdlib.h>

#include "rollout.h"

#define MAX_STEPS 4
#define MIN_UNITS 50			/* rollout_min_units */

typedef struct Ramp
{
	int			sessions;		/* a day */
	int			steps;
	double		shares[MAX_STEPS];
} Ramp;

/* As tw_fitting_steps() chooses them. */
static const Ramp ramps[] = {
	{50, 1, {0.5}},
	{100, 1, {0.5}},
	{200, 2, {0.25, 0.5}},
	{1000, 4, {0.1, 0.1, 0.25, 0.5}},
	{5000, 4, {0.1, 0.1, 0.25, 0.5}},
};

static bool
is_worse(const TwStepSums *steps, int count)
{
	TwComparison result;

	tw_compare_arms(steps, count, GUARDRAIL_ALPHA, 1, &result);
	return is_measured(&result) && result.upper < 0;
}

/* Whether it rolls back before it has all sessions, and the canary's sessions until then. A hundred looks a day. */
static bool
rolls_back(const Ramp *ramp, double rate, double loss, int *canary_sessions)
{
	TwStepSums	steps[MAX_STEPS] = {0};
	int			look = Max(ramp->sessions / 100, 1);

	*canary_sessions = 0;
	for (int s = 0; s < ramp->steps; s++)
		for (int i = 1; i <= ramp->sessions || Min(steps[s].canary.units, steps[s].production.units) < MIN_UNITS; i++)
		{
			bool		is_canary = uniform() < ramp->shares[s];

			add_session(is_canary ? &steps[s].canary : &steps[s].production, 1,
						uniform() < rate - (is_canary ? loss : 0));
			*canary_sessions += is_canary;
			if (i % look == 0 && is_worse(steps, s + 1))
				return true;
		}
	return false;
}

static void
simulate_ramp(const Ramp *ramp, double rate, const double *losses, int count, int runs)
{
	printf("%6d a day, %d step%s", ramp->sessions, ramp->steps, ramp->steps > 1 ? "s" : " ");
	for (int l = 0; l < count; l++)
	{
		int			found = 0;
		double		until = 0;

		for (int i = 0; i < runs; i++)
		{
			int			canary_sessions;

			if (!rolls_back(ramp, rate, Min(losses[l], rate), &canary_sessions))
				continue;
			found++;
			until += canary_sessions;
		}
		printf(" | %5.1f %% %4.0f", 100.0 * found / runs, found > 0 ? until / found : 0);
		fflush(stdout);
	}
	printf(" |\n");
}

static void
simulate_ramps(double rate, int runs)
{
	static const double losses[] = {0.01, 0.03, 0.05, 0.10, 0.20, 0.40, 1};

	printf("\nrate %.2f, loss of  ", rate);
	for (int l = 0; l < (int) lengthof(losses) - 1; l++)
		printf(" | %5.0f points", 100 * losses[l]);
	printf(" | fails always |\n");
	for (int r = 0; r < (int) lengthof(ramps); r++)
		simulate_ramp(&ramps[r], rate, losses, lengthof(losses), runs);
}

static int
compare_ints(const void *a, const void *b)
{
	return *(const int *) a - *(const int *) b;
}

/* How many sessions of a canary that fails always it takes, with a look after every session. */
static void
simulate_disaster(double rate, double share, int runs)
{
	int		   *until = malloc(sizeof(int) * runs);
	double		sum = 0;

	for (int i = 0; i < runs; i++)
	{
		TwStepSums	step = {0};

		do
		{
			bool		is_canary = uniform() < share;

			add_session(is_canary ? &step.canary : &step.production, 1, !is_canary && uniform() < rate);
		} while (!is_worse(&step, 1));
		until[i] = step.canary.units;
		sum += until[i];
	}
	qsort(until, runs, sizeof(int), compare_ints);
	printf("%.2f -> 0, canary %2.0f %%, a look after every session            | %6.1f | %4d | %4d |\n",
		   rate, 100 * share, sum / runs, until[(runs - 1) * 99 / 100], until[runs - 1]);
	fflush(stdout);
	free(until);
}

void
simulate_power(int runs)
{
	printf("\nrolled back before 100 %%, and the canary's sessions until then; %d rollouts of each kind\n", runs);
	simulate_ramps(0.90, runs);
	simulate_ramps(0.95, runs);

	printf("\n%-61s | %6s | %4s | %4s |\n", "a canary that fails always: its sessions until it is worse",
		   "mean", "99 %", "most");
	simulate_disaster(0.95, 0.5, runs);
	simulate_disaster(0.95, 0.1, runs);
	simulate_disaster(0.90, 0.5, runs);
	simulate_disaster(0.90, 0.1, runs);
	simulate_label_losses(runs);
}
