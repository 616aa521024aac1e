/*
 * features.c
 *		Words, word pairs and character n-grams of a text, as buckets of a hash.
 *
 * Training and prediction share this code, so both see the same features. There is no list of words: two features in
 * the same bucket share their weights.
 *
 * Version 1 had all digits alike, and no features for a text of punctuation. In version 2 a word has its digits, while
 * character n-grams have all digits alike: "opcion 1" and "opcion 2" differ, and "order 25 pizzas" is still like "order
 * 40 pizzas". A text of numbers alone is one feature: it is known exactly or not at all, as no number says anything
 * about another one.
 */
#include "postgres.h"

#include "base/hash.h"
#include "model/features.h"
#include "model/router.h"
#include "model/text_kind.h"
#include "rules/words.h"

#include <math.h>

/* Character n-grams start from another basis, so that they do not collide with words. */
#define CHARACTER_BASIS UINT64CONST(0x9ae16a3b2f90404f)
#define LONGEST_NGRAM 5

/* Kinds of features differ by what is xored in. */
#define WORD_SALT 0x1111
#define PAIR_SALT 0x2222
#define FIRST_WORD_SALT 0x5555
#define LAST_WORD_SALT 0x6666
#define NUMBERS_SALT 0x7777
#define NUMBERS_CHARACTERS_SALT 0xAAAA
#define MARKS_SALT 0x8888
#define RUNS_SALT 0x9999

/* The weight of words relative to characters. */
#define WORD_BLOCK 0.8

#define INITIAL_SLOTS 1024

typedef struct Slot
{
	uint64		key;
	uint32		stamp;			/* of the text that used it last */
	uint32		position;		/* in features */
} Slot;

/* A hash table of the keys of one text. A new stamp empties it. */
struct TwFeatureScratch
{
	MemoryContext context;
	int			version;		/* of the features */
	Slot	   *slots;
	uint32		slot_count;		/* a power of two, at least twice the features */
	uint32		stamp;
	TwFeature  *features;
	int			count;
	unsigned char *alike;		/* a word with all digits alike, where that takes a copy */
	int			alike_size;
};

/* A table for features of this version, from 1 to TW_FEATURES. */
TwFeatureScratch *
tw_feature_scratch(int version)
{
	TwFeatureScratch *scratch = palloc0(sizeof(TwFeatureScratch));

	scratch->context = CurrentMemoryContext;
	scratch->version = version;
	scratch->slot_count = INITIAL_SLOTS;
	scratch->slots = palloc0(sizeof(Slot) * INITIAL_SLOTS);
	scratch->features = palloc(sizeof(TwFeature) * INITIAL_SLOTS / 2);
	return scratch;
}

static void
empty_table(TwFeatureScratch *scratch)
{
	scratch->count = 0;
	if (++scratch->stamp == 0)
	{
		memset(scratch->slots, 0, sizeof(Slot) * scratch->slot_count);
		scratch->stamp = 1;
	}
}

/* The key's slot, or the free slot where it belongs. */
static inline Slot *
find_slot(TwFeatureScratch *scratch, uint64 key)
{
	/* The low bits select the bucket: the others separate keys of one bucket. */
	uint32		at = (uint32) (key >> 32);

	for (;; at++)
	{
		Slot	   *slot = &scratch->slots[at & (scratch->slot_count - 1)];

		if (slot->stamp != scratch->stamp || slot->key == key)
			return slot;
	}
}

static void
enlarge_table(TwFeatureScratch *scratch)
{
	Slot	   *old = scratch->slots;
	uint32		old_count = scratch->slot_count;
	Slot	   *slots;

	scratch->features = repalloc(scratch->features, sizeof(TwFeature) * old_count);
	slots = MemoryContextAllocZero(scratch->context, sizeof(Slot) * 2 * old_count);
	scratch->slots = slots;
	scratch->slot_count = 2 * old_count;
	for (uint32 i = 0; i < old_count; i++)
	{
		if (old[i].stamp == scratch->stamp)
			*find_slot(scratch, old[i].key) = old[i];
	}
	pfree(old);
}

static inline void
count_key(TwFeatureScratch *scratch, uint64 raw, uint32 block)
{
	uint64		key = tw_finalise(raw);
	Slot	   *slot = find_slot(scratch, key);

	if (slot->stamp == scratch->stamp)
	{
		scratch->features[slot->position].value += 1;
		return;
	}
	if ((uint32) scratch->count >= scratch->slot_count / 2)
	{
		enlarge_table(scratch);
		slot = find_slot(scratch, key);
	}
	slot->key = key;
	slot->stamp = scratch->stamp;
	slot->position = scratch->count;
	scratch->features[scratch->count].id = (uint32) (key & (TW_BUCKETS - 1)) | block;
	scratch->features[scratch->count].value = 1;
	scratch->count++;
}

