/*
 * word_sets.c
 *		Texts as sets of words, the rarest first.
 *
 * A word is a run of ASCII letters, digits, apostrophes and non-ASCII
 * characters in the normalised text, with every digit as 0 or as it is. The
 * router splits words in the same way: texts that it cannot distinguish have
 * equal sets.
 *
 * Words are compared by their characters and never by a hash alone.
 */
#include "postgres.h"

#include "base/compat.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "rules/normalize.h"
#include "rules/words.h"
#include "samples/word_sets.h"
#include "utils/memutils.h"

/* The characters of words are kept in blocks of this size. */
#define BLOCK_BYTES 65536

#define ST_SORT sort_words
#define ST_ELEMENT_TYPE TwSlice
#define ST_COMPARE(a, b) tw_slice_compare(*(a), *(b))
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* The words of one text; the memory of `at` is reused for the next text. */
typedef struct WordList
{
	TwSlice    *at;
	int32		count;
	int32		capacity;
} WordList;

/* A word of the sets. Its rank is its position by rarity; until all texts are read, a running number. */
typedef struct DictionaryEntry
{
	TwSlice		word;
	uint32		hash;
	int32		rank;
	char		status;
} DictionaryEntry;

#define SH_PREFIX dictionary
#define SH_ELEMENT_TYPE DictionaryEntry
#define SH_KEY_TYPE TwSlice
#define SH_KEY word
#define SH_HASH_KEY(table, key) hash_bytes((const unsigned char *) (key).data, (key).length)
#define SH_EQUAL(table, a, b) ((a).length == (b).length && memcmp((a).data, (b).data, (a).length) == 0)
#define SH_STORE_HASH
#define SH_GET_HASH(table, entry) (entry)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

#define ST_SORT sort_ranks
#define ST_ELEMENT_TYPE int32
#define ST_COMPARE(a, b) (*(a) < *(b) ? -1 : *(a) > *(b))
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

typedef struct TwVocabulary
{
	MemoryContext scratch;		/* for one text at a time */
	WordList	words;			/* of the current text */
	bool		digits_alike;	/* every digit is read as 0 */
	dictionary_hash *dictionary;
	int32		count;			/* of words in the dictionary */
	char	   *block;			/* free memory for characters of words */
	int32		block_room;
} TwVocabulary;

/* The sets under construction. */
typedef struct Growing
{
	TwWordSets *result;
	int32		rank_count;
	int32		rank_capacity;
	int32		set_capacity;
} Growing;

/* Compares by size, then by words, so that equal sets are adjacent; 0 if the words are the same. */
static int
compare_words(const TwWordSet *a, const TwWordSet *b, const int32 *ranks)
{
	if (a->size != b->size)
		return a->size < b->size ? -1 : 1;
	return memcmp(ranks + a->start, ranks + b->start, sizeof(int32) * a->size);
}

/* As above; equal sets by their position in the array. */
static int
compare_sets(const TwWordSet *a, const TwWordSet *b, const int32 *ranks)
{
	int			result = compare_words(a, b, ranks);

	return result != 0 ? result : (a->position > b->position) - (a->position < b->position);
}

#define ST_SORT sort_sets
#define ST_ELEMENT_TYPE TwWordSet
#define ST_COMPARE(a, b, ranks) compare_sets(a, b, ranks)
#define ST_COMPARE_ARG_TYPE const int32
#define ST_CHECK_FOR_INTERRUPTS
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

static void *
enlarge(void *array, int32 *capacity, Size element_size)
{
	*capacity *= 2;
	return repalloc_huge(array, element_size * *capacity);
}

/* Removes duplicate words. */
static void
drop_repeated_words(WordList *words)
{
	int32		kept = 0;

	sort_words(words->at, words->count);
	for (int32 i = 0; i < words->count; i++)
	{
		if (kept == 0 || tw_slice_compare(words->at[kept - 1], words->at[i]) != 0)
			words->at[kept++] = words->at[i];
	}
	words->count = kept;
}

