/*
 * train.c
 *		A training run: rows in, artifact out.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "model/artifact.h"
#include "model/hash.h"
#include "model/training.h"
#include "utils/memutils.h"

#include <time.h>

#define PASSES 6
#define EPOCHS 6
#define MOST_WEIGHT 100.0f

/* One row in this many is held out for the temperature. */
#define HOLD_OUT 7

typedef struct SortedRow
{
	uint64		hash;
	TwTrainingRow row;
	const char *label;
} SortedRow;

void
tw_report_progress(TwTrainingRun *run, const char *phase, int done, int total)
{
	if (run->progress != NULL)
		run->progress(phase, done, total, run->arg);
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
				 errmsg("there is nothing to train on")));
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
	return rows;
}

TwClassifier *
tw_train_classifier(TwTrainingRun *run, const TwExamples *examples, int passes, int epochs)
{
	TwClassifier *classifier = palloc(sizeof(TwClassifier));
	TwDual	   *dual;

	classifier->bias = palloc0(sizeof(float) * examples->stride);
	classifier->slope = palloc0(sizeof(float) * examples->stride);
	tw_allocate_matrix(&classifier->weights, examples->vocabulary.count, examples->stride);
	tw_clear_matrix(&classifier->weights);

	/* The support vectors are enough to get their weights back: one matrix does for all. */
	dual = tw_solve_dual(run, examples, &classifier->weights, classifier->bias, passes);
	tw_clear_matrix(&classifier->weights);
	memset(classifier->bias, 0, sizeof(float) * examples->stride);
	tw_learn_softmax(run, examples, &classifier->weights, classifier->bias, epochs);
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

static int
best_label(const float *scores, int label_count)
{
	int			best = 0;

	for (int k = 1; k < label_count; k++)
	{
		if (scores[k] > scores[best])
			best = k;
	}
	return best;
}

static void
score_held_out(const TwExamples *examples, const TwClassifier *classifier, TwTrainingRow **rows, TwHeldOut *held_out)
{
	TwFeatureScratch *scratch = tw_feature_scratch();

	held_out->stride = examples->stride;
	held_out->scores = palloc_extended(sizeof(float) * (Size) held_out->count * held_out->stride, MCXT_ALLOC_HUGE);
	held_out->labels = palloc(sizeof(int) * held_out->count);
	held_out->weights = palloc(sizeof(float) * held_out->count);
	for (int i = 0; i < held_out->count; i++)
	{
		TwFeature  *features;
		int			count;

		CHECK_FOR_INTERRUPTS();
		tw_weigh_text(examples, scratch, rows[i], &features, &count);
		tw_classifier_scores(classifier, features, count, held_out->scores + (Size) i * held_out->stride);
		held_out->labels[i] = rows[i]->label;
		held_out->weights[i] = rows[i]->weight;
	}
}

static void
calibrate(TwTrainingRun *run, TwTrainingSet *set, TwTrainingRow *rows, TwTrainingReport *report)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "calibration", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	TwTrainingRow **kept = palloc(sizeof(TwTrainingRow *) * set->row_count);
	TwTrainingRow **out = palloc(sizeof(TwTrainingRow *) * set->row_count);
	int			kept_count = 0;
	TwHeldOut	held_out = {0};
	int			right = 0;
	TwExamples *examples;
	TwClassifier *classifier;

	for (int i = 0; i < set->row_count; i++)
	{
		if (i % HOLD_OUT == 0)
			out[held_out.count++] = &rows[i];
		else
			kept[kept_count++] = &rows[i];
	}
	examples = tw_make_examples(run, kept, kept_count, set->label_count);
	classifier = tw_train_classifier(run, examples, PASSES, EPOCHS);
	score_held_out(examples, classifier, out, &held_out);
	for (int i = 0; i < held_out.count; i++)
		right += best_label(held_out.scores + (Size) i * held_out.stride, set->label_count) == held_out.labels[i];
	report->temperature = tw_fit_temperature(&held_out, set->label_count);
	report->held_out = held_out.count;
	report->held_out_accuracy = held_out.count > 0 ? (double) right / held_out.count : 0;
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
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
		right += best_label(scores, examples->label_count) == example->label;
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
	TwTrainingRow **all;
	TwExamples *examples;
	TwClassifier *classifier;
	bytea	   *artifact;

	check_set(set);
	memset(report, 0, sizeof(TwTrainingReport));
	run.context = AllocSetContextCreate(caller, "router training", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(run.context);

	rows = sort_rows(set);
	report->temperature = 0.5;
	if (set->row_count >= 30)
		calibrate(&run, set, rows, report);

	all = palloc_extended(sizeof(TwTrainingRow *) * (Size) set->row_count, MCXT_ALLOC_HUGE);
	for (int i = 0; i < set->row_count; i++)
		all[i] = &rows[i];
	examples = tw_make_examples(&run, all, set->row_count, set->label_count);
	classifier = tw_train_classifier(&run, examples, PASSES, EPOCHS);
	report->training_accuracy = training_accuracy(examples, classifier);
	report->feature_count = examples->vocabulary.count;

	MemoryContextSwitchTo(caller);
	artifact = tw_write_artifact(set, examples, classifier, (float) report->temperature);
	MemoryContextDelete(run.context);
	report->cpu_seconds = (double) (clock() - start) / CLOCKS_PER_SEC;
	report->peak_bytes = run.peak_bytes;
	return artifact;
}
