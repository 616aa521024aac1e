/*
 * test_numbers.c
 *		Numbers and punctuation: what differs in digits only, numbers that a model never saw, and old routers.
 */
#include "postgres.h"

#include "backend.h"
#include "check.h"
#include "model/number_shapes.h"
#include "old_router.h"

#include <math.h>

/* What the filter approves by default is above this. */
#define SURE 0.85f

/* The toy set, and more rows of these texts and labels. */
static TwTrainingSet *
toy_and(const char *const(*more)[2], int count)
{
	TwTrainingSet *toy = toy_set();
	TwTrainingSet *set = palloc0(sizeof(TwTrainingSet));

	set->labels = palloc(sizeof(char *) * (toy->label_count + count));
	set->rows = palloc(sizeof(TwTrainingRow) * (toy->row_count + count));
	for (int i = 0; i < toy->row_count; i++)
		add_labelled(set, toy->rows[i].text, toy->labels[toy->rows[i].label]);
	for (int i = 0; i < count; i++)
		add_labelled(set, more[i][0], more[i][1]);
	return set;
}

/* The likeliest label of a text, NULL where the model knows nothing of it. */
static const char *
answer(const TwModel *model, const char *text, float *confidence)
{
	int			labels = tw_model_label_count(model);
	float	   *probabilities = palloc(sizeof(float) * labels);
	int			best;

	if (!tw_model_probabilities(model, text, strlen(text), probabilities))
	{
		*confidence = 0;
		return NULL;
	}
	best = tw_best_label(probabilities, labels);
	*confidence = probabilities[best];
	return tw_model_label(model, best);
}

/* How many of the rows have the answer of their label. */
static int
count_right(const TwModel *model, const char *const(*rows)[2], int count)
{
	int			right = 0;

	for (int i = 0; i < count; i++)
	{
		float		confidence;
		const char *label = answer(model, rows[i][0], &confidence);

		right += label != NULL && strcmp(label, rows[i][1]) == 0;
	}
	return right;
}

/* Whether no text is answered with a confidence above SURE; says which is. */
static bool
none_is_sure(const TwModel *model, const char *const *texts, int count)
{
	bool		none = true;

	for (int i = 0; i < count; i++)
	{
		float		confidence;
		const char *label = answer(model, texts[i], &confidence);

		if (confidence <= SURE)
			continue;
		note("%s: %s with %.3f", texts[i], label, confidence);
		none = false;
	}
	return none;
}

static const char *const menu[][2] = {
	{"1", "menu.one"}, {"2", "menu.two"}, {"3", "menu.three"}, {"4", "menu.four"},
	{"opcion 1", "menu.one"}, {"opcion 2", "menu.two"}, {"opcion 3", "menu.three"}, {"opcion 4", "menu.four"},
	{"option 1 please", "menu.one"}, {"option 2 please", "menu.two"},
	{"option 3 please", "menu.three"}, {"option 4 please", "menu.four"},
	{"विकल्प १", "menu.one"}, {"विकल्प २", "menu.two"}, {"विकल्प ३", "menu.three"}, {"विकल्प ४", "menu.four"},
	{"b1", "menu.one"}, {"b2", "menu.two"}, {"b3", "menu.three"}, {"b4", "menu.four"}
};

static const char *const beyond_menu[] = {
	"5", "7", "17", "0", "opcion 5", "opcion 7", "opcion 17", "opcion 41", "opcion 123456789012345678901",
	"option 9 please", "option 12 please", "विकल्प ७", "विकल्प १७", "opcion ७", "विकल्प 7", "b7", "b12"
};

static void
test_menu(void)
{
	TwModel    *model = read_back(train_quietly(toy_and(menu, lengthof(menu)), NULL));
	int			right = count_right(model, menu, lengthof(menu));

	check(right == lengthof(menu), "the numbers of a menu are told apart, alone and in a sentence");
	note("%d of %d", right, (int) lengthof(menu));
	check(none_is_sure(model, beyond_menu, lengthof(beyond_menu)), "a number that the menu has not is no sure answer");
}

