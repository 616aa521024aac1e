/*
 * rollout_equal.c
 *		Equal models under the traffic that is hardest for the comparison: how
 *		often is the canary ever called worse, and how often better?
 */
#include "postgres.h"

#include <math.h>
#include <stdio.h>

#include "rollout.h"

#define MAX_STEPS 4
#define LONGEST 200
#define ZIPF 0					/* a length of sessions: on 1 to LONGEST, n messages with a chance that is as 1 / n */

typedef struct Traffic
{
	double		rate;
	int			steps;
	double		shares[MAX_STEPS];
	int			sessions;		/* of a step */
	int			look;			/* after so many sessions */
	int			canary_length;	/* messages of a session, or ZIPF */
	int			production_length;
	double		correlation;	/* between a session's messages */
	int			counted;		/* so many messages of a session; 0 = all */
	double		sine;			/* by how much the rate rises and falls in a step, which is a day */
} Traffic;

/* What was said too often, over all kinds of traffic. */
static int	kinds;
static int	failed_kinds;

/* Another alpha moves the bounds alone: what is worse at the smaller one is so at the larger. */
void
look_at_equals(const TwStepSums *strata, int count, double effect, bool *said)
{
	TwComparison result;

	tw_compare_arms(strata, count, ALPHA, effect, &result);
	if (!is_measured(&result))
		return;
	said[SAYS_BETTER] |= result.lower > 0;
	if (result.upper >= 0)
		return;
	said[SAYS_WORSE] = true;
	if (said[SAYS_GUARDRAIL_WORSE])
		return;
	tw_compare_arms(strata, count, GUARDRAIL_ALPHA, effect, &result);
	said[SAYS_GUARDRAIL_WORSE] = result.upper < 0;
}

/* Percentages with their standard errors. A name in brackets is that of a kind which the method is not made for. */
void
print_equals(const char *name, const int *found, int runs)
{
	bool		has_failed = false;

	printf("%-70s |", name);
	for (int s = 0; s < SAYINGS; s++)
	{
		double		share = (found[s] + 0.5) / (runs + 1);
		double		error = sqrt(share * (1 - share) / runs);

		printf(" %5.2f +- %.2f |", 100.0 * found[s] / runs, 100 * error);
		has_failed |= (double) found[s] / runs > ALPHA + 2 * error;
	}
	printf("%s\n", has_failed ? " above 5 %" : "");
	fflush(stdout);
	if (name[0] == '(')
		return;
	kinds++;
	failed_kinds += has_failed;
}

static int
zipf_length(void)
{
	static double below[LONGEST + 1];	/* the chance of at most so many messages */
	double		u = uniform();
	int			n = 1;

	if (below[LONGEST] == 0)
	{
		double		total = 0;

		for (int i = 1; i <= LONGEST; i++)
			total += 1.0 / i;
		for (int i = 1; i <= LONGEST; i++)
			below[i] = below[i - 1] + 1 / total / i;
	}
	while (n < LONGEST && below[n] <= u)
		n++;
	return n;
}

static void
add_random_session(const Traffic *traffic, int step, double time, TwStepSums *sums)
{
	bool		is_canary = uniform() < traffic->shares[step];
	int			length = is_canary ? traffic->canary_length : traffic->production_length;
	double		rate = traffic->rate + (traffic->sine > 0 ? traffic->sine * sin(2 * M_PI * time) : 0);
	int			good = 0;

	if (length == ZIPF)
		length = zipf_length();
	if (traffic->counted > 0)
		length = Min(length, traffic->counted);
	rate = session_rate(rate, traffic->correlation);
	for (int m = 0; m < length; m++)
		good += uniform() < rate;
	add_session(is_canary ? &sums->canary : &sums->production, length, good);
}

static void
run(const char *name, const Traffic *traffic, int runs)
{
	int			found[SAYINGS] = {0};

	for (int r = 0; r < runs; r++)
	{
		TwStepSums	steps[MAX_STEPS] = {0};
		bool		said[SAYINGS] = {false};

		for (int s = 0; s < traffic->steps; s++)
			for (int i = 1; i <= traffic->sessions; i++)
			{
				add_random_session(traffic, s, (double) i / traffic->sessions, &steps[s]);
				if (i % traffic->look == 0 || i == traffic->sessions)
					look_at_equals(steps, s + 1, 1, said);
			}
		for (int s = 0; s < SAYINGS; s++)
			found[s] += said[s];
	}
	print_equals(name, found, runs);
}

