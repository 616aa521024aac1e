/*
 * import_decide.c
 *		What an import makes of a line, given the stored samples of its text and
 *		the earlier lines: whose label stands.
 *
 * A person's label beats a model's, whatever the order. Of two people's labels
 * the argument on_conflict says which stands.
 */
#include "postgres.h"

#include "exchange/import_samples.h"
#include "exchange/import_store.h"
#include "utils/builtins.h"

#define OTHER_WAITS "a person gave the text another intent: both wait for review"
#define OTHER_STAYS "a person gave the text another intent, which stays"
#define MODELS_DISAGREE "another model gave the text another intent: the line waits for review"
#define MODEL_STAYS "another model gave the text another intent, which stays"

/* Whether a person gave the text another intent than this, or with `waiting`, wants to. */
static bool
person_disagrees(const TwKnownText *known, const TwKnownLabel *label, bool waiting)
{
	for (TwKnownLabel *other = known->labels; other != NULL; other = other->next)
	{
		if (other != label && (other->by_person || (waiting && other->waiting != (Datum) 0)))
			return true;
	}
	return false;
}

/* Whether the line would change or queue stored samples, whose rows have to be locked then. */
bool
tw_line_changes_samples(const TwImport *import, const TwKnownText *known, const TwKnownLabel *label,
						const TwImportLine *line)
{
	if (!line->values[TW_IMPORT_SPLIT].isnull)
	{
		for (TwKnownLabel *other = known->labels; other != NULL; other = other->next)
		{
			if (other->undecided != (Datum) 0)
				return true;
		}
	}
	if (!tw_line_is_persons(line))
		return false;
	if (label->by_model)
		return true;
	switch (import->on_conflict)
	{
		case TW_CONFLICT_NEWEST:
			return label->waiting != (Datum) 0 || person_disagrees(known, label, true);
		case TW_CONFLICT_REVIEW:
			return !label->by_person && !label->waits && person_disagrees(known, label, false);
		default:
			return false;
	}
}

/* Adds stored samples to those that get the label of the line. */
static int
change(TwImport *import, Datum ids, const TwImportLine *line)
{
	int			count = tw_add_ids(&import->changed, ids);

	for (int i = 0; i < count; i++)
	{
		for (int key = TW_IMPORT_INTENT; key <= TW_IMPORT_EXPECTED_SERVICE; key++)
			import->changed_keys[key] = accumArrayResult(import->changed_keys[key], line->values[key].value,
														 line->values[key].isnull, tw_import_key_types[key],
														 CurrentMemoryContext);
	}
	return count;
}

static TwImportOutcome
insert(TwKnownLabel *label, TwImportLine *line)
{
	line->review_status = "approved";
	label->by_person |= tw_line_is_persons(line);
	label->by_model |= !tw_line_is_persons(line);
	label->standalone = true;
	label->line = line;
	return TW_IMPORT_INSERTED;
}

/* The stored samples with this label from a model, or the model's line before, have it from a person now. */
static TwImportOutcome
upgrade(TwImport *import, TwKnownLabel *label, TwImportLine *line)
{
	int			count = change(import, label->models, line);
	char	   *reason = label->line == NULL || tw_line_is_persons(label->line) ?
		psprintf("stored samples that had this label from a model: %d", count) :
		psprintf("line %lld had this label from a model", (long long) label->line->number);

	if (label->line != NULL && !tw_line_is_persons(label->line))
	{
		label->line->values[TW_IMPORT_LABEL_SOURCE] = line->values[TW_IMPORT_LABEL_SOURCE];
		label->line->values[TW_IMPORT_QUALITY_SCORE] = line->values[TW_IMPORT_QUALITY_SCORE];
	}
	tw_note_line(import, line, TW_IMPORT_UPGRADED, reason, tw_first_id(label->models), label->line);
	label->models = (Datum) 0;
	label->by_model = false;
	label->by_person = true;
	return TW_IMPORT_UPGRADED;
}

/* The line's label replaces those that other people gave. */
static TwImportOutcome
replace(TwImport *import, TwKnownText *known, TwKnownLabel *label, TwImportLine *line)
{
	int			replaced = 0;
	int64		first = 0;

	change(import, label->models, line);
	change(import, label->people, line);
	change(import, label->waiting, line);
	for (TwKnownLabel *other = known->labels; other != NULL; other = other->next)
	{
		if (other == label)
			continue;
		if (first == 0)
			first = other->people != (Datum) 0 ? tw_first_id(other->people) : tw_first_id(other->waiting);
		replaced += change(import, other->people, line) + change(import, other->waiting, line);
		label->standalone |= other->standalone && other->by_person;
		other->people = other->waiting = (Datum) 0;
		other->by_person = other->waits = false;
	}
	label->models = label->waiting = (Datum) 0;
	label->by_model = label->waits = false;
	label->by_person = true;
	tw_note_line(import, line, TW_IMPORT_REPLACED,
				 psprintf("stored samples that had another intent from a person: %d", replaced), first, NULL);
	return TW_IMPORT_REPLACED;
}

