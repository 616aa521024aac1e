/*
 * import_samples.h
 *		An import of labelled texts: what is known of each text, and what the
 *		lines change.
 */
#ifndef TW_IMPORT_SAMPLES_H
#define TW_IMPORT_SAMPLES_H

#include "base/slice.h"
#include "exchange/import_lines.h"
#include "utils/array.h"
#include "utils/hsearch.h"

/* The splits of the samples of a text, as bits. */
#define TW_SPLIT_TRAIN 1
#define TW_SPLIT_TEST 2

/* What became of a line, in the order of the results of import_training_samples(). */
typedef enum TwImportOutcome
{
	TW_IMPORT_INSERTED,
	TW_IMPORT_EXISTING,
	TW_IMPORT_CONFLICTING,
	TW_IMPORT_UPGRADED,
	TW_IMPORT_REPLACED,
	TW_IMPORT_KEPT,
	TW_IMPORT_PINNED,
	TW_IMPORT_NOT_PINNED,
	TW_IMPORT_SKIPPED
} TwImportOutcome;

#define TW_IMPORT_OUTCOMES (TW_IMPORT_SKIPPED + 1)

/* What happens where two people gave a text different intents. */
typedef enum TwOnConflict
{
	TW_CONFLICT_REVIEW,
	TW_CONFLICT_NEWEST,
	TW_CONFLICT_KEEP
} TwOnConflict;

/* An intent of a text: of its stored samples, and of the line that adds one. Ids are arrays of bigint; 0 = none. */
typedef struct TwKnownLabel TwKnownLabel;

struct TwKnownLabel
{
	TwKnownLabel *next;
	TwSlice		intent;
	bool		by_person;		/* a live sample has it from a person */
	bool		by_model;		/* a live sample has it from a model */
	bool		waits;			/* a pending sample without a conversation has it */
	bool		standalone;		/* a live sample without a conversation has it */
	Datum		people;			/* stored live samples with a person's label */
	Datum		models;			/* stored live samples with a model's label */
	Datum		waiting;		/* stored pending samples with a person's label, without a conversation */
	Datum		undecided;		/* stored samples without a split */
	TwImportLine *line;			/* the line that adds a sample; NULL = none yet */
};

typedef struct TwKnownText TwKnownText;

struct TwKnownText
{
	TwKnownText *next;			/* with the same hash */
	TwSlice		normal;
	int			splits;
	bool		is_learned;
	bool		is_queued;		/* people's samples were queued by this import */
	bool		is_locked;		/* its ids are among those to lock */
	int64		pinned_by;		/* number of the line that pinned it; 0 = none */
	NullableDatum pin;			/* the split by that line */
	TwImportLine *newest;		/* under TW_CONFLICT_NEWEST: the last line with a person's label */
	TwKnownLabel *labels;
};

/* A row of the report. */
typedef struct TwImportNote
{
	int64		number;			/* of the line */
	TwImportOutcome outcome;
	const char *reason;
	int64		sample_id;		/* 0 = that of `line`, or none */
	const TwImportLine *line;	/* the line whose sample it is; NULL = none is stored */
} TwImportNote;

typedef struct TwImport
{
	Oid			schema;
	Datum		source;
	TwOnConflict on_conflict;
	TwImportLines input;
	int64		id;

	/* known texts */
	Datum	   *hashes;			/* of the lines' texts */
	MemoryContext scratch;		/* reset after each text is normalised */
	HTAB	   *texts;
	bool		any_stored;

	/* changes of stored samples: ids, and parallel to them what they get */
	ArrayBuildState *locked;
	ArrayBuildState *pinned;
	ArrayBuildState *pinned_splits;
	ArrayBuildState *queued;
	ArrayBuildState *changed;
	ArrayBuildState *changed_keys[TW_IMPORT_KEYS];

	/* the results */
	int64		counts[TW_IMPORT_OUTCOMES];
	TwImportNote *notes;
	int64		note_count;
	int64		note_room;
} TwImport;

/* Arguments of import_training_samples() that the report names, as texts. */
typedef struct TwImportArguments
{
	Datum		source;
	Datum		format;
	Datum		on_conflict;
	Datum		label_source;
	Datum		bad_lines;
} TwImportArguments;

static inline bool
tw_line_is_persons(const TwImportLine *line)
{
	const NullableDatum *source = &line->values[TW_IMPORT_LABEL_SOURCE];

	return source->isnull || VARDATA_ANY(DatumGetPointer(source->value))[0] == 'h';
}

extern void tw_hash_import_texts(TwImport *import);
extern void tw_look_up_samples(TwImport *import);
extern bool tw_has_stored(const TwImport *import, Datum hash);
extern TwKnownText *tw_text_of_line(TwImport *import, const TwImportLine *line, Datum hash);
extern TwKnownLabel *tw_find_label(TwKnownText *known, TwSlice intent);
extern TwKnownLabel *tw_label_of_line(TwKnownText *known, const TwImportLine *line);

extern bool tw_line_changes_samples(const TwImport *import, const TwKnownText *known, const TwKnownLabel *label,
									const TwImportLine *line);
extern void tw_decide_line(TwImport *import, TwImportLine *line, Datum hash);
extern bool tw_decide_pin(TwImport *import, TwKnownText *known, TwImportLine *line);

extern int	tw_add_ids(ArrayBuildState **state, Datum ids);
extern int64 tw_first_id(Datum ids);
extern void tw_lock_import_rows(TwImport *import);
extern void tw_change_samples(TwImport *import);
extern void tw_queue_lines(TwImport *import);

extern void tw_note_line(TwImport *import, const TwImportLine *line, TwImportOutcome outcome, const char *reason,
						 int64 sample_id, TwImportLine *stored);
extern void tw_begin_import_record(TwImport *import);
extern void tw_record_import(TwImport *import, const TwImportArguments *arguments);

#endif							/* TW_IMPORT_SAMPLES_H */
