/*
 * test_features.c
 *		Known buckets, and texts that nobody would write.
 *
 * The expected buckets come from another implementation, in another language,
 * of the rules in features.c.
 */
#include "postgres.h"

#include "backend.h"
#include "base/hash.h"
#include "check.h"

#include <math.h>
#include <stdlib.h>

static TwFeatureScratch *scratch;
static TwFeatureScratch *old_scratch;	/* of version 1 */

static int
extract(const char *text, int length, TwFeature **features)
{
	return tw_extract_features(scratch, text, length, features);
}

static bool
has(const TwFeature *features, int count, uint32 id, float value)
{
	for (int i = 0; i < count; i++)
	{
		if (features[i].id == id && features[i].value == value)
			return true;
	}
	return false;
}

static void
test_known(void)
{
	static const uint32 words[] = {1029303, 841785, 1023911};
	static const uint32 characters[] = {272077, 302180, 318718, 381544, 671306, 997335};
	TwFeature  *features;
	int			count = extract("hi", 2, &features);
	bool		holds = count == 9;

	for (int i = 0; i < 3; i++)
		holds = holds && has(features, count, words[i], 1);
	for (int i = 0; i < 6; i++)
		holds = holds && has(features, count, characters[i] | TW_CHARACTER_BLOCK, 1);
	check(holds, "the features of \"hi\" are the nine known ones");
}

/* How many features of a block there are, the sum of their buckets, and how many appear twice. */
static bool
block_is(TwFeatureScratch *of, const char *text, uint32 block, int features_expected, uint64 sum_expected,
		 int twice_expected)
{
	TwFeature  *features;
	int			count = tw_extract_features(of, text, strlen(text), &features);
	int			found = 0;
	int			twice = 0;
	uint64		sum = 0;

	for (int i = 0; i < count; i++)
	{
		if ((features[i].id & TW_CHARACTER_BLOCK) != block)
			continue;
		found++;
		sum += features[i].id & (TW_BUCKETS - 1);
		twice += fabs(features[i].value - (1 + log(2))) < 1e-6;
	}
	return found == features_expected && sum == sum_expected && twice == twice_expected;
}

static void
test_more_known(void)
{
	check(block_is(old_scratch, "Pay 42, pay 17", 0, 6, 487710 + 276096 + 518976 + 531849 + 268093 + 708548, 3) &&
		  block_is(old_scratch, "Pay 42, pay 17", TW_CHARACTER_BLOCK, 16, UINT64CONST(9193702), 16),
		  "of version 1, capitals and digits are folded, repetitions counted");
	check(block_is(scratch, "Pay 42, pay 17", 0, 8,
				   98017 + 115328 + 124932 + 268093 + 366684 + 385224 + 487710 + 677968, 1) &&
		  block_is(scratch, "Pay 42, pay 17", TW_CHARACTER_BLOCK, 16, UINT64CONST(9193702), 16),
		  "of version 2, words keep their digits, and characters do not");
	check(block_is(scratch, "opcion7", 0, 3, 329924 + 577683 + 856416, 0) &&
		  block_is(scratch, "opcion7", TW_CHARACTER_BLOCK, 26, UINT64CONST(13944728), 0), "so do digits within words");
	check(block_is(scratch, "opcion ७", 0, 5, 295265 + 372566 + 497088 + 849786 + 867030, 0) &&
		  block_is(scratch, "opcion ७", TW_CHARACTER_BLOCK, 25, UINT64CONST(12491657), 0) &&
		  block_is(old_scratch, "opcion ७", TW_CHARACTER_BLOCK, 25, UINT64CONST(12423686), 0),
		  "and digits of other scripts, which version 1 did not know");
	check(block_is(scratch, "12:30", 0, 1, 965696, 0) && block_is(scratch, "12:30", TW_CHARACTER_BLOCK, 1, 987388, 0) &&
		  block_is(scratch, "??", 0, 1, 366856, 0) && block_is(scratch, "??", TW_CHARACTER_BLOCK, 1, 466625, 0) &&
		  block_is(scratch, ": ))", 0, 1, 296948, 0) && block_is(scratch, ": ))", TW_CHARACTER_BLOCK, 1, 499193, 0),
		  "a text of numbers is one feature in each block, and so is one of punctuation");
	check(block_is(scratch, "नमस्ते", 0, 3, 433808 + 527290 + 650602, 0) &&
		  block_is(scratch, "नमस्ते", TW_CHARACTER_BLOCK, 22, UINT64CONST(12727371), 0),
		  "n-grams of Devanagari go by code points");
	check(block_is(scratch, "it's", 0, 3, 442216 + 1038080 + 250211, 0) &&
		  block_is(scratch, "it's", TW_CHARACTER_BLOCK, 14, UINT64CONST(8050853), 0),
		  "an apostrophe is part of a word");
}

/* Extracts twice, the second time from a copy of exactly this size, so that a sanitizer sees what is read beyond it. */
static int
extract_copy(const char *text, int length)
{
	char	   *copy = malloc(Max(length, 1));
	TwFeature  *features;
	int			count;

	memcpy(copy, text, length);
	count = extract(copy, length, &features);
	for (int i = 0; i < count; i++)
	{
		if ((features[i].id & ~TW_CHARACTER_BLOCK) >= TW_BUCKETS || !(features[i].value >= 1) || features[i].value > 20)
			count = -1;
	}
	free(copy);
	return count;
}