static const char *const unseen[] = {
	"25", "120", "5", "8", "58", "888", "8888", "8 8", "88 25", "25 88", "886 88", "88,886", "8-8", "12:30", "3.5",
	"18446744073709551616", "98765432109876543210987654321098765432109876543210", "२५", "८८", "८८६", "٢٥", "๒๕",
	"\u20B9" "25", "\u20AC" "88", "88\u00B0", "8\uFE0F\u20E3", "10\u201320", "'25'"
};

/* What made a loop that fed on itself: two numbers with one intent, and every number had it. */
static void
test_unseen_numbers(void)
{
	static const char *const two[][2] = {{"88", "goodbye"}, {"886", "goodbye"}};
	static const char *const several[][2] = {
		{"10", "quantity"}, {"20", "quantity"}, {"30", "quantity"}, {"40", "quantity"}, {"50", "quantity"},
		{"60", "quantity"}, {"75", "quantity"}, {"99", "quantity"}, {"100", "quantity"}, {"250", "quantity"},
		{"१०", "quantity"}, {"२०", "quantity"}, {"\u20B9" "40", "quantity"}
	};
	static const char *const numbers[][2] = {
		{"88", "goodbye"}, {"886", "goodbye"}, {"show me 88 lamps", "item.search"}
	};
	TwModel    *model = read_back(train_quietly(toy_and(two, lengthof(two)), NULL));

	check(count_right(model, two, lengthof(two)) == 2, "two numbers are learned");
	check(none_is_sure(model, unseen, lengthof(unseen)), "and no other number has a sure answer");
	model = read_back(train_quietly(toy_and(several, lengthof(several)), NULL));
	check(count_right(model, several, lengthof(several)) == lengthof(several),
		  "many numbers of one intent are learned");
	check(none_is_sure(model, unseen, lengthof(unseen)), "and still no other number has a sure answer");
	model = read_back(train_quietly(toy_and(numbers, lengthof(numbers)), NULL));
	check(none_is_sure(model, unseen, lengthof(unseen)), "nor where a sentence has one of them");
}

/* Whether the rows in reverse order give the same artifact. */
static bool
same_in_reverse(TwTrainingSet *set)
{
	bytea	   *artifact = train_quietly(set, NULL);
	bytea	   *other;

	for (int i = 0, j = set->row_count - 1; i < j; i++, j--)
	{
		TwTrainingRow row = set->rows[i];

		set->rows[i] = set->rows[j];
		set->rows[j] = row;
	}
	other = train_quietly(set, NULL);
	return VARSIZE(artifact) == VARSIZE(other) && memcmp(artifact, other, VARSIZE(artifact)) == 0;
}

/* Where numbers make a difference, nobody knows what another number means, however many of them mean the same. */
static void
test_disagreement(void)
{
	static const char *const one_differs[][2] = {
		{"opcion 1", "talk.human"}, {"opcion 2", "item.search"}, {"opcion 3", "item.search"},
		{"opcion 4", "item.search"}, {"opcion 5", "item.search"}, {"विकल्प १", "refund"}, {"विकल्प २", "greeting"},
		{"विकल्प ३", "greeting"}
	};
	static const char *const others[] = {
		"opcion 6", "opcion 17", "opcion: 7", "opcion 123456789012345678901", "विकल्प ७", "विकल्प २३", "विकल्प 4"
	};
	static const char *const alike[][2] = {{"opcion 1", "item.search"}, {"opcion 2", "item.search"}};
	TwTrainingSet *set = toy_and(one_differs, lengthof(one_differs));
	TwModel    *model = read_back(train_quietly(set, NULL));
	TwNumberShapes *shapes = tw_find_number_shapes(set->rows, set->row_count);
	float		confidence;

	check(count_right(model, one_differs, lengthof(one_differs)) == lengthof(one_differs),
		  "options of which most mean the same are learned");
	check(none_is_sure(model, others, lengthof(others)), "and what another one means is not sure");
	answer(model, "opcion 3", &confidence);
	check(shapes->count == 2 && shapes->text_count == 8 && tw_number_limit(shapes, "opcion 3", 8) == 1 &&
		  fabsf(tw_number_limit(shapes, "opcion 9", 8) - 4.0f / 6) < 1e-6f &&
		  fabsf(tw_number_limit(shapes, "opcion, 99", 10) - 4.0f / 6) < 1e-6f &&
		  tw_number_limit(shapes, "opcion", 6) == 1 && tw_number_limit(shapes, "option 9", 8) == 1 &&
		  tw_number_limit(shapes, "9", 1) == 1, "the limit is how often the sentence had its most frequent intent");
	check(same_in_reverse(set), "the order of the rows makes no difference to the artifact");
	set = toy_and(alike, lengthof(alike));
	check(tw_find_number_shapes(set->rows, set->row_count)->count == 0, "where all numbers agree there is none");
}

