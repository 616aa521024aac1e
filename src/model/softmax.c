/*
 * softmax.c
 *		Multinomial logistic regression with a margin, by stochastic gradient
 *		descent with label smoothing, half of the features left out at each step.
 */
#include "postgres.h"

#include "base/hash.h"
#include "miscadmin.h"
#include "model/solvers.h"

#include <math.h>

/* The margin by which the true label's score must lead. */
#define MARGIN 2.0f
/* Label smoothing: the fraction of the target that is spread over all labels. */
#define SMOOTHING 0.1f
/* The initial step size, which falls to 0, and the factor for the steps of the bias. */
#define FIRST_STEP 2.0f
#define BIAS_STEP 0.1f

#define SEED UINT64CONST(0x9E3779B97F4A7C15)

/* A score that no label has: padding must not count. */
#define NO_SCORE -1e30f

typedef struct Learner
{
	const TwExamples *examples;
	TwMatrix   *weights;
	float	   *bias;
	float	   *scores;
	TwFeature  *kept;			/* room for an example's features */
	uint64		random;
} Learner;

/* Keeps each feature with probability one half (dropout: Srivastava et al., JMLR 2014), and doubles those kept. */
static int
drop_features(Learner *learner, const TwExample *example)
{
	uint64		bits = 0;
	int			count = 0;

	for (int i = 0; i < example->count; i++)
	{
		if (i % 64 == 0)
			bits = tw_xorshift(&learner->random);
		learner->kept[count] = example->features[i];
		learner->kept[count].value *= 2;
		count += bits & 1;
		bits >>= 1;
	}
	return count;
}

static void
visit(Learner *learner, const TwExample *example, float weight, float step)
{
	int			labels = learner->examples->label_count;
	int			stride = learner->examples->stride;
	float	   *scores = learner->scores;
	int			count = drop_features(learner, example);
	float		largest;
	float		scale;

	memcpy(scores, learner->bias, sizeof(float) * labels);
	tw_add_rows(scores, learner->weights, learner->kept, count);
	scores[example->label] -= MARGIN;
	for (int k = labels; k < stride; k++)
		scores[k] = NO_SCORE;
	largest = scores[0];
	for (int k = 1; k < labels; k++)
		largest = Max(largest, scores[k]);
	scale = 1 / tw_exponentials(scores, stride, largest);

	/* From here on, the array holds the gradient. */
	for (int k = 0; k < labels; k++)
		scores[k] = scores[k] * scale - SMOOTHING / labels;
	for (int k = labels; k < stride; k++)
		scores[k] = 0;
	scores[example->label] -= 1 - SMOOTHING;
	tw_add_to_rows(learner->weights, learner->kept, count, -step * weight, scores);
	for (int k = 0; k < labels; k++)
		learner->bias[k] -= step * weight * BIAS_STEP * scores[k];
}

/*
 * The visits of an epoch: an example of weight 3.5 is visited four times, with
 * weight 7/8 each, since steps beyond the usual length would not converge.
 */
static int *
list_visits(const TwExamples *examples, int *visit_count)
{
	int64		total = 0;
	int		   *visits;
	int			count = 0;

	for (int i = 0; i < examples->count; i++)
		total += (int) ceilf(examples->at[i].weight);
	if (total > PG_INT32_MAX / 16)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("there is too much to train on"),
				 errdetail("The weights of the rows add up to " INT64_FORMAT ".", total)));
	visits = palloc_extended(sizeof(int) * (Size) total, MCXT_ALLOC_HUGE);
	for (int i = 0; i < examples->count; i++)
	{
		for (int j = (int) ceilf(examples->at[i].weight); j > 0; j--)
			visits[count++] = i;
	}
	*visit_count = count;
	return visits;
}

void
tw_learn_softmax(TwTrainingRun *run, const TwExamples *examples, TwMatrix *weights, float *bias, int epochs)
{
	Learner		learner = {examples, weights, bias};
	int			visit_count;
	int		   *visits = list_visits(examples, &visit_count);
	int			most_features = 0;
	int64		done = 0;

	for (int i = 0; i < examples->count; i++)
		most_features = Max(most_features, examples->at[i].count);
	learner.scores = palloc0(sizeof(float) * examples->stride);
	learner.kept = palloc(sizeof(TwFeature) * (most_features + 1));
	learner.random = SEED;
	for (int epoch = 0; epoch < epochs; epoch++)
	{
		tw_begin_step(run, "softmax");
		tw_shuffle(visits, visit_count, &learner.random);
		for (int j = 0; j < visit_count; j++, done++)
		{
			const TwExample *example = &examples->at[visits[j]];
			float		step = FIRST_STEP * (1 - (float) done / ((float) epochs * visit_count));

			CHECK_FOR_INTERRUPTS();
			visit(&learner, example, example->weight / ceilf(example->weight), step);
		}
	}
	tw_measure_memory(run);
	pfree(visits);
	pfree(learner.scores);
	pfree(learner.kept);
}
