/*
 * test_training.c
 *		What the solvers promise, determinism, weights, and sets that are hardly any.
 */
#include "postgres.h"

#include "backend.h"
#include "base/compat.h"
#include "base/hash.h"
#include "check.h"
#include "miscadmin.h"

#include <math.h>

#define PASSES 400
#define PRIOR 50

/* Half the squared length of the weights and the biases. */
static double
half_square(const TwMatrix *weights, const float *bias, int labels)
{
	double		sum = 0;

	for (int k = 0; k < labels; k++)
		sum += (double) bias[k] * bias[k];
	for (int i = 0; i < weights->rows; i++)
	{
		for (int k = 0; k < labels; k++)
			sum += (double) tw_matrix_row(weights, i)[k] * tw_matrix_row(weights, i)[k];
	}
	return sum / 2;
}

/* By how much the best wrong label comes within 1 of the right one, or beyond it. */
static double
margin_loss(const TwMatrix *weights, const float *bias, const TwExample *example, int labels)
{
	float	   *scores = palloc(sizeof(float) * weights->stride);
	double		worst = 0;

	memcpy(scores, bias, sizeof(float) * weights->stride);
	tw_add_rows(scores, weights, example->features, example->count);
	for (int k = 0; k < labels; k++)
	{
		if (k != example->label)
			worst = Max(worst, 1 + scores[k] - scores[example->label]);
	}
	pfree(scores);
	return worst;
}

/* The shares add up to nothing, none is beyond its bounds, and the two objectives meet. */
static void
test_dual(TwTrainingRun *run, const TwTrainingSet *set, const TwExamples *examples)
{
	TwMatrix	weights;
	float	   *bias = palloc0(sizeof(float) * examples->stride);
	TwDual	   *dual;
	double		primal;
	double		lower;
	bool		feasible = true;

	tw_allocate_matrix(&weights, examples->vocabulary.count, examples->stride);
	tw_clear_matrix(&weights);
	dual = tw_solve_dual(run, examples, &weights, bias, PASSES);
	primal = half_square(&weights, bias, set->label_count);
	lower = -primal;
	for (int i = 0; i < examples->count; i++)
	{
		double		sum = 0;

		for (int s = 0; s < dual->counts[i]; s++)
		{
			TwSupport	support = dual->support[i][s];
			bool		own = support.label == examples->at[i].label;

			sum += support.alpha;
			feasible = feasible && support.alpha <= (own ? examples->at[i].weight + 1e-5f : 0);
			lower -= own ? 0 : support.alpha;
		}
		feasible = feasible && fabs(sum) < 1e-4;
		primal += examples->at[i].weight * margin_loss(&weights, bias, &examples->at[i], set->label_count);
	}
	check(feasible, "the shares of support vectors are within their bounds and add up to 0");
	check(primal >= lower * 0.9999 && primal - lower < 0.01 * primal,
		  "the support vector machine is solved to 1 percent");
	note("primal objective %.4f, dual %.4f", primal, lower);
}

/* The fold of nothing but the examples is naive Bayes; of the dual, the weights that the solver had. */
static void
test_fold(TwTrainingRun *run, const TwTrainingSet *set, const TwExamples *examples)
{
	TwClassifier classifier;
	TwMatrix	weights;
	float	   *bias = palloc0(sizeof(float) * examples->stride);
	double	   *counts = palloc0(sizeof(double) * examples->vocabulary.count * set->label_count);
	double	   *labels = palloc0(sizeof(double) * set->label_count);
	double		total = 0;
	double		worst = 0;
	double		worst_slope = 0;
	TwDual	   *dual;

	for (int i = 0; i < examples->count; i++)
	{
		for (int j = 0; j < examples->at[i].count; j++)
		{
			double		count = (double) examples->at[i].weight * examples->at[i].features[j].value;

			counts[examples->at[i].features[j].id * set->label_count + examples->at[i].label] += count;
			labels[examples->at[i].label] += count;
			total += count;
		}
	}
	tw_allocate_matrix(&weights, examples->vocabulary.count, examples->stride);
	tw_clear_matrix(&weights);
	dual = tw_solve_dual(run, examples, &weights, bias, 3);
	tw_allocate_matrix(&classifier.weights, examples->vocabulary.count, examples->stride);
	tw_clear_matrix(&classifier.weights);
	classifier.bias = palloc0(sizeof(float) * examples->stride);
	classifier.slope = palloc0(sizeof(float) * examples->stride);
	tw_combine(run, examples, dual, &classifier);

	for (int i = 0; i < examples->vocabulary.count; i++)
	{
		double		sum = 0;

		for (int k = 0; k < set->label_count; k++)
			sum += counts[i * set->label_count + k];
		for (int k = 0; k < set->label_count; k++)
		{
			double		bayes = log(1 + counts[i * set->label_count + k] * total / (PRIOR * sum));
			double		expected = TW_SUPPORT_SHARE * tw_matrix_row(&weights, i)[k] + TW_BAYES_SHARE * bayes;

			worst = Max(worst, fabs(expected - tw_matrix_row(&classifier.weights, i)[k]));
		}
	}
	for (int k = 0; k < set->label_count; k++)
		worst_slope = Max(worst_slope, fabs(TW_BAYES_SHARE * log(PRIOR / (labels[k] + PRIOR)) - classifier.slope[k]) +
						  fabs(TW_SUPPORT_SHARE * bias[k] - classifier.bias[k]));
	check(worst < 1e-4 && worst_slope < 1e-4, "the fold is the sum of its parts by their formulas");
	note("largest differences %g and %g", worst, worst_slope);
}