/* Numbers within sentences say nothing against what the words say. */
static void
test_mixed(void)
{
	static const char *const orders[][2] = {
		{"order 2 pizzas", "order"}, {"order 12 pizzas for me", "order"}, {"order 3 rotis", "order"},
		{"send 4 rotis", "order"}, {"send 10 parathas please", "order"}, {"88", "goodbye"}, {"886", "goodbye"}
	};
	static const char *const more[][2] = {
		{"order 25 pizzas", "order"}, {"order 120 rotis", "order"}, {"send 7 pizzas", "order"},
		{"order २५ pizzas", "order"}, {"send 88 parathas", "order"}
	};
	TwModel    *model = read_back(train_quietly(toy_and(orders, lengthof(orders)), NULL));
	float		least = 1;

	check(count_right(model, more, lengthof(more)) == lengthof(more),
		  "other numbers in known sentences change nothing");
	for (size_t i = 0; i < lengthof(more); i++)
	{
		float		confidence;

		answer(model, more[i][0], &confidence);
		least = Min(least, confidence);
	}
	check(least > SURE, "and such answers are sure");
	note("%.3f at least", least);
}

static void
test_marks(void)
{
	static const char *const marks[][2] = {{"??", "help"}, {"...", "waiting"}, {":)", "thanks"}, {":(", "complaint"}};
	static const char *const repeated[][2] = {
		{"????", "help"}, {"..", "waiting"}, {":))", "thanks"}, {": (", "complaint"}
	};
	static const char *const others[] = {"!!", ";)", "?!", "#", "-", "' '", "<3"};
	TwModel    *model = read_back(train_quietly(toy_and(marks, lengthof(marks)), NULL));
	TwModel    *untrained = read_back(train_quietly(toy_set(), NULL));
	bool		silent = true;
	float		confidence;

	check(count_right(model, marks, lengthof(marks)) == lengthof(marks), "punctuation is learned");
	check(count_right(model, repeated, lengthof(repeated)) == lengthof(repeated),
		  "repeated marks are like single ones");
	for (size_t i = 0; i < lengthof(others); i++)
		silent = silent && answer(model, others[i], &confidence) == NULL;
	for (size_t i = 0; i < lengthof(marks); i++)
		silent = silent && answer(untrained, marks[i][0], &confidence) == NULL;
	check(silent, "punctuation that was not learned has no answer");
}

static int
hex_digit(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* A router of version 0.1.0 answers as it did there. */
static void
test_old_router(void)
{
	int			size = (int) strlen(old_router) / 2;
	char	   *bytes = palloc(size);
	TwModel    *model;
	float		probabilities[OLD_LABELS];
	bool		same = true;

	for (int i = 0; i < size; i++)
		bytes[i] = (char) (hex_digit(old_router[2 * i]) << 4 | hex_digit(old_router[2 * i + 1]));
	model = tw_read_model(bytes, size);
	for (size_t i = 0; i < lengthof(old_answers); i++)
	{
		const char *text = old_answers[i].text;

		tw_model_probabilities(model, text, strlen(text), probabilities);
		for (int k = 0; k < OLD_LABELS; k++)
			same = same && fabsf(probabilities[k] - old_answers[i].probabilities[k]) < 1e-6f;
	}
	check(same && tw_model_label_count(model) == OLD_LABELS,
		  "a router of version 0.1.0 answers with the features that it was trained with");
}

void
test_numbers(void)
{
	test_menu();
	test_unseen_numbers();
	test_disagreement();
	test_mixed();
	test_marks();
	test_old_router();
}
