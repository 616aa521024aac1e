/*
 * main.c
 *		Runs every unit test. With an argument, writes the toy router to that file
 *		instead: another build of the same core has to write the same bytes.
 */
#include "postgres.h"

#include "backend.h"
#include "base/compat.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

static int	count;
static int	failures;

void
check(bool holds, const char *what, ...)
{
	va_list		arguments;

	printf("%sok %d - ", holds ? "" : "not ", ++count);
	va_start(arguments, what);
	vprintf(what, arguments);
	va_end(arguments);
	printf("\n");
	fflush(stdout);
	failures += !holds;
}

void
note(const char *what, ...)
{
	va_list		arguments;

	printf("# ");
	va_start(arguments, what);
	vprintf(what, arguments);
	va_end(arguments);
	printf("\n");
}

bytea *
train_quietly(TwTrainingSet *set, TwTrainingReport *report)
{
	TwTrainingReport ignored;

	return tw_train_router(set, NULL, NULL, report == NULL ? &ignored : report);
}

TwModel *
read_back(const bytea *artifact)
{
	return tw_read_model(VARDATA(artifact), VARSIZE(artifact) - VARHDRSZ);
}

TwExamples *
make_examples(TwTrainingRun *run, const TwTrainingSet *set)
{
	const TwTrainingRow **rows = palloc(sizeof(TwTrainingRow *) * set->row_count);

	memset(run, 0, sizeof(TwTrainingRun));
	run->context = CurrentMemoryContext;
	for (int i = 0; i < set->row_count; i++)
		rows[i] = &set->rows[i];
	return tw_make_examples(run, rows, set->row_count, set->label_count);
}

double
share_right(const TwModel *model, const TwTrainingSet *questions)
{
	int			labels = tw_model_label_count(model);
	float	   *probabilities = palloc(sizeof(float) * labels);
	int			right = 0;

	for (int i = 0; i < questions->row_count; i++)
	{
		const TwTrainingRow *row = &questions->rows[i];
		int			best;

		if (!tw_model_probabilities(model, row->text, row->length, probabilities))
			continue;
		best = tw_best_label(probabilities, labels);
		right += strcmp(tw_model_label(model, best), questions->labels[row->label]) == 0;
	}
	return (double) right / questions->row_count;
}

static void
write_toy(const char *path)
{
	bytea	   *artifact = train_quietly(toy_set(), NULL);
	FILE	   *file = fopen(path, "wb");

	if (file == NULL || fwrite(VARDATA(artifact), VARSIZE(artifact) - VARHDRSZ, 1, file) != 1 || fclose(file) != 0)
		exit(2);
}

int
main(int argc, char **argv)
{
	backend_init();
	if (argc > 1)
	{
		write_toy(argv[1]);
		return 0;
	}
	test_features();
	test_kernels();
	test_training();
	test_calibration();
	test_artifact();
	test_prediction();
	test_numbers();
	check(count > 0, "the unit tests ran to their end");
	return failures > 0;
}
