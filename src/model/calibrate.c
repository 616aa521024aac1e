/*
 * calibrate.c
 *		The temperature, fitted on the scores of rows that the classifier was not trained on. The classifier that ships
 *		is trained on all rows.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "model/calibrate.h"
#include "model/classifier.h"
#include "model/hold_out.h"
#include "model/temperature.h"
#include "utils/memutils.h"

/*
 * A seventh of the rows is held out. With fewer rows, more parts are held out, one after the other, up to five fifths:
 * one part alone would say too little, and each takes less time.
 */
#define PARTS 7
#define MOST_FOLDS 5
#define FOLDED_ROWS 15000

/* Too few held-out rows to fit a temperature: the usual one is taken. */
#define LEAST_HELD_OUT 10

/* The most scores to keep: 64 MB. */
#define MOST_SCORES (16 * 1024 * 1024)

static void
allocate_held_out(TwHeldOut *held_out, const int *split, int row_count, int folds, int stride)
{
	int			count = 0;

	for (int i = 0; i < row_count; i++)
		count += split[i] >= 0 && split[i] < folds;
	held_out->count = 0;
	held_out->stride = stride;
	held_out->scores = palloc_extended(sizeof(float) * (Size) count * stride, MCXT_ALLOC_HUGE);
	held_out->labels = palloc(sizeof(int) * (Size) count);
	held_out->weights = palloc(sizeof(float) * (Size) count);
}

/*
 * Trains on the rows outside the fold, and adds the scores of those in it. A row without a known feature would have no
 * answer: its scores say nothing about how sure answers may be.
 */
static void
score_fold(TwTrainingRun *run, const TwTrainingRow *rows, int row_count, int label_count, const int *split, int fold,
		   TwHeldOut *held_out)
{
	const TwTrainingRow **kept = palloc_extended(sizeof(TwTrainingRow *) * (Size) row_count, MCXT_ALLOC_HUGE);
	int			kept_count = 0;
	TwFeatureScratch *scratch = tw_feature_scratch(TW_FEATURES);
	TwExamples *examples;
	TwClassifier *classifier;

	for (int i = 0; i < row_count; i++)
	{
		if (split[i] != fold)
			kept[kept_count++] = &rows[i];
	}
	examples = tw_make_examples(run, kept, kept_count, label_count);
	classifier = tw_train_classifier(run, examples);
	for (int i = 0; i < row_count; i++)
	{
		TwFeature  *features;
		int			count;

		CHECK_FOR_INTERRUPTS();
		if (split[i] != fold)
			continue;
		count = tw_weigh_text(examples, scratch, &rows[i], &features);
		if (count == 0)
			continue;
		tw_classifier_scores(classifier, features, count, held_out->scores + (Size) held_out->count * held_out->stride);
		held_out->labels[held_out->count] = rows[i].label;
		held_out->weights[held_out->count++] = rows[i].weight;
	}
}

static double
accuracy(const TwHeldOut *held_out, int label_count)
{
	int			right = 0;

	for (int i = 0; i < held_out->count; i++)
		right += tw_best_label(held_out->scores + (Size) i * held_out->stride, label_count) == held_out->labels[i];
	return (double) right / held_out->count;
}

static int
fold_count(int row_count)
{
	return Min(Max(FOLDED_ROWS / row_count, 1), MOST_FOLDS);
}

/* Fills the report's temperature, and its figures of held-out rows. The rows are in their final order. */
void
tw_calibrate(TwTrainingRun *run, const TwTrainingRow *rows, int row_count, int label_count, TwTrainingReport *report)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "router calibration", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	int			stride = tw_stride(label_count);
	int			folds = fold_count(row_count);
	int			parts = folds == MOST_FOLDS ? MOST_FOLDS : PARTS;
	TwHeldOut	held_out;
	int		   *split;

	parts = Max(parts, (int) ((int64) row_count * stride / MOST_SCORES) + 1);
	split = tw_split_rows(rows, row_count, label_count, parts);
	allocate_held_out(&held_out, split, row_count, folds, stride);
	run->steps = (folds + 1) * TW_CLASSIFIER_STEPS + 1;
	for (int fold = 0; fold < folds; fold++)
	{
		MemoryContext inner = AllocSetContextCreate(context, "router calibration fold", ALLOCSET_DEFAULT_SIZES);

		MemoryContextSwitchTo(inner);
		score_fold(run, rows, row_count, label_count, split, fold, &held_out);
		MemoryContextSwitchTo(context);
		MemoryContextDelete(inner);
	}
	report->temperature = TW_USUAL_TEMPERATURE;
	if (held_out.count >= LEAST_HELD_OUT)
	{
		report->temperature = tw_fit_temperature(&held_out, label_count);
		report->held_out = held_out.count;
		report->held_out_accuracy = accuracy(&held_out, label_count);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}
