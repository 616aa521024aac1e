/*
 * test_calibration.c
 *		The temperature, and what it is fitted on.
 */
#include "postgres.h"

#include "base/hash.h"
#include "check.h"
#include "model/hold_out.h"
#include "model/temperature.h"

#include <math.h>

#define LABELS 5
#define EXAMPLES 4000

static double
random_double(uint64 *random)
{
	return (tw_xorshift(random) >> 11) / 9007199254740992.0;
}

/* Scores, and labels that are right as often as softmax(truth * score) says. */
static TwHeldOut
draw(double truth, int count, uint64 *random)
{
	TwHeldOut	held_out = {count, 8};

	held_out.scores = palloc0(sizeof(float) * count * 8);
	held_out.labels = palloc(sizeof(int) * count);
	held_out.weights = palloc(sizeof(float) * count);
	for (int i = 0; i < count; i++)
	{
		float	   *scores = held_out.scores + i * 8;
		double		sum = 0;
		double		mark = random_double(random);

		for (int k = 0; k < LABELS; k++)
		{
			scores[k] = (float) (10 * random_double(random) - 5);
			sum += exp(truth * scores[k]);
		}
		held_out.labels[i] = LABELS - 1;
		for (int k = LABELS - 1; k >= 0; k--)
		{
			mark -= exp(truth * scores[k]) / sum;
			if (mark >= 0 && k > 0)
				held_out.labels[i] = k - 1;
		}
		held_out.weights[i] = 1;
	}
	return held_out;
}

static double
likelihood(const TwHeldOut *held_out, double temperature)
{
	double		total = 0;

	for (int i = 0; i < held_out->count; i++)
	{
		const float *scores = held_out->scores + i * held_out->stride;
		double		sum = 0;

		for (int k = 0; k < LABELS; k++)
			sum += exp(temperature * scores[k]);
		total += log(sum) - temperature * scores[held_out->labels[i]];
	}
	return total;
}

static void
test_temperature(void)
{
	uint64		random = 17;
	bool		found = true;
	bool		better = true;
	TwHeldOut	held_out;
	double		fitted;

	for (double truth = 0.1; truth < 4; truth *= 2)
	{
		held_out = draw(truth, EXAMPLES, &random);
		fitted = tw_fit_temperature(&held_out, LABELS);
		found = found && fabs(fitted / truth - 1) < 0.15;
		better = better && likelihood(&held_out, fitted) <= likelihood(&held_out, 1) &&
			likelihood(&held_out, fitted) < likelihood(&held_out, fitted * 1.1) &&
			likelihood(&held_out, fitted) < likelihood(&held_out, fitted / 1.1);
	}
	check(found, "the temperature that labels were drawn with is found");
	check(better, "it has the least negative log-likelihood");

	/* What weighs nothing to speak of does not count. */
	held_out = draw(0.3, EXAMPLES, &random);
	for (int i = EXAMPLES / 2; i < EXAMPLES; i++)
	{
		held_out.labels[i] = 0;
		held_out.weights[i] = 1e-6f;
	}
	fitted = tw_fit_temperature(&held_out, LABELS);
	check(fabs(fitted / 0.3 - 1) < 0.2, "examples count by their weights");

	held_out = draw(1, 20, &random);
	for (int i = 0; i < held_out.count; i++)
		held_out.labels[i] = tw_best_label(held_out.scores + i * held_out.stride, LABELS);
	fitted = tw_fit_temperature(&held_out, LABELS);
	check(fitted > 0.2 && fitted < 5, "twenty answers that are all right do not make it sure of everything");
	note("fitted %.3f", fitted);
	for (int i = 0; i < held_out.count; i++)
		held_out.labels[i] = (held_out.labels[i] + 1) % LABELS;
	fitted = tw_fit_temperature(&held_out, LABELS);
	check(fitted > 0 && fitted < 0.2, "twenty that are all wrong make it unsure");
}

static void
test_split(void)
{
	/* Whoever asks twice changes a word. */
	TwTrainingSet *set = small_set("where is my parcel with the green lamp now", "a",
								   "where is my parcel with the green lamp", "a",
								   "please cancel the order of the big kettle", "b",
								   "please cancel the order of the big kettle now", "b",
								   "send me a cook book in hindi", "a", "how much is one bag of rice", "b",
								   "what about rain tomorrow", "c", "open the shop at nine", "a",
								   "the colour is wrong, i said blue", "b", NULL);
	bool		together = true;
	bool		single_stays = true;
	bool		half_stays = true;

	for (int parts = 2; parts < 20; parts++)
	{
		int		   *split = tw_split_rows(set->rows, set->row_count, set->label_count, parts);
		int			counts[3] = {0};

		together = together && split[0] == split[1] && split[2] == split[3];
		single_stays = single_stays && split[6] == -1;
		for (int i = 0; i < set->row_count; i++)
		{
			if (split[i] == 0)
				counts[set->rows[i].label]++;
			half_stays = half_stays && split[i] >= -1 && split[i] < parts;
		}
		half_stays = half_stays && counts[0] <= 2 && counts[1] <= 2 && counts[2] == 0;
	}
	check(together, "near-twins are held out together");
	check(single_stays, "the only row of a label is never held out");
	check(half_stays, "no part has more than half the rows of a label");
}

static void
test_honesty(void)
{
	TwTrainingSet *set = toy_set();
	TwTrainingReport report;

	train_quietly(set, &report);
	check(report.held_out > set->row_count / 2 && report.held_out_accuracy < report.training_accuracy,
		  "of a small set most rows are held out in turn, and are harder than those trained on");
	note("%d of %d held out, %.3f of them right, of the training rows %.3f", report.held_out, set->row_count,
		 report.held_out_accuracy, report.training_accuracy);
}

void
test_calibration(void)
{
	test_temperature();
	test_split();
	test_honesty();
}
