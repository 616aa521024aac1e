/*
 * number_shapes.c
 *		Sentences whose intent depends on the numbers in them.
 *
 * Three options of a menu that lead to one intent, and a fourth that leads to another, would make a classifier sure of
 * what a fifth means. What is known of it is how often the sentence had that intent: m of n texts, and with Laplace's
 * caution for the unseen one m of n + 1. No answer for such a number is surer than that. Where all numbers had one
 * intent, nothing is limited.
 */
#include "postgres.h"

#include "base/hash.h"
#include "miscadmin.h"
#include "model/number_shapes.h"
#include "model/router.h"
#include "model/text_kind.h"
#include "rules/words.h"

typedef struct NumberText
{
	uint64		shape;
	uint64		text;
	int			label;
} NumberText;

/*
 * The keys of a text's words, and of the same words with every run of digits as one 0. Returns whether there are digits
 * and more than digits: a text of numbers alone is known exactly or not at all.
 */
static bool
make_keys(const char *text, int length, NumberText *keys)
{
	const unsigned char *at = (const unsigned char *) text;
	const unsigned char *end = at + Min(length, TW_MODEL_TEXT_BYTES);
	uint64		shape = TW_FNV_BASIS;
	uint64		exact = TW_FNV_BASIS;
	bool		has_digits = false;
	bool		after_digit = false;
	bool		after_gap = false;

	while (at < end)
	{
		int			digit = tw_digit_bytes(at, end);
		unsigned char byte = tw_word_byte(*at);

		if (digit == 0 && byte == 0)
		{
			at++;
			after_gap = true;
			after_digit = false;
			continue;
		}
		if (after_gap)
		{
			shape = tw_fnv_byte(shape, ' ');
			exact = tw_fnv_byte(exact, ' ');
		}
		after_gap = false;
		if (digit > 0)
		{
			exact = tw_fnv(exact, (const char *) at, digit);
			if (!after_digit)
				shape = tw_fnv_byte(shape, '0');
			at += digit;
		}
		else
		{
			exact = tw_fnv_byte(exact, byte);
			shape = tw_fnv_byte(shape, byte);
			at++;
		}
		after_digit = digit > 0;
		has_digits = has_digits || after_digit;
	}
	keys->shape = tw_finalise(shape);
	keys->text = tw_finalise(exact);
	return has_digits && tw_text_kind((const unsigned char *) text, end) == TW_TEXT_OF_WORDS;
}

static int
compare_texts(const void *a, const void *b)
{
	const NumberText *one = a;
	const NumberText *other = b;

	CHECK_FOR_INTERRUPTS();
	if (one->shape != other->shape)
		return one->shape < other->shape ? -1 : 1;
	if (one->label != other->label)
		return one->label - other->label;
	return (one->text > other->text) - (one->text < other->text);
}

static int
compare_keys(const void *a, const void *b)
{
	uint64		one = *(const uint64 *) a;
	uint64		other = *(const uint64 *) b;

	CHECK_FOR_INTERRUPTS();
	return (one > other) - (one < other);
}

/* Adds a shape if its texts, which are sorted by label, have several labels. */
static void
add_shape(TwNumberShapes *shapes, const NumberText *texts, int count)
{
	int			most = 0;
	int			same = 0;

	if (texts[0].label == texts[count - 1].label)
		return;
	for (int i = 0; i < count; i++)
	{
		same = i > 0 && texts[i].label == texts[i - 1].label ? same + 1 : 1;
		most = Max(most, same);
		shapes->texts[shapes->text_count++] = texts[i].text;
	}
	shapes->at[shapes->count].key = texts[0].shape;
	shapes->at[shapes->count++].most = (float) most / (count + 1);
}

TwNumberShapes *
tw_find_number_shapes(const TwTrainingRow *rows, int row_count)
{
	TwNumberShapes *shapes = palloc0(sizeof(TwNumberShapes));
	NumberText *texts = palloc_extended(sizeof(NumberText) * (Size) row_count, MCXT_ALLOC_HUGE);
	int			count = 0;
	int			kept = 0;

	for (int i = 0; i < row_count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		texts[count].label = rows[i].label;
		count += make_keys(rows[i].text, rows[i].length, &texts[count]);
	}
	qsort(texts, count, sizeof(NumberText), compare_texts);
	shapes->at = palloc_extended(sizeof(TwNumberShape) * (Size) Max(count, 1), MCXT_ALLOC_HUGE);
	shapes->texts = palloc_extended(sizeof(uint64) * (Size) Max(count, 1), MCXT_ALLOC_HUGE);
	for (int i = 0, start = 0; i < count; i++)
	{
		if (i + 1 < count && texts[i + 1].shape == texts[i].shape)
			continue;
		add_shape(shapes, texts + start, i + 1 - start);
		start = i + 1;
	}
	pfree(texts);

	/* A text may have several labels. */
	qsort(shapes->texts, shapes->text_count, sizeof(uint64), compare_keys);
	for (int i = 0; i < shapes->text_count; i++)
	{
		if (kept == 0 || shapes->texts[kept - 1] != shapes->texts[i])
			shapes->texts[kept++] = shapes->texts[i];
	}
	shapes->text_count = kept;
	return shapes;
}

/* The highest probability that an answer to this text may have; 1 = no limit. */
float
tw_number_limit(const TwNumberShapes *shapes, const char *text, int length)
{
	NumberText	keys;
	int			low = 0;
	int			high = shapes->count;

	if (shapes->count == 0 || !make_keys(text, length, &keys))
		return 1;
	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (shapes->at[middle].key < keys.shape)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == shapes->count || shapes->at[low].key != keys.shape ||
		bsearch(&keys.text, shapes->texts, shapes->text_count, sizeof(uint64), compare_keys) != NULL)
		return 1;
	return shapes->at[low].most;
}
