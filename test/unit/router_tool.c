/*
 * router_tool.c
 *		The router on the command line, without a server:
 *
 *	router_tool train FILE.tsv MODEL
 *	router_tool eval MODEL FILE.tsv
 *	router_tool features FILE.tsv [OTHER.tsv]	libsvm format, labels and features numbered by FILE.tsv
 *
 * A file has the columns text, intent and, if it is to count, weight, found by
 * the names in its first line, or in this order if that names none of them.
 */
#include "postgres.h"

#include "backend.h"
#include "base/compat.h"
#include "model/classifier.h"
#include "model/examples.h"
#include "model/router.h"
#include "model/train.h"

#include <stdio.h>
#include <stdlib.h>
#include <math.h>
#include <sys/resource.h>
#include <time.h>

#define BINS 15
#define SURE 0.85

typedef struct Table
{
	int			count;
	int			room;
	TwTrainingRow *rows;
	const char **intents;		/* one a row */
	int			text;			/* columns */
	int			intent;
	int			weight;			/* -1 = none */
} Table;

static void
fail(const char *what, const char *which)
{
	fprintf(stderr, "router_tool: %s%s\n", what, which);
	exit(2);
}

static char *
read_file(const char *path, size_t *size)
{
	FILE	   *file = fopen(path, "rb");
	char	   *bytes;
	long		length;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (length = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) != 0)
		fail("cannot read ", path);
	bytes = malloc(length + 1);
	if (bytes == NULL || fread(bytes, 1, length, file) != (size_t) length)
		fail("cannot read ", path);
	bytes[length] = '\0';
	fclose(file);
	*size = length;
	return bytes;
}

/* Cuts a line into its columns; returns how many there are, up to `most`. */
static int
split(char *line, char **columns, int most)
{
	int			count = 0;

	for (char *at = line; at != NULL && count < most; count++)
	{
		columns[count] = at;
		at = strchr(at, '\t');
		if (at != NULL)
			*at++ = '\0';
	}
	return count;
}

static bool
read_header(Table *table, char **columns, int count)
{
	int			text = -1;
	int			intent = -1;
	int			weight = -1;

	for (int i = 0; i < count; i++)
	{
		if (strcmp(columns[i], "text") == 0)
			text = i;
		else if (strcmp(columns[i], "intent") == 0)
			intent = i;
		else if (strcmp(columns[i], "weight") == 0)
			weight = i;
	}
	if (text < 0 || intent < 0)
		return false;
	table->text = text;
	table->intent = intent;
	table->weight = weight;
	return true;
}

static void
add_row(Table *table, char **columns, int count)
{
	TwTrainingRow *row;

	if (count <= Max(table->text, table->intent))
		return;
	if (table->count == table->room)
	{
		table->room = table->room * 2 + 1024;
		table->rows = realloc(table->rows, sizeof(TwTrainingRow) * table->room);
		table->intents = realloc(table->intents, sizeof(char *) * table->room);
	}
	row = &table->rows[table->count];
	row->text = columns[table->text];
	row->length = strlen(row->text);
	row->weight = table->weight >= 0 && table->weight < count ? strtof(columns[table->weight], NULL) : 1;
	table->intents[table->count++] = columns[table->intent];
}

static Table
read_table(const char *path)
{
	Table		table = {.text = 0, .intent = 1, .weight = 2};
	size_t		size;
	char	   *at = read_file(path, &size);
	bool		first = true;

	while (*at != '\0')
	{
		char	   *columns[16];
		char	   *end = strchr(at, '\n');
		int			count;

		if (end != NULL)
			*end = '\0';
		count = split(at, columns, 16);
		if (!first || !read_header(&table, columns, count))
			add_row(&table, columns, count);
		first = false;
		if (end == NULL)
			break;
		at = end + 1;
	}
	if (table.count == 0)
		fail("no rows in ", path);
	return table;
}

static int
compare_strings(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static TwTrainingSet
make_set(Table *table)
{
	TwTrainingSet set = {table->count, table->rows};

	set.labels = malloc(sizeof(char *) * table->count);
	memcpy(set.labels, table->intents, sizeof(char *) * table->count);
	qsort(set.labels, table->count, sizeof(char *), compare_strings);
	for (int i = 0; i < table->count; i++)
	{
		if (i == 0 || strcmp(set.labels[set.label_count - 1], set.labels[i]) != 0)
			set.labels[set.label_count++] = set.labels[i];
	}
	for (int i = 0; i < table->count; i++)
	{
		const char **found = bsearch(&table->intents[i], set.labels, set.label_count, sizeof(char *), compare_strings);

		set.rows[i].label = found - set.labels;
	}
	return set;
}

static void
train(const char *input, const char *output)
{
	Table		table = read_table(input);
	TwTrainingSet set = make_set(&table);
	TwTrainingReport report;
	struct rusage usage;
	bytea	   *artifact;
	FILE	   *file;

	getrusage(RUSAGE_SELF, &usage);
	printf("rows %d\nlabels %d\nrss_before_mb %.1f\n", set.row_count, set.label_count, usage.ru_maxrss / 1024.0);
	artifact = tw_train_router(&set, NULL, NULL, &report);
	getrusage(RUSAGE_SELF, &usage);
	printf("train_cpu_s %.2f\npeak_mb %.1f\nreported_peak_mb %.1f\nrss_mb %.1f\n", report.cpu_seconds,
		   backend_peak() / 1048576.0, report.peak_bytes / 1048576.0, usage.ru_maxrss / 1024.0);
	printf("features %d\ntemperature %.4f\ntraining_accuracy %.4f\nheld_out %d\nheld_out_accuracy %.4f\n",
		   report.feature_count, report.temperature, report.training_accuracy, report.held_out,
		   report.held_out_accuracy);
	file = fopen(output, "wb");
	if (file == NULL || fwrite(VARDATA(artifact), VARSIZE(artifact) - VARHDRSZ, 1, file) != 1 || fclose(file) != 0)
		fail("cannot write ", output);
}

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec + now.tv_nsec * 1e-9;
}

