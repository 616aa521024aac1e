/*
 * rollout_labels.c
 *		Accuracy, which is compared on the sessions that people have labelled:
 *		those of both versions alike, or those that the audit draws for a rollout.
 *		The audit takes so many of the canary's in the first step, as many of
 *		production's, and as many a day later on (rollout_audit.sql); each label
 *		weighs what it stands for.
 */
#include "postgres.h"

#include <math.h>
#include <stdio.h>

#include "rollout.h"

#define MAX_STEPS 4
#define REVIEWED 0.8			/* of what is drawn */

typedef struct Audit
{
	int			sessions;		/* a day */
	int			steps;
	double		shares[MAX_STEPS];
	double		rate;			/* at which they are drawn: all, or the canary's in the first step */
	bool		follows;		/* the rollout */
} Audit;

/* The chance of a label, and its weight but for what nobody reviews. */
static double
chance_of(const Audit *audit, int step, bool is_canary)
{
	double		arm = is_canary ? audit->shares[step] : 1 - audit->shares[step];

	return audit->follows ? Min(audit->rate * audit->shares[0] / arm, 1) : audit->rate;
}

/* One day after the other, a look after every label. Returns how many sessions came, all or until it is worse. */
static int
roll_out(const Audit *audit, double canary_rate, double production_rate, bool until_worse,
		 TwStepSums *steps, bool *said)
{
	int			n = 0;

	while (n < audit->steps * audit->sessions && !(until_worse && said[SAYS_GUARDRAIL_WORSE]))
	{
		int			step = n++ / audit->sessions;
		bool		is_canary = uniform() < audit->shares[step];
		double		chance = chance_of(audit, step, is_canary);
		bool		is_right = uniform() < (is_canary ? canary_rate : production_rate);

		if (uniform() >= chance * REVIEWED)
			continue;
		add_session(is_canary ? &steps[step].canary : &steps[step].production, 1 / chance, is_right ? 1 / chance : 0);
		look_at_equals(steps, step + 1, 1, said);
	}
	return n;
}

void
simulate_equal_labels(int runs)
{
	static const double rates[] = {0.93, 0.7, 0.5};
	static const int days[] = {1000, 5000};
	char		name[100];

	for (int d = 0; d < (int) lengthof(days); d++)
		for (int r = 0; r < (int) lengthof(rates); r++)
		{
			Audit		audit = {days[d], 4, {0.1, 0.1, 0.25, 0.5}, 0.35, true};
			int			found[SAYINGS] = {0};

			for (int i = 0; i < runs; i++)
			{
				TwStepSums	steps[MAX_STEPS] = {0};
				bool		said[SAYINGS] = {false};

				roll_out(&audit, rates[r], rates[r], false, steps, said);
				for (int s = 0; s < SAYINGS; s++)
					found[s] += said[s];
			}
			snprintf(name, sizeof(name), "rate %.2f, labels as the audit draws them, %d a day", rates[r], days[d]);
			print_equals(name, found, runs);
		}
}

static void
simulate_loss(const Audit *audit, double canary_rate, double production_rate, int runs)
{
	int			found = 0;
	double		days = 0;
	double		labels = 0;

	for (int i = 0; i < runs; i++)
	{
		TwStepSums	steps[MAX_STEPS] = {0};
		bool		said[SAYINGS] = {false};
		int			n = roll_out(audit, canary_rate, production_rate, true, steps, said);

		if (!said[SAYS_GUARDRAIL_WORSE])
			continue;
		found++;
		days += (double) n / audit->sessions;
		for (int s = 0; s < audit->steps; s++)
			labels += steps[s].canary.units;
	}
	printf("%.2f -> %.2f, %4d a day, %2.0f %% labelled, %-19s | %5.1f %% | %4.1f | %6.1f |\n",
		   production_rate, canary_rate, audit->sessions, 100 * audit->rate * REVIEWED,
		   audit->follows ? "for a rollout" : "of both alike", 100.0 * found / runs,
		   found > 0 ? days / found : 0, found > 0 ? labels / found : 0);
	fflush(stdout);
}

void
simulate_label_losses(int runs)
{
	static const Audit audits[] = {
		{1000, 4, {0.1, 0.1, 0.25, 0.5}, 0.07 / REVIEWED, false},
		{100, 1, {0.5}, 0.35, true},
		{500, 4, {0.1, 0.1, 0.25, 0.5}, 0.35, true},
		{1000, 4, {0.1, 0.1, 0.25, 0.5}, 0.35, true},
		{5000, 4, {0.1, 0.1, 0.25, 0.5}, 0.35, true},
	};
	static const double losses[] = {0.4, 0.2, 0.1};

	printf("\n%-60s | %7s | %4s | %6s |\n", "seen on labels before 100 %, and the canary's labels then",
		   "found", "days", "labels");
	for (int l = 0; l < (int) lengthof(losses); l++)
		for (int a = 0; a < (int) lengthof(audits); a++)
			simulate_loss(&audits[a], 0.93 - losses[l], 0.93, runs);
}
