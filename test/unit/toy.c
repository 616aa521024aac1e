/*
 * toy.c
 *		Messages to a shop that the tests train on.
 */
#include "postgres.h"

#include "check.h"

#include <stdarg.h>

#define LABELS 7
#define TEMPLATES 6
#define THINGS 8

static const char *labels[LABELS] = {
	"cart.add", "greeting", "item.search", "order.cancel", "order.track", "refund", "talk.human"
};
static const char *modules[LABELS] = {"shop", NULL, "shop", "parcel", "parcel", "payment", ""};

/* The last template of a label is asked, the others are trained on. */
static const char *templates[LABELS][TEMPLATES] = {
	{
		"add a %s to my cart", "put one more %s in the basket", "ek %s cart mein daal do",
		"%s को कार्ट में डालो", "i will take the %s, add it please",
		"cart mein %s add karo please"
	},
	{
		"hello there %s shop", "good morning, %s people", "namaste %s wale bhaiya",
		"नमस्ते %s वाले", "hey hey %s team",
		"hello good morning %s team"
	},
	{
		"do you sell a %s", "show me every %s below 500", "koi sasta %s milega",
		"%s दिखाओ", "is there any %s in stock",
		"show me any cheap %s in stock"
	},
	{
		"cancel my %s order", "please stop the order of the %s", "%s ka order cancel kar do",
		"%s का ऑर्डर रद्द करो", "i do not want the %s any more, cancel it",
		"cancel the order of my %s please"
	},
	{
		"where is my %s", "when does the %s arrive", "mera %s kahan tak pahuncha",
		"मेरा %s कहाँ है", "track the parcel with the %s",
		"where is the parcel, when does my %s arrive"
	},
	{
		"i want my money back for the %s", "refund the %s", "%s ke paise wapas karo",
		"%s के पैसे वापस करो", "the %s is broken, give me a refund",
		"refund my money, the %s is broken"
	},
	{
		"let me speak to a person about the %s", "connect me with an agent, %s trouble",
		"%s ke liye kisi insaan se baat karao",
		"%s के लिए किसी से बात कराओ", "is a human there, it is about the %s",
		"let me talk to a human agent about the %s"
	}
};

static const char *things[THINGS] = {
	"kettle", "red kurta", "pressure cooker", "phone cover", "chappal", "school bag", "मिक्सर", "lamp"
};

static void
add_row(TwTrainingSet *set, const char *text, int label)
{
	set->rows[set->row_count++] = (TwTrainingRow) {text, (int) strlen(text), label, 1.0f};
}

static void
fill(TwTrainingSet *set, int label, int template)
{
	for (int i = 0; i < THINGS; i++)
	{
		const char *pattern = templates[label][template];
		const char *gap = strstr(pattern, "%s");
		char	   *text = palloc(strlen(pattern) + strlen(things[i]) + 1);

		memcpy(text, pattern, gap - pattern);
		strcpy(text + (gap - pattern), things[i]);
		strcat(text, gap + 2);
		add_row(set, text, label);
	}
}

static TwTrainingSet *
make_set(int first_template, int last_template)
{
	TwTrainingSet *set = palloc0(sizeof(TwTrainingSet));

	set->labels = labels;
	set->modules = modules;
	set->label_count = LABELS;
	set->rows = palloc(sizeof(TwTrainingRow) * LABELS * TEMPLATES * THINGS);
	for (int label = 0; label < LABELS; label++)
	{
		for (int template = first_template; template <= last_template; template++)
			fill(set, label, template);
	}
	return set;
}

TwTrainingSet *
toy_set(void)
{
	return make_set(0, TEMPLATES - 2);
}

TwTrainingSet *
toy_questions(void)
{
	return make_set(TEMPLATES - 1, TEMPLATES - 1);
}

/* Labels are added in the order of their names. */
static int
label_index(TwTrainingSet *set, const char *label)
{
	int			at = 0;

	while (at < set->label_count && strcmp(set->labels[at], label) < 0)
		at++;
	if (at < set->label_count && strcmp(set->labels[at], label) == 0)
		return at;
	memmove(&set->labels[at + 1], &set->labels[at], sizeof(char *) * (set->label_count - at));
	set->labels[at] = label;
	set->label_count++;
	for (int i = 0; i < set->row_count; i++)
		set->rows[i].label += set->rows[i].label >= at;
	return at;
}

void
add_labelled(TwTrainingSet *set, const char *text, const char *label)
{
	add_row(set, text, label_index(set, label));
}

TwTrainingSet *
small_set(const char *first, ...)
{
	TwTrainingSet *set = palloc0(sizeof(TwTrainingSet));
	va_list		arguments;

	set->rows = palloc(sizeof(TwTrainingRow) * 64);
	set->labels = palloc(sizeof(char *) * 64);
	va_start(arguments, first);
	for (const char *text = first; text != NULL; text = va_arg(arguments, const char *))
		add_labelled(set, text, va_arg(arguments, const char *));
	va_end(arguments);
	return set;
}
