/*
 * test_artifact.c
 *		Artifacts that are whole, damaged, cut, forged, or from the future.
 */
#include "postgres.h"

#include "backend.h"
#include "base/compat.h"
#include "base/hash.h"
#include "check.h"
#include "model/artifact_format.h"
#include "model/write_artifact.h"

#include <math.h>
#include <stdlib.h>

#define MUTATIONS 10000

/* What a model takes that is read from nothing: the bits and ranks of all buckets, and a table for features. */
#define EMPTY_MODEL (320 * 1024)

typedef struct Attempt
{
	const char *bytes;
	Size		size;
	bool		sound;			/* all its answers were probabilities */
} Attempt;

static const char *questions[] = {
	"where is my parcel", "cancel it", "नमस्ते", "?", "", "qqq zzz", "a a a a a a 000", "key 1", "key 3", "17"
};

static void
read_and_ask(void *arg)
{
	Attempt    *attempt = arg;
	TwModel    *model = tw_read_model(attempt->bytes, attempt->size);
	int			labels = tw_model_label_count(model);
	float	   *probabilities = palloc(sizeof(float) * labels);

	attempt->sound = true;
	for (size_t i = 0; i < lengthof(questions); i++)
	{
		double		sum = 0;
		bool		known = tw_model_probabilities(model, questions[i], strlen(questions[i]), probabilities);

		for (int k = 0; k < labels; k++)
		{
			attempt->sound = attempt->sound && probabilities[k] >= 0 && probabilities[k] <= 1;
			sum += probabilities[k];
		}
		attempt->sound = attempt->sound && fabs(sum - (known ? 1 : 0)) < 1e-3;
	}
	for (int k = 0; k < labels; k++)
		attempt->sound = attempt->sound && strlen(tw_model_label(model, k)) <= attempt->size;
}

/* The error's code, 0 for a model that answers, -1 for one that answers nonsense. */
static int
try_bytes(const char *bytes, Size size)
{
	Attempt		attempt = {bytes, size};
	int			code = backend_try(read_and_ask, &attempt);

	return code == 0 && !attempt.sound ? -1 : code;
}

static void
put(char *bytes, Size at, uint64 number, int count)
{
	for (int i = 0; i < count; i++)
		bytes[at + i] = (char) (number >> (8 * i));
}

static void
seal(char *bytes, Size size)
{
	put(bytes, TW_LENGTH_OFFSET, size, 8);
	put(bytes, TW_CHECKSUM_OFFSET,
		tw_finalise(tw_fnv(TW_FNV_BASIS, bytes + TW_CHECKED_OFFSET, size - TW_CHECKED_OFFSET)), 8);
}

static void
test_round_trip(void)
{
	TwTrainingSet *set = toy_set();
	TwModel    *model = read_back(train_quietly(set, NULL));
	bool		same = tw_model_label_count(model) == set->label_count;

	for (int k = 0; same && k < set->label_count; k++)
	{
		const char *module = tw_model_module(model, k);

		same = strcmp(tw_model_label(model, k), set->labels[k]) == 0 && (module == NULL) == (set->modules[k] == NULL) &&
			(module == NULL || strcmp(module, set->modules[k]) == 0);
	}
	check(same, "labels and modules come back, no module and an empty one told apart");
	set->modules = NULL;
	model = read_back(train_quietly(set, NULL));
	check(tw_model_module(model, 0) == NULL, "a set may have no modules at all");
}

static void
test_damage(const char *original, Size size)
{
	char	   *bytes = malloc(size);
	bool		caught = true;

	memcpy(bytes, original, size);
	check(try_bytes(bytes, size) == 0, "an artifact can be read from anywhere");
	for (Size i = 0; i < size; i++)
	{
		for (int flip = 1; flip < 256; flip = flip * 4 + 3)
		{
			bytes[i] ^= flip;
			caught = caught && try_bytes(bytes, size) == ERRCODE_DATA_CORRUPTED;
			bytes[i] ^= flip;
		}
	}
	check(caught, "every byte that is changed is noticed (%zu bytes, four ways each)", size);
	free(bytes);

	caught = true;
	for (Size i = 0; i < size; i++)
	{
		/* A copy of this size, so that reading beyond it is seen. */
		bytes = malloc(Max(i, 1));
		memcpy(bytes, original, i);
		caught = caught && try_bytes(bytes, i) == ERRCODE_DATA_CORRUPTED;
		if (i >= TW_BODY_OFFSET)
		{
			seal(bytes, i);
			caught = caught && try_bytes(bytes, i) == ERRCODE_DATA_CORRUPTED;
		}
		free(bytes);
	}
	check(caught, "every truncation is noticed, also with a checksum that fits");

	bytes = malloc(size + 1);
	memcpy(bytes, original, size);
	bytes[size] = 0;
	seal(bytes, size + 1);
	check(try_bytes(bytes, size + 1) == ERRCODE_DATA_CORRUPTED, "so is something that follows it");
	free(bytes);
}

static void
test_newer(const char *original, Size size)
{
	char	   *bytes = malloc(size);

	memcpy(bytes, original, size);
	put(bytes, TW_CHECKED_OFFSET, TW_ARTIFACT_FORMAT + 1, 4);
	seal(bytes, size);
	check(try_bytes(bytes, size) == ERRCODE_FEATURE_NOT_SUPPORTED, "a newer format is told apart from damage");
	put(bytes, TW_CHECKED_OFFSET, 0, 4);
	seal(bytes, size);
	check(try_bytes(bytes, size) == ERRCODE_DATA_CORRUPTED, "there is no format 0");
	free(bytes);
}