static void
test_softmax(TwTrainingRun *run, const TwTrainingSet *set, const TwExamples *examples)
{
	TwMatrix	weights;
	float	   *bias = palloc0(sizeof(float) * examples->stride);
	float	   *scores = palloc0(sizeof(float) * examples->stride);
	int			right = 0;
	double		largest = 0;

	tw_allocate_matrix(&weights, examples->vocabulary.count, examples->stride);
	tw_clear_matrix(&weights);
	tw_learn_softmax(run, examples, &weights, bias, TW_EPOCHS);
	for (int i = 0; i < examples->count; i++)
	{
		memcpy(scores, bias, sizeof(float) * examples->stride);
		tw_add_rows(scores, &weights, examples->at[i].features, examples->at[i].count);
		right += tw_best_label(scores, set->label_count) == examples->at[i].label;
	}
	for (int i = 0; i < weights.rows; i++)
	{
		double		sum = 0;

		for (int k = 0; k < set->label_count; k++)
			sum += tw_matrix_row(&weights, i)[k];
		largest = Max(largest, fabs(sum));
	}
	check(right > 0.95 * examples->count && largest < 1e-3, "the softmax learns its examples, its gradients balanced");
	note("%d of %d right, largest sum %g", right, examples->count, largest);
}

static bool
same_bytes(const bytea *a, const bytea *b)
{
	return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
}

static void
test_determinism(TwTrainingSet *set, const bytea *artifact)
{
	uint64		random = 3;
	bool		same = same_bytes(artifact, train_quietly(set, NULL));

	check(same, "training twice gives the same bytes");
	for (int round = 0; round < 3; round++)
	{
		for (int i = set->row_count - 1; i > 0; i--)
		{
			int			j = tw_random_below(&random, i + 1);
			TwTrainingRow row = set->rows[i];

			set->rows[i] = set->rows[j];
			set->rows[j] = row;
		}
		same = same && same_bytes(artifact, train_quietly(set, NULL));
	}
	check(same, "so does training on the rows in another order");
	set->rows[0].weight = 2;
	check(!same_bytes(artifact, train_quietly(set, NULL)), "other weights give other bytes");
	set->rows[0].weight = 1;
}

static void
cancel(const char *phase, int done, int total, void *arg)
{
	if (done == *(int *) arg)
		InterruptPending = true;
}

typedef struct Cancelled
{
	TwTrainingSet *set;
	int			at;
} Cancelled;

static void
train_cancelled(void *arg)
{
	Cancelled  *cancelled = arg;
	TwTrainingReport report;

	tw_train_router(cancelled->set, cancel, &cancelled->at, &report);
}

static int	progress_calls;
static bool progress_in_order;

static void
watch(const char *phase, int done, int total, void *arg)
{
	progress_in_order = progress_in_order && done == progress_calls && done < total && phase[0] != '\0';
	progress_calls++;
}

static void
test_interrupts(TwTrainingSet *set)
{
	Size		before = backend_allocated();
	TwTrainingReport report;
	bool		cancelled = true;
	bytea	   *artifact;

	progress_in_order = true;
	artifact = tw_train_router(set, watch, NULL, &report);
	check(progress_in_order && progress_calls >= 20 && progress_calls <= 100,
		  "progress is told a few dozen times, in order");
	check(backend_allocated() == before + VARSIZE(artifact), "training leaves nothing but the artifact");
	check(report.peak_bytes >= VARSIZE(artifact) && report.cpu_seconds >= 0 && report.training_accuracy > 0.95 &&
		  report.held_out > 50 && report.held_out_accuracy > 0.3 && report.feature_count > 1000,
		  "the report says what was done");
	pfree(artifact);

	for (int at = 0; at < progress_calls; at++)
	{
		Cancelled	here = {set, at};

		/* What interrupts the writing of the last bytes comes too late. */
		if (backend_try(train_cancelled, &here) == 0)
			cancelled = false;
		cancelled = cancelled && backend_allocated() == before;
		InterruptPending = false;
	}
	check(cancelled, "training can be cancelled at every step, and leaves nothing");
}

