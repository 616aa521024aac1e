/*
 * examples.c
 *		From texts to vectors: the vocabulary of the training rows, and the rows
 *		over it.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "model/examples.h"
#include "model/kernels.h"
#include "model/router.h"
#include "utils/memutils.h"

/* Features are kept in chunks of this many: one array would have to be moved as it grows. */
#define CHUNK_FEATURES (256 * 1024)

/*
 * The largest number of weights in a matrix: 160 MB. Above it, the features of the fewest rows are dropped, beginning
 * with those of one row; accuracy was the same without them.
 */
#define MOST_WEIGHTS (40 * 1024 * 1024)

typedef struct Chunk
{
	TwFeature  *at;
	int			left;
} Chunk;

static TwFeature *
keep_features(Chunk *chunk, const TwFeature *features, int count)
{
	TwFeature  *kept;

	if (chunk->left < count)
	{
		chunk->left = Max(CHUNK_FEATURES, count);
		chunk->at = palloc(sizeof(TwFeature) * chunk->left);
	}
	kept = chunk->at;
	if (count > 0)
		memcpy(kept, features, sizeof(TwFeature) * count);
	chunk->at += count;
	chunk->left -= count;
	return kept;
}

/* Extracts every row's features, and counts for each bucket the rows that have it. */
static int *
extract_all(TwTrainingRun *run, TwExamples *examples, const TwTrainingRow **rows, TwFeatureScratch *scratch)
{
	int		   *frequency = palloc0(sizeof(int) * TW_BUCKETS);
	int		   *last_seen = palloc0(sizeof(int) * TW_BUCKETS);
	Chunk		chunk = {NULL, 0};

	for (int i = 0; i < examples->count; i++)
	{
		TwExample  *example = &examples->at[i];
		TwFeature  *features;

		CHECK_FOR_INTERRUPTS();
		example->count = tw_extract_features(scratch, rows[i]->text, rows[i]->length, &features);
		example->features = keep_features(&chunk, features, example->count);
		example->label = rows[i]->label;
		example->weight = rows[i]->weight;
		for (int j = 0; j < example->count; j++)
		{
			uint32		bucket = features[j].id & (TW_BUCKETS - 1);

			if (last_seen[bucket] != i + 1)
				frequency[bucket]++;
			last_seen[bucket] = i + 1;
		}
	}
	tw_measure_memory(run);
	pfree(last_seen);
	return frequency;
}

/* The least number of rows that a feature must be in, so that all such features have room. */
static int
least_frequency(const int *frequency, int row_count, int stride)
{
	int			max_rows = MOST_WEIGHTS / stride;
	int			least = 1;

	for (; least < row_count; least++)
	{
		int			count = 0;

		CHECK_FOR_INTERRUPTS();
		for (int bucket = 0; bucket < TW_BUCKETS; bucket++)
			count += frequency[bucket] >= least;
		if (count <= max_rows)
			break;
	}
	return least;
}

static void
fill_vocabulary(TwExamples *examples, const int *frequency, int least)
{
	TwVocabulary *vocabulary = &examples->vocabulary;
	int			count = 0;

	for (int bucket = 0; bucket < TW_BUCKETS; bucket++)
		count += frequency[bucket] >= least;
	tw_init_vocabulary(vocabulary, count);
	examples->frequency = palloc(sizeof(int) * Max(count, 1));
	count = 0;
	for (int bucket = 0; bucket < TW_BUCKETS; bucket++)
	{
		if (frequency[bucket] < least)
			continue;
		tw_add_bucket(vocabulary, bucket);
		examples->frequency[count] = frequency[bucket];
		vocabulary->idf[count++] = tw_idf(examples->count, frequency[bucket]);
	}
	tw_number_vocabulary(vocabulary);
}

/* A counting sort by falling frequency; equally frequent ones stay in the order of buckets. */
static void
order_by_frequency(TwExamples *examples)
{
	int			count = examples->vocabulary.count;
	int		   *first = palloc0(sizeof(int) * ((Size) examples->count + 2));

	examples->weight_row = palloc(sizeof(uint32) * Max(count, 1));
	for (int i = 0; i < count; i++)
		first[examples->frequency[i]]++;
	for (int f = examples->count, sum = 0; f >= 0; f--)
	{
		int			here = first[f];

		first[f] = sum;
		sum += here;
	}
	for (int i = 0; i < count; i++)
		examples->weight_row[i] = first[examples->frequency[i]]++;
	pfree(first);
}

static int
weigh(const TwExamples *examples, TwFeatureScratch *scratch, TwFeature *features, int count)
{
	count = tw_weigh_features(scratch, &examples->vocabulary, features, count);
	for (int i = 0; i < count; i++)
		features[i].id = examples->weight_row[features[i].id];
	return count;
}

TwExamples *
tw_make_examples(TwTrainingRun *run, const TwTrainingRow **rows, int row_count, int label_count)
{
	TwExamples *examples = palloc0(sizeof(TwExamples));
	TwFeatureScratch *scratch = tw_feature_scratch(TW_FEATURES);
	int		   *frequency;

	examples->count = row_count;
	examples->at = palloc_extended(sizeof(TwExample) * (Size) row_count, MCXT_ALLOC_HUGE);
	examples->label_count = label_count;
	examples->stride = tw_stride(label_count);
	tw_begin_step(run, "features");
	frequency = extract_all(run, examples, rows, scratch);
	fill_vocabulary(examples, frequency, least_frequency(frequency, row_count, examples->stride));
	pfree(frequency);
	order_by_frequency(examples);

	for (int i = 0; i < row_count; i++)
	{
		TwExample  *example = &examples->at[i];
		double		square = 0;

		CHECK_FOR_INTERRUPTS();
		example->count = weigh(examples, scratch, example->features, example->count);
		for (int j = 0; j < example->count; j++)
			square += (double) example->features[j].value * example->features[j].value;
		example->square = (float) square;
	}
	tw_measure_memory(run);
	return examples;
}

/* Features of a text that is not an example, over the examples' vocabulary; the scratch owns the result. */
int
tw_weigh_text(const TwExamples *examples, TwFeatureScratch *scratch, const TwTrainingRow *row, TwFeature **features)
{
	int			count = tw_extract_features(scratch, row->text, row->length, features);

	return weigh(examples, scratch, *features, count);
}