typedef struct Figures
{
	int			right;
	int			sure;
	int			sure_right;
	double		loss;			/* negative log-likelihood */
	int			bin_right[BINS];
	double		bin_confidence[BINS];
} Figures;

/* Expected calibration error, over fifteen bins of equal width (Guo et al. 2017). */
static double
calibration_error(const Figures *figures, int count)
{
	double		error = 0;

	for (int i = 0; i < BINS; i++)
		error += fabs(figures->bin_confidence[i] - figures->bin_right[i]) / count;
	return error;
}

static void
classify_all(const TwModel *model, const Table *table, float *probabilities)
{
	for (int i = 0; i < table->count; i++)
		tw_model_probabilities(model, table->rows[i].text, table->rows[i].length, probabilities);
}

/* Adds one answer to the figures. */
static void
count_answer(Figures *figures, const TwModel *model, const float *probabilities, const char *truth)
{
	int			labels = tw_model_label_count(model);
	int			best = tw_best_label(probabilities, labels);
	bool		right = strcmp(tw_model_label(model, best), truth) == 0;
	double		likelihood = 1e-12;
	int			bin = Min((int) (probabilities[best] * BINS), BINS - 1);

	for (int k = 0; k < labels; k++)
	{
		if (strcmp(tw_model_label(model, k), truth) == 0)
			likelihood = Max(likelihood, probabilities[k]);
	}
	figures->bin_right[bin] += right;
	figures->bin_confidence[bin] += probabilities[best];
	figures->loss -= log(likelihood);
	figures->right += right;
	figures->sure += probabilities[best] > SURE;
	figures->sure_right += probabilities[best] > SURE && right;
}

static void
evaluate(const char *path, const char *input)
{
	size_t		size;
	char	   *bytes = read_file(path, &size);
	Table		table = read_table(input);
	double		start = seconds();
	TwModel    *model = tw_read_model(bytes, size);
	double		read = seconds() - start;
	float	   *probabilities = malloc(sizeof(float) * tw_model_label_count(model));
	Figures		figures = {0};
	double		cold;
	double		warm;

	start = seconds();
	classify_all(model, &table, probabilities);
	cold = (seconds() - start) / table.count;
	start = seconds();
	classify_all(model, &table, probabilities);
	warm = (seconds() - start) / table.count;
	for (int i = 0; i < table.count; i++)
	{
		tw_model_probabilities(model, table.rows[i].text, table.rows[i].length, probabilities);
		count_answer(&figures, model, probabilities, table.intents[i]);
	}

	printf("rows %d\naccuracy %.4f\nece %.4f\nnll %.4f\n", table.count, (double) figures.right / table.count,
		   calibration_error(&figures, table.count), figures.loss / table.count);
	printf("sure_share %.4f\nsure_accuracy %.4f\n", (double) figures.sure / table.count,
		   figures.sure > 0 ? (double) figures.sure_right / figures.sure : 0);
	printf("us_cold %.1f\nus_warm %.1f\nread_ms %.1f\nartifact_bytes %zu\nmodel_mb %.2f\n", cold * 1e6, warm * 1e6,
		   read * 1e3, size, backend_allocated() / 1048576.0);
}

static void
print_features(const Table *table, const TwTrainingSet *set, const TwExamples *examples)
{
	TwFeatureScratch *scratch = tw_feature_scratch(TW_FEATURES);

	for (int i = 0; i < table->count; i++)
	{
		const char **label = bsearch(&table->intents[i], set->labels, set->label_count, sizeof(char *),
									 compare_strings);
		float	   *row = calloc(examples->vocabulary.count, sizeof(float));
		TwFeature  *features;
		int			count = tw_weigh_text(examples, scratch, &table->rows[i], &features);

		for (int j = 0; j < count; j++)
			row[features[j].id] = features[j].value;
		printf("%d", label == NULL ? 0 : (int) (label - set->labels) + 1);
		for (int j = 0; j < examples->vocabulary.count; j++)
		{
			if (row[j] != 0)
				printf(" %d:%.7g", j + 1, row[j]);
		}
		printf("\n");
		free(row);
	}
}

static void
write_features(const char *input, const char *other)
{
	Table		table = read_table(input);
	TwTrainingSet set = make_set(&table);
	TwTrainingRun run = {.context = CurrentMemoryContext};
	const TwTrainingRow **rows = malloc(sizeof(TwTrainingRow *) * table.count);
	TwExamples *examples;

	for (int i = 0; i < table.count; i++)
		rows[i] = &table.rows[i];
	examples = tw_make_examples(&run, rows, table.count, set.label_count);
	if (other != NULL)
		table = read_table(other);
	print_features(&table, &set, examples);
}

int
main(int argc, char **argv)
{
	backend_init();
	if (argc == 4 && strcmp(argv[1], "train") == 0)
		train(argv[2], argv[3]);
	else if (argc == 4 && strcmp(argv[1], "eval") == 0)
		evaluate(argv[2], argv[3]);
	else if ((argc == 3 || argc == 4) && strcmp(argv[1], "features") == 0)
		write_features(argv[2], argc == 4 ? argv[3] : NULL);
	else
		fail("train FILE.tsv MODEL | eval MODEL FILE.tsv | features FILE.tsv [OTHER.tsv]", "");
	return 0;
}
