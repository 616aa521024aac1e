/*
 * rollout_users.c
 *		Users who come back in later steps, and leave: a person is a session of
 *		each step. Strata and design effect are those of rollout_look.sql: by the
 *		step and by the step of the first visit, and the variance with the whole
 *		user as the cluster over that with visits taken as independent.
 */
#include "postgres.h"

#include <stdio.h>

#include "rollout.h"

#define STEPS 4
#define STRATA (STEPS * STEPS)
#define ARRIVALS 300			/* new users of a step */
#define USERS (STEPS * ARRIVALS)
#define LOOK 20					/* after so many visits */
#define MOST_MESSAGES 5			/* of a visit */

typedef struct User
{
	double		place;			/* the canary's below its share */
	double		rate;
	int			first_step;
	bool		first_arm;
	bool		has_left;
	int			n[STEPS];		/* messages, and good answers, of a step */
	int			y[STEPS];
	bool		is_canary[STEPS];
} User;

static const double shares[STEPS] = {0.1, 0.1, 0.25, 0.5};

static void
sum_up(const User *users, int steps, TwStepSums *strata)
{
	memset(strata, 0, sizeof(TwStepSums) * STRATA);
	for (int u = 0; u < USERS; u++)
		for (int s = 0; s < steps; s++)
		{
			TwStepSums *sums = &strata[s * STEPS + users[u].first_step];

			if (users[u].n[s] > 0)
				add_session(users[u].is_canary[s] ? &sums->canary : &sums->production, users[u].n[s], users[u].y[s]);
		}
}

/* As the common table expressions "residuals" and "effects" of rollout_look.sql have it. */
static double
design_effect(const User *users, int steps, const TwStepSums *strata)
{
	double		whole = 0;
	double		parts = 0;

	for (int u = 0; u < USERS; u++)
	{
		double		total = 0;

		for (int s = 0; s < steps; s++)
		{
			const TwStepSums *sums = &strata[s * STEPS + users[u].first_step];
			const TwArmSums *own = users[u].is_canary[s] ? &sums->canary : &sums->production;
			double		canary = sums->canary.units;
			double		production = sums->production.units;
			double		z;

			if (users[u].n[s] == 0 || canary == 0 || production == 0)
				continue;
			z = (users[u].y[s] - own->y / own->n * users[u].n[s]) / own->n;
			z *= canary * production / (canary + production);
			total += users[u].is_canary[s] ? z : -z;
			parts += z * z;
		}
		whole += total * total;
	}
	return parts > 0 ? Max(whole / parts, 1) : 1;
}

/* A user leaves after a bad answer in three of ten cases, and after a good one in two of a hundred. */
static void
visit(User *user, int step, bool keeps_version)
{
	bool		is_canary = user->place < shares[step];
	int			messages = 1 + (int) (MOST_MESSAGES * uniform());

	if (user->first_step == step)
		user->first_arm = is_canary;
	else if (keeps_version)
		is_canary = user->first_arm;
	user->is_canary[step] = is_canary;
	for (int m = 0; m < messages && !user->has_left; m++)
	{
		bool		good = uniform() < user->rate;

		user->n[step]++;
		user->y[step] += good;
		user->has_left = uniform() < (good ? 0.02 : 0.3);
	}
}

/* Who is still there, and who is new, once each in the step, in random order. */
static void
visit_all(User *users, int step, bool keeps_version, bool *said)
{
	int			order[USERS] = {0};
	int			count = (step + 1) * ARRIVALS;

	for (int i = 0; i < count; i++)
	{
		int			j = (int) ((i + 1) * uniform());

		order[i] = order[j];
		order[j] = i;
	}
	for (int i = 0; i < count; i++)
	{
		TwStepSums	strata[STRATA];

		if (!users[order[i]].has_left)
			visit(&users[order[i]], step, keeps_version);
		if ((i + 1) % LOOK != 0)
			continue;
		sum_up(users, step + 1, strata);
		look_at_equals(strata, (step + 1) * STEPS, design_effect(users, step + 1, strata), said);
	}
}

static void
run(double rate, bool keeps_version, int runs)
{
	static User users[USERS];
	int			found[SAYINGS] = {0};
	char		name[100];

	for (int r = 0; r < runs; r++)
	{
		bool		said[SAYINGS] = {false};

		for (int u = 0; u < USERS; u++)
			users[u] = (User) {.place = uniform(), .rate = session_rate(rate, 0.3), .first_step = u / ARRIVALS};
		for (int s = 0; s < STEPS; s++)
			visit_all(users, s, keeps_version, said);
		for (int s = 0; s < SAYINGS; s++)
			found[s] += said[s];
	}
	snprintf(name, sizeof(name), "rate %.1f, users who come back, and leave after bad answers%s", rate,
			 keeps_version ? ", kept" : "");
	print_equals(name, found, runs);
}

/* Once with the arm by the share that a step has, once with the first arm kept. */
void
simulate_users(int runs)
{
	static const double rates[] = {0.9, 0.7, 0.5};

	for (int r = 0; r < (int) lengthof(rates); r++)
		for (int keeps_version = 0; keeps_version < 2; keeps_version++)
			run(rates[r], keeps_version, runs);
}
