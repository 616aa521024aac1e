/*
 * classifier.c
 *		One linear classifier, combined from three: the softmax, the support vector machine and naive Bayes, whose
 *		scores differ enough to correct each other.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "model/classifier.h"

#include <math.h>

/* The strength of naive Bayes' prior, as a count of features. */
#define BAYES_PRIOR 50.0

/* Features are counted in this many parts: less memory, but one pass over the examples for each. */
#define BAYES_PARTS 8

/* The weights of the support vector machine are sums over its support vectors. */
static void
add_support(const TwExamples *examples, const TwDual *dual, TwClassifier *classifier)
{
	for (int i = 0; i < examples->count; i++)
	{
		const TwExample *example = &examples->at[i];

		CHECK_FOR_INTERRUPTS();
		for (int s = 0; s < dual->counts[i]; s++)
			classifier->bias[dual->support[i][s].label] += TW_SUPPORT_SHARE * dual->support[i][s].alpha;
		for (int j = 0; j < example->count; j++)
		{
			float	   *row = tw_matrix_row(&classifier->weights, example->features[j].id);
			float		value = TW_SUPPORT_SHARE * example->features[j].value;

			for (int s = 0; s < dual->counts[i]; s++)
				row[dual->support[i][s].label] += value * dual->support[i][s].alpha;
		}
	}
}

/* The weighted sum of feature values of each label; returns the total. */
static double
count_labels(const TwExamples *examples, double *label_counts)
{
	double		total = 0;

	for (int i = 0; i < examples->count; i++)
	{
		const TwExample *example = &examples->at[i];
		double		sum = 0;

		for (int j = 0; j < example->count; j++)
			sum += example->features[j].value;
		label_counts[example->label] += example->weight * sum;
	}
	for (int k = 0; k < examples->label_count; k++)
		total += label_counts[k];
	return total;
}

static void
count_features(const TwExamples *examples, TwMatrix *counts, uint32 first)
{
	for (int i = 0; i < examples->count; i++)
	{
		const TwExample *example = &examples->at[i];

		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < example->count; j++)
		{
			uint32		row = example->features[j].id - first;

			/* wraps around for what is before `first` */
			if (row < (uint32) counts->rows)
				tw_matrix_row(counts, row)[example->label] += example->weight * example->features[j].value;
		}
	}
}

/* The log likelihood ratio of a label given a feature, shrunk to 0 by the prior; 0 where the two never met. */
static void
add_log_ratios(const TwMatrix *counts, int labels, double total, TwMatrix *weights, int first)
{
	for (int i = 0; i < counts->rows; i++)
	{
		const float *count = tw_matrix_row(counts, i);
		float	   *row = tw_matrix_row(weights, first + i);
		double		sum = 0;

		CHECK_FOR_INTERRUPTS();
		for (int k = 0; k < labels; k++)
			sum += count[k];
		for (int k = 0; k < labels; k++)
		{
			if (count[k] > 0)
				row[k] += (float) (TW_BAYES_SHARE * log(1 + count[k] * total / (BAYES_PRIOR * sum)));
		}
	}
}

/* Multinomial naive Bayes in closed form, over the features' values instead of counts. */
static void
add_bayes(TwTrainingRun *run, const TwExamples *examples, TwClassifier *classifier)
{
	int			labels = examples->label_count;
	int			features = classifier->weights.rows;
	double	   *label_counts = palloc0(sizeof(double) * labels);
	double		total = count_labels(examples, label_counts);
	int			part = features / BAYES_PARTS + 1;
	TwMatrix	counts;

	for (int k = 0; k < labels; k++)
		classifier->slope[k] = (float) (TW_BAYES_SHARE * log(BAYES_PRIOR / (label_counts[k] + BAYES_PRIOR)));
	tw_allocate_matrix(&counts, part, classifier->weights.stride);
	for (int first = 0; first < features; first += part)
	{
		counts.rows = Min(part, features - first);
		tw_clear_matrix(&counts);
		count_features(examples, &counts, first);
		add_log_ratios(&counts, labels, total, &classifier->weights, first);
	}
	tw_measure_memory(run);
	pfree(counts.chunk);
	pfree(label_counts);
}

/* Adds the support vector machine and naive Bayes to a classifier that has the softmax's weights. */
void
tw_combine(TwTrainingRun *run, const TwExamples *examples, const TwDual *dual, TwClassifier *classifier)
{
	tw_begin_step(run, "combining");
	add_support(examples, dual, classifier);
	add_bayes(run, examples, classifier);
}

/*
 * Trains the classifier of these examples. A training has TW_CLASSIFIER_STEPS steps, including that of making the
 * examples.
 */
TwClassifier *
tw_train_classifier(TwTrainingRun *run, const TwExamples *examples)
{
	TwClassifier *classifier = palloc(sizeof(TwClassifier));
	TwDual	   *dual;

	classifier->bias = palloc0(sizeof(float) * examples->stride);
	classifier->slope = palloc0(sizeof(float) * examples->stride);
	tw_allocate_matrix(&classifier->weights, examples->vocabulary.count, examples->stride);
	tw_clear_matrix(&classifier->weights);

	/* The weights can be computed from the support vectors: one matrix serves all three. */
	dual = tw_solve_dual(run, examples, &classifier->weights, classifier->bias, TW_PASSES);
	tw_clear_matrix(&classifier->weights);
	memset(classifier->bias, 0, sizeof(float) * examples->stride);
	tw_learn_softmax(run, examples, &classifier->weights, classifier->bias, TW_EPOCHS);
	tw_combine(run, examples, dual, classifier);
	return classifier;
}

/* The scores of all labels; `scores` has room for a stride. */
void
tw_classifier_scores(const TwClassifier *classifier, const TwFeature *features, int count, float *scores)
{
	float		sum = 0;

	for (int i = 0; i < count; i++)
		sum += features[i].value;
	for (int k = 0; k < classifier->weights.stride; k++)
		scores[k] = classifier->bias[k] + classifier->slope[k] * sum;
	tw_add_rows(scores, &classifier->weights, features, count);
}

int
tw_best_label(const float *scores, int label_count)
{
	int			best = 0;

	for (int k = 1; k < label_count; k++)
	{
		if (scores[k] > scores[best])
			best = k;
	}
	return best;
}
