/*
 * train.c
 *		A training run: rows in, artifact out.
 */
#include "postgres.h"

#include "base/hash.h"
#include "miscadmin.h"
#include "model/artifact.h"
#include "model/training.h"
#include "utils/memutils.h"

#include <time.h>

#define MOST_WEIGHT 100.0f

typedef struct SortedRow
{
	uint64		hash;
	TwTrainingRow row;
} SortedRow;

/* Says what comes next. */
void
tw_begin_step(TwTrainingRun *run, const char *phase)
{
	if (run->progress != NULL)
		run->progress(phase, run->steps_done, run->steps, run->arg);
	run->steps_done++;
}

void
tw_measure_memory(TwTrainingRun *run)
{
	run->peak_bytes = Max(run->peak_bytes, MemoryContextMemAllocated(run->context, true));
}

static void
check_set(const TwTrainingSet *set)
{
	if (set->row_count < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is nothing to train on"),
				 errdetail("A router needs at least one row.")));
	if (set->label_count > TW_MODEL_LABELS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a router cannot tell %d labels apart", set->label_count),
				 errdetail("The limit is %d.", TW_MODEL_LABELS)));
	for (int i = 0; i < set->row_count; i++)
	{
		const TwTrainingRow *row = &set->rows[i];

		if (row->label < 0 || row->label >= set->label_count || row->length < 0 || !(row->weight > 0))
			elog(ERROR, "training row %d is invalid", i);
	}
}

static int
compare_rows(const void *a, const void *b)
{
	const SortedRow *one = a;
	const SortedRow *other = b;
	int			order;

	CHECK_FOR_INTERRUPTS();
	if (one->hash != other->hash)
		return one->hash < other->hash ? -1 : 1;
	order = memcmp(one->row.text, other->row.text, Min(one->row.length, other->row.length));
	if (order == 0)
		order = one->row.length - other->row.length;
	if (order == 0)
		order = one->row.label - other->row.label;
	if (order == 0)
		order = (one->row.weight > other->row.weight) - (one->row.weight < other->row.weight);
	return order;
}

/*
 * Brings weights to a mean of 1 where it is below: what matters is how they
 * compare, and if all were 0.3 nothing would be learned as firmly as it could be.
 */
static void
raise_weights(TwTrainingRow *rows, int row_count)
{
	double		sum = 0;

	for (int i = 0; i < row_count; i++)
		sum += rows[i].weight;
	if (sum >= row_count)
		return;
	for (int i = 0; i < row_count; i++)
		rows[i].weight = (float) Min(rows[i].weight / (sum / row_count), MOST_WEIGHT);
}

/* The rows in an order that is random but does not depend on how they came. */
static TwTrainingRow *
sort_rows(const TwTrainingSet *set)
{
	SortedRow  *sorted = palloc_extended(sizeof(SortedRow) * (Size) set->row_count, MCXT_ALLOC_HUGE);
	TwTrainingRow *rows = palloc_extended(sizeof(TwTrainingRow) * (Size) set->row_count, MCXT_ALLOC_HUGE);

	for (int i = 0; i < set->row_count; i++)
	{
		const TwTrainingRow *row = &set->rows[i];
		const char *label = set->labels[row->label];
		uint64		hash = tw_fnv(tw_fnv(TW_FNV_BASIS, row->text, row->length), label, strlen(label) + 1);

		CHECK_FOR_INTERRUPTS();
		sorted[i].hash = tw_finalise(hash);
		sorted[i].row = *row;
		sorted[i].row.weight = Min(row->weight, MOST_WEIGHT);
	}
	qsort(sorted, set->row_count, sizeof(SortedRow), compare_rows);
	for (int i = 0; i < set->row_count; i++)
		rows[i] = sorted[i].row;
	pfree(sorted);
	raise_weights(rows, set->row_count);
	return rows;
}

/* The classifier of these examples; a training has TW_CLASSIFIER_STEPS steps, that of making the examples among them. */
TwClassifier *
tw_train_classifier(TwTrainingRun *run, const TwExamples *examples)
{
	TwClassifier *classifier = palloc(sizeof(TwClassifier));
	TwDual	   *dual;

	classifier->bias = palloc0(sizeof(float) * examples->stride);
	classifier->slope = palloc0(sizeof(float) * examples->stride);
	tw_allocate_matrix(&classifier->weights, examples->vocabulary.count, examples->stride);
	tw_clear_matrix(&classifier->weights);

	/* The support vectors are enough to get their weights back: one matrix does for all. */
	dual = tw_solve_dual(run, examples, &classifier->weights, classifier->bias, TW_PASSES);
	tw_clear_matrix(&classifier->weights);
	memset(classifier->bias, 0, sizeof(float) * examples->stride);
	tw_learn_softmax(run, examples, &classifier->weights, classifier->bias, TW_EPOCHS);
	tw_fold(run, examples, dual, classifier);
	return classifier;
}

/* Room for a stride of scores. */
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

static double
training_accuracy(const TwExamples *examples, const TwClassifier *classifier)
{
	float	   *scores = palloc(sizeof(float) * examples->stride);
	int			right = 0;

	for (int i = 0; i < examples->count; i++)
	{
		const TwExample *example = &examples->at[i];

		CHECK_FOR_INTERRUPTS();
		tw_classifier_scores(classifier, example->features, example->count, scores);
		right += tw_best_label(scores, examples->label_count) == example->label;
	}
	pfree(scores);
	return (double) right / examples->count;
}

bytea *
tw_train_router(TwTrainingSet *set, TwProgress progress, void *arg, TwTrainingReport *report)
{
	clock_t		start = clock();
	MemoryContext caller = CurrentMemoryContext;
	TwTrainingRun run = {progress, arg};
	TwTrainingRow *rows;
	const TwTrainingRow **all;
	TwExamples *examples;
	TwClassifier *classifier;
	bytea	   *artifact;

	check_set(set);
	memset(report, 0, sizeof(TwTrainingReport));
	run.context = AllocSetContextCreate(caller, "router training", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(run.context);

	rows = sort_rows(set);
	tw_calibrate(&run, rows, set->row_count, set->label_count, report);

	all = palloc_extended(sizeof(TwTrainingRow *) * (Size) set->row_count, MCXT_ALLOC_HUGE);
	for (int i = 0; i < set->row_count; i++)
		all[i] = &rows[i];
	examples = tw_make_examples(&run, all, set->row_count, set->label_count);
	classifier = tw_train_classifier(&run, examples);
	report->training_accuracy = training_accuracy(examples, classifier);
	report->feature_count = examples->vocabulary.count;

	MemoryContextSwitchTo(caller);
	tw_begin_step(&run, "artifact");
	artifact = tw_write_artifact(set, examples, classifier, (float) report->temperature);
	tw_measure_memory(&run);
	MemoryContextDelete(run.context);
	report->cpu_seconds = (double) (clock() - start) / CLOCKS_PER_SEC;
	report->peak_bytes = run.peak_bytes;
	return artifact;
}