/* Numbers that a reader may trip over, at each place in turn. */
static void
test_extremes(const char *original, Size size)
{
	static const uint32 numbers[] = {0, 0x80, 0x7FFFFFFF, 0xFFFFFFFF, 0x7F800000, 0x7F7FFFFF};
	bool		sound = true;
	Size		most = 0;

	for (Size at = TW_BODY_OFFSET; at + 4 <= size; at++)
	{
		for (size_t i = 0; i < lengthof(numbers); i++)
		{
			char	   *bytes = malloc(size);
			Size		before = backend_allocated();
			int			code;

			memcpy(bytes, original, size);
			put(bytes, at, numbers[i], 4);
			seal(bytes, size);
			backend_reset_peak();
			code = try_bytes(bytes, size);
			sound = sound && (code == 0 || code == ERRCODE_DATA_CORRUPTED);
			most = Max(most, backend_peak() - before);
			free(bytes);
		}
	}
	check(sound, "whatever number stands anywhere, it is an error or a model that answers");
	check(most < EMPTY_MODEL + 16 * size, "and memory stays in proportion to the artifact");
	note("at most %zu bytes for %zu", most, size);
}

static void
test_mutations(const char *original, Size size)
{
	uint64		random = 2024;
	bool		sound = true;
	int			errors = 0;

	for (int round = 0; round < MUTATIONS; round++)
	{
		Size		length = size;
		char	   *bytes = malloc(size + 8);

		memcpy(bytes, original, size);
		for (int i = tw_random_below(&random, 4); i >= 0; i--)
		{
			/* Half of them where the structure is. */
			Size		room = tw_random_below(&random, 2) == 0 ? size : Min(size, 200);
			Size		at = tw_random_below(&random, room);

			bytes[at] = (char) tw_xorshift(&random);
		}
		if (tw_random_below(&random, 8) == 0)
			length = TW_BODY_OFFSET + tw_random_below(&random, size - TW_BODY_OFFSET);
		memcpy(bytes, original, TW_BODY_OFFSET);
		seal(bytes, length);
		switch (try_bytes(bytes, length))
		{
			case 0:
				break;
			case ERRCODE_DATA_CORRUPTED:
				errors++;
				break;
			default:
				sound = false;
		}
		free(bytes);
	}
	check(sound, "%d random forgeries are errors or models that answer", MUTATIONS);
	check(errors > MUTATIONS / 20 && errors < MUTATIONS, "some are the one, some the other");
	note("%d errors", errors);
}

/* Ten thousand labels, a million features, and nothing behind them. */
static void
test_empty_claims(void)
{
	char		bytes[64] = {0};
	Size		before = backend_allocated();

	memcpy(bytes, TW_ARTIFACT_MAGIC, 8);
	put(bytes, TW_CHECKED_OFFSET, TW_ARTIFACT_FORMAT, 4);
	put(bytes, TW_BODY_OFFSET, TW_MODEL_LABELS, 4);
	put(bytes, TW_BODY_OFFSET + 4, TW_BUCKETS, 4);
	put(bytes, TW_BODY_OFFSET + 8, 1, 4);
	put(bytes, TW_BODY_OFFSET + 12, 0x3F000000, 4);
	seal(bytes, sizeof(bytes));
	backend_reset_peak();
	check(try_bytes(bytes, sizeof(bytes)) == ERRCODE_DATA_CORRUPTED && backend_peak() - before < 65536,
		  "what an artifact claims to have is not allocated before it is there");
}

static bool
name_is_accepted(const char *name)
{
	TwTrainingSet *set = small_set("hello", "", "good bye", name, NULL);
	bytea	   *artifact = train_quietly(set, NULL);

	return try_bytes(VARDATA(artifact), VARSIZE(artifact) - VARHDRSZ) == 0;
}

static void
test_names(void)
{
	static const char *good[] = {"a", "पार्सल", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF", "\xEE\x80\x80", "\xC2\x80"};
	static const char *bad[] = {
		"\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
		"\xE0\xA4", "a\xFF"
	};
	bool		right = true;

	for (size_t i = 0; i < lengthof(good); i++)
		right = right && name_is_accepted(good[i]);
	for (size_t i = 0; i < lengthof(bad); i++)
		right = right && !name_is_accepted(bad[i]);
	check(right, "names that are no UTF-8 do not come out");
}

void
test_artifact(void)
{
	TwTrainingSet *set = small_set("where is my parcel", "track", "is it there", "track", "cancel it", "cancel",
								   "stop that order", "cancel", "नमस्ते", "greeting", "hello", "greeting",
								   "key 1", "track", "key 2", "cancel", "no 1", "track", "no 2", "cancel", NULL);
	bytea	   *artifact = train_quietly(set, NULL);
	const char *bytes = VARDATA(artifact);
	Size		size = VARSIZE(artifact) - VARHDRSZ;

	test_round_trip();
	test_damage(bytes, size);
	test_newer(bytes, size);
	test_extremes(bytes, size);
	test_mutations(bytes, size);
	test_empty_claims();
	test_names();
}
