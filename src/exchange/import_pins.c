/*
 * import_pins.c
 *		The splits that lines of an import ask for.
 */
#include "postgres.h"

#include "exchange/import_samples.h"
#include "exchange/import_store.h"
#include "utils/builtins.h"

/* Why the text of a line cannot have the other split than it has. */
static const char *
why_not_pinned(const TwKnownText *known, const char *split)
{
	if (known->pinned_by > 0)
		return psprintf("line %lld has the same text with the split %s", (long long) known->pinned_by, split);
	if (strcmp(split, "test") == 0)
		return "the text is in the test set, and stays there";
	return known->is_learned ? "a model has learned the text" : "the text has the split train, which stays";
}

/* Gives all stored samples of the text that have no split, and the earlier lines, the split of the line. */
static int
pin_text(TwImport *import, TwKnownText *known, const TwImportLine *line)
{
	int			stored = 0;

	for (TwKnownLabel *label = known->labels; label != NULL; label = label->next)
	{
		int			count = tw_add_ids(&import->pinned, label->undecided);

		for (int i = 0; i < count; i++)
			import->pinned_splits = accumArrayResult(import->pinned_splits, line->values[TW_IMPORT_SPLIT].value, false,
													 tw_import_key_types[TW_IMPORT_SPLIT], CurrentMemoryContext);
		stored += count;
		label->undecided = (Datum) 0;
		if (label->line != NULL)
			label->line->values[TW_IMPORT_SPLIT] = line->values[TW_IMPORT_SPLIT];
	}
	return stored;
}

/*
 * Pins the text of a line to its split, unless it has the other one: a text never
 * changes its split. Returns whether the line is for testing.
 */
bool
tw_decide_pin(TwImport *import, TwKnownText *known, TwImportLine *line)
{
	NullableDatum *split = &line->values[TW_IMPORT_SPLIT];
	int			bit;
	int			stored;

	if (split->isnull)
	{
		if (known->pinned_by > 0)
			*split = known->pin;
		return false;
	}
	bit = strcmp(TextDatumGetCString(split->value), "test") == 0 ? TW_SPLIT_TEST : TW_SPLIT_TRAIN;
	if ((known->splits & ~bit) != 0)
	{
		tw_note_line(import, line, TW_IMPORT_NOT_PINNED,
					 why_not_pinned(known, bit == TW_SPLIT_TEST ? "train" : "test"), 0, line);
		import->counts[TW_IMPORT_NOT_PINNED]++;
		*split = known->pinned_by > 0 ? known->pin : (NullableDatum) {(Datum) 0, true};
		return false;
	}
	if (known->pinned_by == 0)
	{
		known->pinned_by = line->number;
		known->pin = *split;
	}
	known->splits |= bit;
	import->counts[TW_IMPORT_PINNED]++;
	stored = pin_text(import, known, line);
	if (stored > 0)
		tw_note_line(import, line, TW_IMPORT_PINNED, psprintf("stored samples that had no split: %d", stored), 0, line);
	return bit == TW_SPLIT_TEST;
}
