/*
 * crammer_singer.c
 *		A linear multi-class support vector machine: Crammer and Singer, On the algorithmic implementation of multiclass
 *		kernel-based vector machines (JMLR 2001), solved by the sequential dual method of Keerthi et al., A sequential
 *		dual method for large scale multi-class linear SVMs (KDD 2008).
 *
 * The bias is the weight of a feature of value 1. An example of weight w has the cost C * w. Dual variables (alpha) are
 * kept for support vectors only.
 */
#include "postgres.h"

#include "base/hash.h"
#include "miscadmin.h"
#include "model/solvers.h"

#define COST 1.0f

/* Smaller changes of an alpha are not worth an update. */
#define LEAST_CHANGE 1e-6f

#define SEED UINT64CONST(0x2545F4914F6CDD1D)

typedef struct Solver
{
	const TwExamples *examples;
	TwMatrix   *weights;
	float	   *bias;
	TwDual	   *dual;
	float	   *scores;
	float	   *alpha;			/* of the current example, 0 elsewhere */
	float	   *changes;		/* of alpha, 0 elsewhere */
	int		   *changed;		/* labels whose alpha changed */
} Solver;

/*
 * The threshold above which the excess adds up to A * cost: o holds the gradients, the true label's raised by
 * A * cost - 1. Both stops are needed: with rounding, the loop might not end otherwise.
 */
static float
find_threshold(const float *o, int labels, float a_cost)
{
	float		beta = o[0];
	int			previous = labels + 1;

	for (int k = 1; k < labels; k++)
		beta = Max(beta, o[k]);
	beta -= a_cost;
	for (;;)
	{
		float		sum = 0;
		float		next;
		int			above = 0;

		for (int k = 0; k < labels; k++)
		{
			if (o[k] > beta)
			{
				sum += o[k];
				above++;
			}
		}
		if (above == 0 || above >= previous)
			return beta;
		next = (sum - a_cost) / above;
		previous = above;
		if (next <= beta)
			return beta;
		beta = next;
	}
}

static void
keep_support(Solver *solver, int i)
{
	TwDual	   *dual = solver->dual;
	int			labels = solver->examples->label_count;
	int			count = 0;

	for (int k = 0; k < labels; k++)
		count += solver->alpha[k] != 0;
	if (count > dual->counts[i])
	{
		if (dual->support[i] != NULL)
			pfree(dual->support[i]);
		dual->support[i] = palloc(sizeof(TwSupport) * count);
	}
	dual->counts[i] = count;
	count = 0;
	for (int k = 0; k < labels; k++)
	{
		if (solver->alpha[k] != 0)
			dual->support[i][count++] = (TwSupport) {k, solver->alpha[k]};
	}
}

/* Updates all labels at once while many change, and clears the changes. */
static void
apply_changes(Solver *solver, const TwExample *example, int changed)
{
	if (changed > solver->weights->stride / TW_LANES)
		tw_add_to_rows(solver->weights, example->features, example->count, 1, solver->changes);
	else
	{
		for (int j = 0; j < example->count; j++)
		{
			float	   *row = tw_matrix_row(solver->weights, example->features[j].id);

			for (int c = 0; c < changed; c++)
				row[solver->changed[c]] += example->features[j].value * solver->changes[solver->changed[c]];
		}
	}
	for (int c = 0; c < changed; c++)
	{
		solver->bias[solver->changed[c]] += solver->changes[solver->changed[c]];
		solver->changes[solver->changed[c]] = 0;
	}
}

/* Finds the best alphas of one example, given all others; returns whether they changed. */
static bool
visit(Solver *solver, int i)
{
	const TwExample *example = &solver->examples->at[i];
	int			labels = solver->examples->label_count;
	float		a = 1 + example->square;
	float		cost = COST * example->weight;
	float	   *o = solver->scores;
	float		beta;
	int			changed = 0;

	for (int k = 0; k < labels; k++)
		o[k] = solver->bias[k] + 1;
	tw_add_rows(o, solver->weights, example->features, example->count);
	for (int j = 0; j < solver->dual->counts[i]; j++)
	{
		TwSupport  *support = &solver->dual->support[i][j];

		solver->alpha[support->label] = support->alpha;
		o[support->label] -= a * support->alpha;
	}
	o[example->label] += a * cost - 1;
	beta = find_threshold(o, labels, a * cost);

	for (int k = 0; k < labels; k++)
	{
		float		alpha = Min(0.0f, (beta - o[k]) / a) + (k == example->label ? cost : 0);
		float		change = alpha - solver->alpha[k];

		if (change > LEAST_CHANGE || change < -LEAST_CHANGE)
		{
			solver->alpha[k] = alpha;
			solver->changes[k] = change;
			solver->changed[changed++] = k;
		}
	}
	if (changed > 0)
	{
		apply_changes(solver, example, changed);
		keep_support(solver, i);
	}
	memset(solver->alpha, 0, sizeof(float) * labels);
	return changed > 0;
}

TwDual *
tw_solve_dual(TwTrainingRun *run, const TwExamples *examples, TwMatrix *weights, float *bias, int passes)
{
	Solver		solver = {examples, weights, bias};
	int		   *order = palloc_extended(sizeof(int) * (Size) examples->count, MCXT_ALLOC_HUGE);
	uint8	   *idle = palloc0(examples->count);
	uint64		random = SEED;

	solver.dual = palloc(sizeof(TwDual));
	solver.dual->support = palloc0(sizeof(TwSupport *) * examples->count);
	solver.dual->counts = palloc0(sizeof(int) * examples->count);
	solver.scores = palloc0(sizeof(float) * examples->stride);
	solver.alpha = palloc0(sizeof(float) * examples->stride);
	solver.changes = palloc0(sizeof(float) * examples->stride);
	solver.changed = palloc(sizeof(int) * examples->stride);
	for (int i = 0; i < examples->count; i++)
		order[i] = i;

	for (int pass = 0; pass < passes; pass++)
	{
		tw_begin_step(run, "support vectors");
		tw_shuffle(order, examples->count, &random);
		for (int j = 0; j < examples->count; j++)
		{
			int			i = order[j];

			CHECK_FOR_INTERRUPTS();
			/* An example that did not change twice rarely changes later: it is skipped in three of four passes. */
			if (idle[i] >= 2 && (pass & 3) != 3)
				continue;
			idle[i] = visit(&solver, i) ? 0 : idle[i] + 1;
		}
	}
	tw_measure_memory(run);
	pfree(order);
	pfree(idle);
	return solver.dual;
}
