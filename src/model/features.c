/*
 * features.c
 *		Words, word pairs and character n-grams of a text, as buckets of a hash.
 *
 * Training and prediction share this code, so both see the same features. There is no list of words: two features in
 * the same bucket share their weights.
 */
#include "postgres.h"

#include "base/hash.h"
#include "model/features.h"
#include "model/router.h"
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
	Slot	   *slots;
	uint32		slot_count;		/* a power of two, at least twice the features */
	uint32		stamp;
	TwFeature  *features;
	int			count;
};

TwFeatureScratch *
tw_feature_scratch(void)
{
	TwFeatureScratch *scratch = palloc0(sizeof(TwFeatureScratch));

	scratch->context = CurrentMemoryContext;
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
 * The features of a text in the order of their first occurrence, each once, with the value 1 + ln(count). The scratch
 * owns the result, which is valid until the next call.
 */
int
tw_extract_features(TwFeatureScratch *scratch, const char *text, int length, TwFeature **features)
{
	const unsigned char *at = (const unsigned char *) text;
	const unsigned char *end = at + text_limit(text, length);
	uint64		previous = 0;
	bool		first = true;

	empty_table(scratch);
	while (at < end)
	{
		const unsigned char *word = at;
		uint64		hash = TW_FNV_BASIS;

		while (at < end && tw_word_byte(*at) != 0)
			hash = tw_fnv_byte(hash, tw_word_byte(*at++));
		if (at == word)
		{
			at++;
			continue;
		}
		count_key(scratch, hash ^ WORD_SALT, 0);
		count_key(scratch, first ? hash ^ FIRST_WORD_SALT : (previous * 31 + hash) ^ PAIR_SALT, 0);
		count_ngrams(scratch, word, at - word);
		previous = hash;
		first = false;
	}
	if (!first)
		count_key(scratch, previous ^ LAST_WORD_SALT, 0);

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
