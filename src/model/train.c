/*
 * train.c
 *		A training run: rows in, artifact out.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "model/calibrate.h"
#include "model/router.h"
#include "model/train.h"
#include "model/write_artifact.h"
#include "utils/memutils.h"

#include <time.h>

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
				 errmsg("a router cannot have %d labels", set->label_count),
				 errdetail("The limit is %d.", TW_MODEL_LABELS)));
	for (int i = 0; i < set->row_count; i++)
	{
		const TwTrainingRow *row = &set->rows[i];

		if (row->label < 0 || row->label >= set->label_count || row->length < 0 || !(row->weight > 0))
			elog(ERROR, "training row %d is invalid", i);
	}
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

	rows = tw_sort_rows(set);
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
