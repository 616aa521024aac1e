/*
 * rollout.h
 *		What the parts of the simulation of rollouts share.
 */
#ifndef TW_BENCH_ROLLOUT_H
#define TW_BENCH_ROLLOUT_H

#include "rollout/sequential.h"

#undef printf
#undef fprintf
#undef snprintf
#undef qsort

#define ALPHA 0.05
#define GUARDRAIL_ALPHA (ALPHA / 3) /* of one of three guardrails */

/* What a look can say of equal models, and should not. */
typedef enum Saying
{
	SAYS_WORSE,					/* at alpha */
	SAYS_GUARDRAIL_WORSE,		/* at a third of alpha */
	SAYS_BETTER,				/* at alpha */
	SAYINGS
} Saying;

/* rollout.c */
extern double uniform(void);
extern double session_rate(double rate, double correlation);
extern void add_session(TwArmSums *arm, double n, double y);
extern bool is_measured(const TwComparison *result);

/* rollout_equal.c */
extern void look_at_equals(const TwStepSums *strata, int count, double effect, bool *said);
extern void print_equals(const char *name, const int *found, int runs);
extern void simulate_equal_models(int runs);

/* rollout_users.c */
extern void simulate_users(int runs);

/* rollout_labels.c */
extern void simulate_equal_labels(int runs);
extern void simulate_label_losses(int runs);

/* rollout_power.c */
extern void simulate_power(int runs);

#endif							/* TW_BENCH_ROLLOUT_H */