/* Any byte but a continuation byte begins a character, in malformed UTF-8 as well. */
static inline bool
begins_character(unsigned char c)
{
	return (c & 0xC0) != 0x80;
}

/* N-grams of 2 to 5 characters of a word with a space on both sides; each start extends the hash of the shorter one. */
static void
count_ngrams(TwFeatureScratch *scratch, const unsigned char *word, int length)
{
	for (int start = -1; start < length; start++)
	{
		uint64		hash = CHARACTER_BASIS;
		int			characters = 0;
		int			at = start;

		if (start > 0 && !begins_character(word[start]))
			continue;
		while (characters < LONGEST_NGRAM && at <= length)
		{
			do
			{
				hash = tw_fnv_byte(hash, at < 0 || at == length ? ' ' : tw_word_byte(word[at]));
				at++;
			} while (at > 0 && at < length && !begins_character(word[at]));
			if (++characters >= 2)
				count_key(scratch, hash, TW_CHARACTER_BLOCK);
		}
	}
}

/* The start of the last character that is cut off by the limit. */
static int
text_limit(const char *text, int length)
{
	int			limit = TW_MODEL_TEXT_BYTES;

	if (length <= limit)
		return length;
	while (limit > TW_MODEL_TEXT_BYTES - 4 && !begins_character((unsigned char) text[limit]))
		limit--;
	return limit;
}

/*
 * The n-grams of a word with digits beyond ASCII, as if they were 0. ASCII digits need no copy: tw_word_byte() makes
 * them alike.
 */
static void
count_ngrams_of_copy(TwFeatureScratch *scratch, const unsigned char *word, const unsigned char *end)
{
	int			length = 0;

	if (scratch->alike_size < end - word)
	{
		scratch->alike_size = Max(end - word, INITIAL_SLOTS);
		if (scratch->alike != NULL)
			pfree(scratch->alike);
		scratch->alike = MemoryContextAllocZero(scratch->context, scratch->alike_size);
	}
	while (word < end)
	{
		int			digit = tw_digit_bytes(word, end);

		scratch->alike[length++] = digit > 0 ? '0' : *word;
		word += Max(digit, 1);
	}
	count_ngrams(scratch, scratch->alike, length);
}

/* A feature of a whole text, in both blocks: it weighs as much as the words and characters of another text. */
static void
count_whole(TwFeatureScratch *scratch, uint64 word_key, uint64 character_key)
{
	count_key(scratch, word_key, 0);
	count_key(scratch, character_key, TW_CHARACTER_BLOCK);
}

/* Punctuation: the text itself, and beside it what remains if a character counts once however often it is repeated. */
static void
count_marks(TwFeatureScratch *scratch, const unsigned char *at, const unsigned char *end)
{
	uint64		hash = TW_FNV_BASIS;
	uint64		runs = TW_FNV_BASIS;
	unsigned char previous = 0;

	for (; at < end; at++)
	{
		hash = tw_fnv_byte(hash, *at);
		if (*at <= ' ' || *at == previous)
			continue;
		runs = tw_fnv_byte(runs, *at);
		previous = *at;
	}
	count_whole(scratch, hash ^ MARKS_SALT, runs ^ RUNS_SALT);
}

static void
count_words(TwFeatureScratch *scratch, const unsigned char *at, const unsigned char *end)
{
	uint64		previous = 0;
	bool		first = true;
	bool		keeps_digits = scratch->version > 1;

	while (at < end)
	{
		const unsigned char *word = at;
		uint64		hash = TW_FNV_BASIS;
		bool		copied = false;

		for (; at < end && tw_word_byte(*at) != 0; at++)
		{
			bool		is_digit = *at >= '0' && *at <= '9';

			hash = tw_fnv_byte(hash, keeps_digits && is_digit ? *at : tw_word_byte(*at));
			if (*at >= 0xC0 && keeps_digits && !copied)
				copied = tw_digit_bytes(at, end) > 0;
		}
		if (at == word)
		{
			at++;
			continue;
		}
		count_key(scratch, hash ^ WORD_SALT, 0);
		count_key(scratch, first ? hash ^ FIRST_WORD_SALT : (previous * 31 + hash) ^ PAIR_SALT, 0);
		if (copied)
			count_ngrams_of_copy(scratch, word, at);
		else
			count_ngrams(scratch, word, at - word);
		previous = hash;
		first = false;
	}
	if (!first)
		count_key(scratch, previous ^ LAST_WORD_SALT, 0);
}

/*
 * The features of a text in the order of their first occurrence, each once, with the value 1 + ln(count). The scratch
 * owns the result, which is valid until the next call.
 */