/* Adds a word. Duplicates are removed first when the list is full: a repetitive text must not take 16 bytes a word. */
static void
add_word(WordList *words, TwSlice word)
{
	if (words->count == words->capacity)
	{
		drop_repeated_words(words);
		if (words->count > words->capacity / 2)
			words->at = enlarge(words->at, &words->capacity, sizeof(TwSlice));
	}
	words->at[words->count++] = word;
}

/* Reads the set of words of a text into vocabulary->words; they point into the scratch memory. */
static void
read_words(TwVocabulary *vocabulary, Datum value)
{
	MemoryContext caller;
	text	   *normal;
	char	   *at;
	char	   *end;

	MemoryContextReset(vocabulary->scratch);
	caller = MemoryContextSwitchTo(vocabulary->scratch);
	normal = tw_normalize(tw_text_slice(value, false));
	MemoryContextSwitchTo(caller);

	at = VARDATA(normal);
	end = at + VARSIZE(normal) - VARHDRSZ;
	vocabulary->words.count = 0;
	while (at < end)
	{
		TwSlice		word = {at, 0};

		CHECK_FOR_INTERRUPTS();
		for (; at < end && tw_word_byte(*at) != 0; at++)
		{
			if (vocabulary->digits_alike || !(*at >= '0' && *at <= '9'))
				*at = tw_word_byte(*at);
		}
		word.length = at - word.data;
		if (word.length > 0)
			add_word(&vocabulary->words, word);
		else
			at++;
	}
	drop_repeated_words(&vocabulary->words);
}

/* A permanent copy of the word's characters. */
static const char *
keep_characters(TwVocabulary *vocabulary, TwSlice word)
{
	char	   *copy;

	if (word.length > vocabulary->block_room)
	{
		vocabulary->block_room = Max(word.length, BLOCK_BYTES);
		vocabulary->block = palloc_extended(vocabulary->block_room, MCXT_ALLOC_HUGE);
	}
	copy = memcpy(vocabulary->block, word.data, word.length);
	vocabulary->block += word.length;
	vocabulary->block_room -= word.length;
	return copy;
}

/* Adds the text in vocabulary->words. */
static void
add_text(Growing *growing, int32 position)
{
	TwWordSets *result = growing->result;
	TwVocabulary *vocabulary = result->vocabulary;
	TwWordSet	set = {growing->rank_count, vocabulary->words.count, position};

	if (set.size == 0)
		return;
	for (int32 i = 0; i < set.size; i++)
	{
		bool		found;
		DictionaryEntry *entry = dictionary_insert(vocabulary->dictionary, vocabulary->words.at[i], &found);

		CHECK_FOR_INTERRUPTS();
		if (!found)
		{
			entry->word.data = keep_characters(vocabulary, entry->word);
			entry->rank = vocabulary->count++;
		}
		if (growing->rank_count == growing->rank_capacity)
			result->ranks = enlarge(result->ranks, &growing->rank_capacity, sizeof(int32));
		result->ranks[growing->rank_count++] = entry->rank;
	}
	if (result->count == growing->set_capacity)
		result->sets = enlarge(result->sets, &growing->set_capacity, sizeof(TwWordSet));
	result->sets[result->count++] = set;
}