static void
simulate_shares(int runs)
{
	static const double rates[] = {0.99, 0.9, 0.7, 0.5};
	static const double shares[] = {0.01, 0.05, 0.10};
	static const int looks[] = {250, 25};
	char		name[100];

	for (int l = 0; l < (int) lengthof(looks); l++)
		for (int r = 0; r < (int) lengthof(rates); r++)
			for (int s = 0; s < (int) lengthof(shares); s++)
			{
				Traffic		traffic = {rates[r], 1, {shares[s]}, 20000, looks[l], 1, 1, 0, 0, 0};

				/* Many looks take long. */
				if (looks[l] < 250 && shares[s] == 0.05)
					continue;
				snprintf(name, sizeof(name), "rate %.2f, canary %.0f %% of 20,000 sessions, a look every %d",
						 rates[r], 100 * shares[s], looks[l]);
				run(name, &traffic, runs);
			}
}

/* Little traffic: the first looks are at ten sessions of an arm. */
static void
simulate_few(int runs)
{
	static const double rates[] = {0.99, 0.9, 0.7, 0.5};
	static const double shares[] = {0.5, 0.1};
	static const int lengths[] = {1, 10, ZIPF};
	static const char *const names[] = {
		"1 message each", "10 messages, correlation 0.3", "Zipf, first 10, correlation 0.3"
	};
	char		name[100];

	for (int n = 0; n < (int) lengthof(lengths); n++)
		for (int s = 0; s < (int) lengthof(shares); s++)
			for (int r = 0; r < (int) lengthof(rates); r++)
			{
				Traffic		traffic = {rates[r], 1, {shares[s]}, 50 * 28, 2, lengths[n], lengths[n],
				lengths[n] == 1 ? 0 : 0.3, 10, 0};

				snprintf(name, sizeof(name), "rate %.2f, 50 a day, 28 days at %.0f %%, %s",
						 rates[r], 100 * shares[s], names[n]);
				run(name, &traffic, runs);
			}
}

static void
simulate_zipf(int runs)
{
	static const double rates[] = {0.9, 0.7, 0.5};
	static const double correlations[] = {0.2, 0.3};
	static const int days[] = {1000, 5000};
	char		name[100];

	for (int d = 0; d < (int) lengthof(days); d++)
		for (int r = 0; r < (int) lengthof(rates); r++)
			for (int c = 0; c < (int) lengthof(correlations); c++)
				for (int counted = 10; counted >= 0; counted -= 10)
				{
					Traffic		traffic = {rates[r], 3, {0.1, 0.25, 0.5}, days[d], days[d] / 50, ZIPF, ZIPF,
					correlations[c], counted, 0};

					/* Long days take long. */
					if (days[d] > 1000 && (rates[r] == 0.7 || correlations[c] < 0.3))
						continue;
					snprintf(name, sizeof(name), counted > 0 ?
							 "rate %.1f, %d a day, Zipf, correlation %.1f, first 10 messages" :
							 "(rate %.1f, %d a day, Zipf, correlation %.1f, all messages)",
							 rates[r], days[d], correlations[c]);
					run(name, &traffic, days[d] > 1000 ? runs / 2 : runs);
				}
}

static void
simulate_lengths(int runs)
{
	static const double rates[] = {0.9, 0.7, 0.5};
	static const int lengths[][2] = {{1, 4}, {4, 1}};
	char		name[100];

	for (int r = 0; r < (int) lengthof(rates); r++)
		for (int n = 0; n < (int) lengthof(lengths); n++)
		{
			Traffic		traffic = {rates[r], 3, {0.1, 0.25, 0.5}, 1000, 20, lengths[n][0], lengths[n][1], 0.2, 10, 0};

			snprintf(name, sizeof(name), "rate %.1f, canary sessions of %d, production's of %d, correlation 0.2",
					 rates[r], lengths[n][0], lengths[n][1]);
			run(name, &traffic, runs);
		}
	{
		Traffic		traffic = {0.9, 3, {0.1, 0.25, 0.5}, 1000, 20, 10, 1, 0.3, 10, 0};

		run("(rate 0.9, canary sessions of 10, production's of 1, correlation 0.3)", &traffic, runs);
	}
}

static void
simulate_days(int runs)
{
	static const double rates[] = {0.9, 0.7, 0.5};
	char		name[100];

	for (int r = 0; r < (int) lengthof(rates); r++)
	{
		Traffic		traffic = {rates[r], 4, {0.1, 0.1, 0.25, 0.5}, 1000, 20, 2, 2, 0.2, 10, 0.08};

		snprintf(name, sizeof(name), "rate %.1f, 8 points up and down each day, 1000 a day", rates[r]);
		run(name, &traffic, runs);
	}
}

void
simulate_equal_models(int runs)
{
	printf("\n%-70s | %13s | %13s | %13s |\n", "equal models, % ever called", "worse", "alpha/3 worse", "better");
	simulate_shares(runs);
	simulate_few(runs);
	simulate_zipf(runs);
	simulate_lengths(runs);
	simulate_days(runs);
	simulate_users(runs);
	simulate_equal_labels(runs);
	printf("%d of %d kinds above 5 %% by more than two standard errors, those in brackets aside\n",
		   failed_kinds, kinds);
}