int
tw_extract_features(TwFeatureScratch *scratch, const char *text, int length, TwFeature **features)
{
	const unsigned char *at = (const unsigned char *) text;
	const unsigned char *end = at + text_limit(text, length);
	TwTextKind	kind = scratch->version > 1 ? tw_text_kind(at, end) : TW_TEXT_OF_WORDS;

	empty_table(scratch);
	if (kind == TW_TEXT_OF_NUMBERS)
	{
		uint64		hash = tw_fnv(TW_FNV_BASIS, (const char *) at, end - at);

		count_whole(scratch, hash ^ NUMBERS_SALT, hash ^ NUMBERS_CHARACTERS_SALT);
	}
	else if (kind == TW_TEXT_OF_MARKS)
		count_marks(scratch, at, end);
	else
		count_words(scratch, at, end);

	for (int i = 0; i < scratch->count; i++)
	{
		if (scratch->features[i].value > 1)
			scratch->features[i].value = (float) (1.0 + log(scratch->features[i].value));
	}
	*features = scratch->features;
	return scratch->count;
}

/* Merges features of the same row of the vocabulary; the first keeps its position. */
static int
merge_features(TwFeatureScratch *scratch, TwFeature *features, int count)
{
	int			kept = 0;

	empty_table(scratch);
	for (int i = 0; i < count; i++)
	{
		uint64		key = features[i].id * UINT64CONST(0x9E3779B97F4A7C15);
		Slot	   *slot = find_slot(scratch, key);

		if (slot->stamp == scratch->stamp)
		{
			features[slot->position].value += features[i].value;
			continue;
		}
		slot->key = key;
		slot->stamp = scratch->stamp;
		slot->position = kept;
		features[kept++] = features[i];
	}
	return kept;
}

static inline int
bit_count(uint64 word)
{
	word -= (word >> 1) & UINT64CONST(0x5555555555555555);
	word = (word & UINT64CONST(0x3333333333333333)) + ((word >> 2) & UINT64CONST(0x3333333333333333));
	word = (word + (word >> 4)) & UINT64CONST(0x0F0F0F0F0F0F0F0F);
	return (int) ((word * UINT64CONST(0x0101010101010101)) >> 56);
}

/* The bucket's position among the known ones, or -1. */
static inline int
vocabulary_row(const TwVocabulary *vocabulary, uint32 bucket)
{
	uint64		word = vocabulary->bits[bucket >> 6];
	uint64		bit = (uint64) 1 << (bucket & 63);

	return (word & bit) == 0 ? -1 : (int) vocabulary->ranks[bucket >> 6] + bit_count(word & (bit - 1));
}

/*
 * Turns extracted features into a vector over the vocabulary, in place: unknown features are dropped, words and
 * characters are each scaled to a fixed length, features in the same bucket are added up. Returns how many are left.
 */
int
tw_weigh_features(TwFeatureScratch *scratch, const TwVocabulary *vocabulary, TwFeature *features, int count)
{
	double		squares[2] = {0, 0};
	float		factors[2];
	int			kept = 0;

	for (int i = 0; i < count; i++)
	{
		int			row = vocabulary_row(vocabulary, features[i].id & (TW_BUCKETS - 1));
		int			block = (features[i].id & TW_CHARACTER_BLOCK) != 0;
		float		value;

		if (row < 0)
			continue;
		value = features[i].value * vocabulary->idf[row];
		squares[block] += (double) value * value;
		features[kept].id = row | (features[i].id & TW_CHARACTER_BLOCK);
		features[kept++].value = value;
	}
	factors[0] = squares[0] > 0 ? (float) (WORD_BLOCK / sqrt(squares[0])) : 0;
	factors[1] = squares[1] > 0 ? (float) (1 / sqrt(squares[1])) : 0;
	for (int i = 0; i < kept; i++)
	{
		features[i].value *= factors[(features[i].id & TW_CHARACTER_BLOCK) != 0];
		features[i].id &= ~TW_CHARACTER_BLOCK;
	}
	return merge_features(scratch, features, kept);
}

/* An empty vocabulary with room for the weights of `count` buckets. */
void
tw_init_vocabulary(TwVocabulary *vocabulary, int count)
{
	vocabulary->count = count;
	vocabulary->bits = palloc0(sizeof(uint64) * (TW_BUCKETS / 64));
	vocabulary->ranks = palloc(sizeof(uint32) * (TW_BUCKETS / 64));
	vocabulary->idf = palloc(sizeof(float) * Max(count, 1));
}

/* Called when all buckets are added. */
void
tw_number_vocabulary(TwVocabulary *vocabulary)
{
	uint32		rank = 0;

	for (int i = 0; i < TW_BUCKETS / 64; i++)
	{
		vocabulary->ranks[i] = rank;
		rank += bit_count(vocabulary->bits[i]);
	}
}

/* The square root of a smoothed inverse document frequency. */
float
tw_idf(int row_count, int frequency)
{
	return (float) sqrt(1.0 + log((1.0 + row_count) / (1.0 + frequency)));
}