static void
test_odd_texts(void)
{
	char	   *large = malloc(1024 * 1024);
	TwFeature  *features;
	uint64		random = 7;
	bool		holds = true;
	int			count;
	int			cut;

	check(extract_copy("", 0) == 0, "no bytes, no features");
	check(extract_copy("?!... -- ,;", 11) == 2 && extract_copy(" \t\n ", 4) == 0 &&
		  tw_extract_features(old_scratch, "?!... -- ,;", 11, &features) == 0,
		  "punctuation alone has features since version 2, white space has none");
	check(extract_copy("\xF0\x9F\x98\x80\xF0\x9F\x98\x80", 8) == 3 + 6, "two emoji are a word of two characters");
	check(extract_copy("\x80\x80\xBF", 3) > 0 && extract_copy("a\xE0\xA4", 3) > 0 && extract_copy("\xFF", 1) > 0,
		  "bytes that are no UTF-8 have features");

	for (int i = 0; i < 2000; i++)
	{
		char		noise[200];
		int			length = tw_random_below(&random, 200);

		for (int j = 0; j < length; j++)
			noise[j] = (char) tw_xorshift(&random);
		holds = holds && extract_copy(noise, length) >= 0;
	}
	check(holds, "2,000 texts of binary noise have features in range");

	for (int i = 0; i < 1024 * 1024; i++)
		large[i] = "abcdefgh "[tw_random_below(&random, 9)];
	count = extract_copy(large, 1024 * 1024);
	check(count > 10000 && count == extract_copy(large, TW_MODEL_TEXT_BYTES),
		  "of a text of 1 MB the first %d bytes count", TW_MODEL_TEXT_BYTES);
	memset(large, 0x80, 1024 * 1024);
	check(extract_copy(large, 1024 * 1024) > 0, "a megabyte of continuation bytes is no trouble");

	/* A character of three bytes across the limit is left out, none is cut. */
	memset(large, 'x', TW_MODEL_TEXT_BYTES);
	memcpy(large + TW_MODEL_TEXT_BYTES - 1, "\xE0\xA4\xA8", 3);
	cut = extract_copy(large, TW_MODEL_TEXT_BYTES + 2);
	check(cut == extract_copy(large, TW_MODEL_TEXT_BYTES - 1), "no character is cut at the limit");
	extract(large, 0, &features);
	free(large);
}

static void
test_weighing(void)
{
	TwVocabulary vocabulary;
	TwFeature	features[8];
	double		squares = 0;
	int			count;

	/* Buckets 5, 70 and 1,000,000 are known. */
	tw_init_vocabulary(&vocabulary, 3);
	tw_add_bucket(&vocabulary, 70);
	tw_add_bucket(&vocabulary, 5);
	tw_add_bucket(&vocabulary, 1000000);
	tw_number_vocabulary(&vocabulary);
	vocabulary.idf[0] = 1;
	vocabulary.idf[1] = 2;
	vocabulary.idf[2] = 0.5f;

	features[0] = (TwFeature) {70, 1};
	features[1] = (TwFeature) {71, 1};
	features[2] = (TwFeature) {5, 1.5f};
	features[3] = (TwFeature) {1000000 | TW_CHARACTER_BLOCK, 1};
	features[4] = (TwFeature) {5 | TW_CHARACTER_BLOCK, 1};
	count = tw_weigh_features(scratch, &vocabulary, features, 5);
	/* words: 2 and 1.5, length 2.5; characters: 0.5 and 1, length sqrt(1.25) */
	check(count == 3 && features[0].id == 1 && fabsf(features[0].value - 0.64f) < 1e-6f &&
		  features[1].id == 0 && fabs(features[1].value - (0.48 + 1 / sqrt(1.25))) < 1e-6 &&
		  features[2].id == 2 && fabs(features[2].value - 0.5 / sqrt(1.25)) < 1e-6,
		  "unknown buckets are dropped, blocks normalised, and what shares a bucket is added up");

	features[0] = (TwFeature) {70, 1};
	features[1] = (TwFeature) {5, 3};
	count = tw_weigh_features(scratch, &vocabulary, features, 2);
	for (int i = 0; i < count; i++)
		squares += (double) features[i].value * features[i].value;
	check(fabs(squares - 0.64) < 1e-6, "words alone have the length 0.8");

	features[0] = (TwFeature) {6, 1};
	check(tw_weigh_features(scratch, &vocabulary, features, 1) == 0, "a text without a known feature has none");
	check(fabs(tw_idf(99, 9) - sqrt(1 + log(10.0))) < 1e-6, "the weight of a feature is the root of its smoothed idf");
}

void
test_features(void)
{
	scratch = tw_feature_scratch(TW_FEATURES);
	old_scratch = tw_feature_scratch(1);
	test_known();
	test_more_known();
	test_odd_texts();
	test_weighing();
}