/* The line waits for a person. What other people labelled waits with it, a model's label does not. */
static TwImportOutcome
wait_for_review(TwImport *import, TwKnownText *known, TwKnownLabel *label, TwImportLine *line, const char *reason)
{
	line->review_status = "pending";
	line->waits = true;
	label->waits = true;
	label->line = line;
	for (TwKnownLabel *other = known->labels; other != NULL; other = other->next)
	{
		if (other == label || !other->by_person)
			continue;
		if (!known->is_queued)
			tw_add_ids(&import->queued, other->people);
		if (other->line != NULL)
			other->line->waits = true;
	}
	known->is_queued = true;
	tw_note_line(import, line, TW_IMPORT_CONFLICTING, reason, 0, line);
	return TW_IMPORT_CONFLICTING;
}

static TwImportOutcome
keep(TwImport *import, const TwKnownText *known, const TwKnownLabel *label, const TwImportLine *line,
	 const char *reason)
{
	TwKnownLabel *other = known->labels;
	Datum		ids;

	while (other != NULL && (other == label || !(other->by_person || other->by_model)))
		other = other->next;
	ids = other == NULL ? (Datum) 0 : other->by_person ? other->people : other->models;
	tw_note_line(import, line, TW_IMPORT_KEPT, reason, tw_first_id(ids), other == NULL ? NULL : other->line);
	return TW_IMPORT_KEPT;
}

static TwImportOutcome
decide_persons_line(TwImport *import, TwKnownText *known, TwKnownLabel *label, TwImportLine *line)
{
	bool		disputed = person_disagrees(known, label, import->on_conflict == TW_CONFLICT_NEWEST);

	if (import->on_conflict == TW_CONFLICT_NEWEST && (disputed || label->waiting != (Datum) 0))
		return replace(import, known, label, line);
	if (label->by_model && (label->by_person || !disputed))
		return upgrade(import, label, line);
	if (label->by_person)
		return TW_IMPORT_EXISTING;
	if (!disputed)
		return insert(label, line);
	if (import->on_conflict == TW_CONFLICT_KEEP)
		return keep(import, known, label, line, OTHER_STAYS);
	if (label->waits)
		return TW_IMPORT_EXISTING;
	return wait_for_review(import, known, label, line, OTHER_WAITS);
}

static TwImportOutcome
decide_models_line(TwImport *import, TwKnownText *known, TwKnownLabel *label, TwImportLine *line)
{
	bool		other_model = false;

	if (label->by_person || label->by_model || label->waits)
		return TW_IMPORT_EXISTING;
	if (person_disagrees(known, label, false))
		return keep(import, known, label, line, OTHER_STAYS);
	for (TwKnownLabel *other = known->labels; other != NULL; other = other->next)
		other_model |= other->by_model;
	if (!other_model)
		return insert(label, line);
	if (import->on_conflict == TW_CONFLICT_KEEP)
		return keep(import, known, label, line, MODEL_STAYS);
	return wait_for_review(import, known, label, line, MODELS_DISAGREE);
}

/*
 * Test sets take conversations of the audit alone. So a text that a person pins
 * to test, and that only conversations have, gets a sample of its own.
 */
static void
add_test_sample(TwKnownLabel *label, TwImportLine *line, TwImportOutcome outcome)
{
	if (!tw_line_is_persons(line) || label->standalone || !label->by_person ||
		(outcome != TW_IMPORT_EXISTING && outcome != TW_IMPORT_UPGRADED && outcome != TW_IMPORT_REPLACED))
		return;
	line->review_status = "approved";
	label->standalone = true;
	label->line = line;
}

/* Decides what becomes of a line. */
void
tw_decide_line(TwImport *import, TwImportLine *line, Datum hash)
{
	TwKnownText *known = tw_text_of_line(import, line, hash);
	TwKnownLabel *label;
	bool		is_test = tw_decide_pin(import, known, line);
	TwImportOutcome outcome;

	if (known->newest != NULL && tw_line_is_persons(line))
		label = tw_label_of_line(known, known->newest);
	else
		label = NULL;
	if (label != NULL && label != tw_label_of_line(known, line))
	{
		tw_note_line(import, line, TW_IMPORT_KEPT, psprintf("line %lld has the same text and another intent",
															(long long) known->newest->number), 0, known->newest);
		import->counts[TW_IMPORT_KEPT]++;
		return;
	}
	label = tw_label_of_line(known, line);
	outcome = tw_line_is_persons(line) ? decide_persons_line(import, known, label, line) :
		decide_models_line(import, known, label, line);
	import->counts[outcome]++;
	if (is_test)
		add_test_sample(label, line, outcome);
}