static int32 *
zeroed_counters(Size count)
{
	return palloc_extended(sizeof(int32) * count, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/* Turns the running numbers of words into ranks: a counting sort by the number of texts that have the word. */
static void
rank_words(Growing *growing)
{
	TwVocabulary *vocabulary = growing->result->vocabulary;
	int32	   *ranks = growing->result->ranks;
	int32	   *frequencies = zeroed_counters(vocabulary->count);
	int32	   *next_ranks = zeroed_counters((Size) growing->result->count + 2);
	dictionary_iterator iterator;
	DictionaryEntry *entry;

	for (int32 i = 0; i < growing->rank_count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		frequencies[ranks[i]]++;
	}
	for (int32 i = 0; i < vocabulary->count; i++)
		next_ranks[frequencies[i] + 1]++;
	for (int32 i = 1; i <= growing->result->count; i++)
		next_ranks[i] += next_ranks[i - 1];
	/* From here on, each word's rank instead of its frequency. */
	for (int32 i = 0; i < vocabulary->count; i++)
		frequencies[i] = next_ranks[frequencies[i]]++;

	for (int32 i = 0; i < growing->rank_count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ranks[i] = frequencies[ranks[i]];
	}
	dictionary_start_iterate(vocabulary->dictionary, &iterator);
	while ((entry = dictionary_iterate(vocabulary->dictionary, &iterator)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		entry->rank = frequencies[entry->rank];
	}
	pfree(frequencies);
	pfree(next_ranks);
}

/* Sorts the words of each set and the sets, and keeps the first of equal sets. */
static void
order_sets(TwWordSets *sets)
{
	int32		kept = 0;

	for (int32 i = 0; i < sets->count; i++)
		sort_ranks(sets->ranks + sets->sets[i].start, sets->sets[i].size);
	sort_sets(sets->sets, sets->count, sets->ranks);
	for (int32 i = 0; i < sets->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (kept == 0 || compare_words(&sets->sets[kept - 1], &sets->sets[i], sets->ranks) != 0)
			sets->sets[kept++] = sets->sets[i];
	}
	sets->count = kept;
}

/*
 * The sets of words of an array of texts, without empty sets, in the current memory context. With digits_alike, every
 * digit is read as 0, also in the texts that are looked up later.
 */
TwWordSets *
tw_word_sets(ArrayType *texts, bool digits_alike)
{
	TwWordSets *result = palloc0(sizeof(TwWordSets));
	TwVocabulary *vocabulary = palloc0(sizeof(TwVocabulary));
	Growing		growing = {.result = result, .rank_capacity = 1024, .set_capacity = 128};
	ArrayIterator iterator = array_create_iterator(texts, 0, NULL);
	Datum		value;
	bool		isnull;

	vocabulary->scratch = AllocSetContextCreate(CurrentMemoryContext, "words of a text", ALLOCSET_DEFAULT_SIZES);
	vocabulary->words.capacity = 64;
	vocabulary->words.at = palloc(sizeof(TwSlice) * vocabulary->words.capacity);
	vocabulary->dictionary = dictionary_create(CurrentMemoryContext, 1024, NULL);
	vocabulary->digits_alike = digits_alike;
	result->vocabulary = vocabulary;
	result->ranks = palloc(sizeof(int32) * growing.rank_capacity);
	result->sets = palloc(sizeof(TwWordSet) * growing.set_capacity);

	for (int32 position = 1; array_iterate(iterator, &value, &isnull); position++)
	{
		CHECK_FOR_INTERRUPTS();
		if (isnull)
			continue;
		read_words(vocabulary, value);
		add_text(&growing, position);
	}
	array_free_iterator(iterator);
	rank_words(&growing);
	order_sets(result);
	result->rank_limit = vocabulary->count;
	return result;
}

/* Looks up the words of another text. */
TwKnownWords
tw_known_words(TwWordSets *sets, Datum text)
{
	TwVocabulary *vocabulary = sets->vocabulary;
	TwKnownWords known = {NULL, 0, 0};

	read_words(vocabulary, text);
	known.size = vocabulary->words.count;
	known.ranks = MemoryContextAllocHuge(vocabulary->scratch, sizeof(int32) * known.size);
	for (int32 i = 0; i < known.size; i++)
	{
		DictionaryEntry *entry = dictionary_lookup(vocabulary->dictionary, vocabulary->words.at[i]);

		CHECK_FOR_INTERRUPTS();
		if (entry != NULL)
			known.ranks[known.count++] = entry->rank;
	}
	sort_ranks(known.ranks, known.count);
	return known;
}