/* The probability of a label. */
static float
probability(const bytea *artifact, const char *text, const char *label)
{
	TwModel    *model = read_back(artifact);
	float	   *probabilities = palloc(sizeof(float) * tw_model_label_count(model));

	tw_model_probabilities(model, text, strlen(text), probabilities);
	for (int k = 0; k < tw_model_label_count(model); k++)
	{
		if (strcmp(tw_model_label(model, k), label) == 0)
			return probabilities[k];
	}
	return -1;
}

static void
test_weights(TwTrainingSet *toy, const bytea *plain)
{
	TwTrainingSet *set = small_set("cancel it", "a", "cancel it", "b", "hello", "c", "where is it", "d", NULL);
	bool		stable = true;

	set->rows[0].weight = 4;
	check(probability(train_quietly(set, NULL), "cancel it", "a") > 0.6, "the heavier of two labels of one text wins");
	set->rows[0].weight = 1;
	set->rows[1].weight = 4;
	check(probability(train_quietly(set, NULL), "cancel it", "b") > 0.6, "also when it is the other one");

	for (float weight = 1e-30f; weight < 1e31f; weight *= 1e15f)
	{
		set->rows[2].weight = weight;
		stable = stable && probability(train_quietly(set, NULL), "cancel it", "b") >= 0;
	}
	check(stable, "no weight is too small or too large");

	for (int i = 0; i < toy->row_count; i++)
		toy->rows[i].weight = 8;
	check(share_right(read_back(train_quietly(toy, NULL)), toy_questions()) > 0.85,
		  "weights of 8 do not unsettle training");
	for (int i = 0; i < toy->row_count; i++)
		toy->rows[i].weight = 0.3f;
	check(same_bytes(train_quietly(toy, NULL), plain), "if all weights are 0.3, that is as if they were 1");
	for (int i = 0; i < toy->row_count; i++)
		toy->rows[i].weight = 1;
}

/* Trains, and asks what there is. */
static bool
works(TwTrainingSet *set)
{
	TwTrainingReport report;
	TwModel    *model = read_back(train_quietly(set, &report));
	float	   *probabilities = palloc(sizeof(float) * set->label_count);
	bool		fine = report.temperature > 0 && report.temperature <= 10 && report.training_accuracy >= 0;

	for (int i = 0; i < set->row_count; i++)
	{
		double		sum = 0;
		bool		known = tw_model_probabilities(model, set->rows[i].text, set->rows[i].length, probabilities);

		for (int k = 0; k < set->label_count; k++)
			sum += probabilities[k];
		fine = fine && fabs(sum - (known ? 1 : 0)) < 1e-4;
	}
	return fine;
}

static void
train_nothing(void *arg)
{
	train_quietly(arg, NULL);
}

static void
test_degenerate(void)
{
	TwTrainingSet *set = small_set("hello", "a", NULL);
	TwTrainingSet many = {0};
	static char names[300][8];
	static const char *pointers[300];

	check(works(set), "one row will do");
	set->row_count = 0;
	check(backend_try(train_nothing, set) == ERRCODE_INVALID_PARAMETER_VALUE, "no row is an error");
	check(works(small_set("hello", "a", "good bye", "a", "thanks", "a", NULL)), "one label will do");
	check(works(small_set("same", "a", "same", "b", "same", "c", NULL)), "one text with three labels will do");
	check(works(small_set("", "a", "!!", "b", "\xF0\x9F\x98\x80", "c", NULL)), "texts without features will do");
	check(works(small_set("", "a", "...", "b", NULL)), "even if there are no others");

	many.rows = palloc(sizeof(TwTrainingRow) * 300);
	many.labels = pointers;
	for (int i = 0; i < 300; i++)
	{
		memcpy(names[i], "label00", 8);
		names[i][4] += i / 100;
		names[i][5] += i / 10 % 10;
		names[i][6] += i % 10;
		pointers[i] = names[i];
		many.rows[i] = (TwTrainingRow) {names[i], 7, i, 1};
	}
	many.row_count = many.label_count = 300;
	check(works(&many), "300 labels of a row each will do");
	many.label_count = TW_MODEL_LABELS + 1;
	check(backend_try(train_nothing, &many) == ERRCODE_PROGRAM_LIMIT_EXCEEDED, "too many labels are an error");
}

void
test_training(void)
{
	TwTrainingSet *set = toy_set();
	TwTrainingRun run;
	TwExamples *examples = make_examples(&run, set);
	bytea	   *artifact = train_quietly(set, NULL);
	double		right = share_right(read_back(artifact), toy_questions());

	check(right > 0.85, "it learns what customers of a toy shop want");
	note("%.1f %% of new messages right", 100 * right);
	test_dual(&run, set, examples);
	test_softmax(&run, set, examples);
	test_fold(&run, set, examples);
	test_determinism(set, artifact);
	test_interrupts(set);
	test_weights(set, artifact);
	test_degenerate();
}
