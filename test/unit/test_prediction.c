/*
 * test_prediction.c
 *		Probabilities of a model that was written and read again.
 */
#include "postgres.h"

#include "backend.h"
#include "base/hash.h"
#include "check.h"
#include "model/artifact_format.h"
#include "model/write_artifact.h"

#include <math.h>

/* Low, so that no answer is sure: differences would not be seen. */
#define TEMPERATURE 0.1f

static void
test_probabilities(const TwModel *model, const TwTrainingSet *questions)
{
	float	   *probabilities = palloc(sizeof(float) * questions->label_count);
	float	   *again = palloc(sizeof(float) * questions->label_count);
	bool		sums = true;
	bool		same = true;

	for (int i = 0; i < questions->row_count; i++)
	{
		const TwTrainingRow *row = &questions->rows[i];
		double		sum = 0;

		tw_model_probabilities(model, row->text, row->length, probabilities);
		tw_model_probabilities(model, row->text, row->length, again);
		same = same && memcmp(probabilities, again, sizeof(float) * questions->label_count) == 0;
		for (int k = 0; k < questions->label_count; k++)
			sum += probabilities[k];
		sums = sums && fabs(sum - 1) < 1e-5;
	}
	check(sums, "probabilities add up to 1");
	check(same, "the same text has the same probabilities");

	probabilities[0] = 5;
	check(!tw_model_probabilities(model, "?!", 2, probabilities) && probabilities[0] == 0 &&
		  probabilities[questions->label_count - 1] == 0 && !tw_model_probabilities(model, "", 0, probabilities) &&
		  !tw_model_probabilities(model, "xqzj", 4, probabilities),
		  "a text of which the model knows nothing has none");
}

/* The artifact's bytes against the floats that they came from. */
static void
test_quantised(const TwTrainingSet *set, const TwTrainingSet *questions)
{
	TwTrainingRun run;
	TwExamples *examples = make_examples(&run, set);
	TwClassifier *classifier = tw_train_classifier(&run, examples);
	TwModel    *model = read_back(tw_write_artifact(set, examples, classifier, TEMPERATURE));
	TwFeatureScratch *scratch = tw_feature_scratch(TW_FEATURES);
	float	   *scores = palloc(sizeof(float) * examples->stride);
	float	   *probabilities = palloc(sizeof(float) * set->label_count);
	double		worst = 0;
	double		mean = 0;

	for (int i = 0; i < questions->row_count; i++)
	{
		const TwTrainingRow *row = &questions->rows[i];
		TwFeature  *features;
		int			count = tw_weigh_text(examples, scratch, row, &features);
		double		sum = 0;
		double		distance = 0;
		float		most;

		tw_classifier_scores(classifier, features, count, scores);
		most = scores[tw_best_label(scores, set->label_count)];
		for (int k = 0; k < set->label_count; k++)
			sum += exp(TEMPERATURE * (scores[k] - most));
		tw_model_probabilities(model, row->text, row->length, probabilities);
		for (int k = 0; k < set->label_count; k++)
			distance = Max(distance, fabs(exp(TEMPERATURE * (scores[k] - most)) / sum - probabilities[k]));
		worst = Max(worst, distance);
		mean += distance / questions->row_count;
	}
	check(worst < 0.03 && mean < 0.015, "a byte a weight changes probabilities little");
	note("by %.4f at most, %.4f in the mean", worst, mean);
}

static void
test_long_and_odd(const TwModel *model, int labels)
{
	Size		length = 1024 * 1024;
	char	   *text = palloc(length);
	float	   *probabilities = palloc(sizeof(float) * labels);
	uint64		random = 31;
	bool		fine = true;

	for (int round = 0; round < 3; round++)
	{
		double		sum = 0;

		for (Size i = 0; i < length; i++)
			text[i] = round == 0 ? (char) tw_xorshift(&random) : round == 1 ? "my parcel "[i % 10] : "\x80"[0];
		if (!tw_model_probabilities(model, text, length, probabilities))
			continue;
		for (int k = 0; k < labels; k++)
			sum += probabilities[k];
		fine = fine && fabs(sum - 1) < 1e-4;
	}
	check(fine, "texts of a megabyte, of words or of noise, have probabilities");
}

void
test_prediction(void)
{
	TwTrainingSet *set = toy_set();
	TwTrainingSet *questions = toy_questions();
	TwModel    *model = read_back(train_quietly(set, NULL));

	test_probabilities(model, questions);
	test_quantised(set, questions);
	test_long_and_odd(model, set->label_count);
}
