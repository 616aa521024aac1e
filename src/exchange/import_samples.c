/*
 * import_samples.c
 *		import_training_samples(): stores labelled texts from outside as samples.
 *
 * All lines are read first, so that an invalid line costs no write. Then one
 * query of the stored samples of the same texts finds which lines are new, and
 * a few statements over arrays store those.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/excerpt.h"
#include "base/kept_plan.h"
#include "base/null_argument.h"
#include "base/retired.h"
#include "base/slice.h"
#include "catalog/pg_type.h"
#include "exchange/import_lines.h"
#include "exchange/import_store.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "rules/locks.h"
#include "rules/normalize.h"
#include "rules/settings.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* The splits of the samples of a text, as bits. */
#define SPLIT_TRAIN 1
#define SPLIT_TEST 2

/* An intent of a text: from live samples, from pending ones of earlier imports of this source, or from a line. */
typedef struct Label Label;

struct Label
{
	Label	   *next;
	TwSlice		intent;
	bool		is_there;		/* a further line with it is no new sample */
	Datum		unpinned;		/* ids of stored samples without a split, which a line may pin; 0 = none */
	TwImportLine *line;			/* the line that added it; NULL = it was stored before */
};

typedef struct KnownText KnownText;

struct KnownText
{
	KnownText  *next;			/* with the same hash */
	TwSlice		normal;
	int			splits;
	int64		pinned_by;		/* number of the line that pinned it; 0 = none */
	bool		is_live;
	Label	   *labels;
};

/* An entry of the hash table: the texts with this hash. */
typedef struct HashEntry
{
	int64		hash;
	KnownText  *first;
} HashEntry;

typedef struct Import
{
	Oid			schema;
	Datum		source;
	TwImportLines input;
	Datum	   *hashes;			/* of the lines' texts */
	MemoryContext scratch;		/* reset after each text is normalised */
	HTAB	   *texts;
	/* stored samples to pin, as parallel arrays */
	ArrayBuildState *pinned_ids;
	ArrayBuildState *pinned_splits;
	int64		pinned;
	/* the results */
	int64		inserted;
	int64		existing;
	int64		conflicting;
} Import;

/* Finds the entry of a text, or adds an empty one. */
static KnownText *
find_text(Import *import, int64 hash, TwSlice normal)
{
	bool		found;
	HashEntry  *entry = hash_search(import->texts, &hash, HASH_ENTER, &found);
	KnownText  *known;

	if (!found)
		entry->first = NULL;
	for (known = entry->first; known != NULL; known = known->next)
	{
		if (tw_slice_compare(known->normal, normal) == 0)
			return known;
	}
	known = palloc0(sizeof(KnownText));
	known->normal = (TwSlice) {pnstrdup(normal.data, normal.length), normal.length};
	known->next = entry->first;
	entry->first = known;
	return known;
}

static Label *
find_label(KnownText *known, TwSlice intent)
{
	Label	   *label;

	for (label = known->labels; label != NULL; label = label->next)
	{
		if (tw_slice_compare(label->intent, intent) == 0)
			return label;
	}
	label = palloc0(sizeof(Label));
	label->intent = intent;
	label->next = known->labels;
	known->labels = label;
	return label;
}

static void
hash_texts(Import *import)
{
	HASHCTL		control = {.keysize = sizeof(int64), .entrysize = sizeof(HashEntry), .hcxt = CurrentMemoryContext};

	import->texts = hash_create("texts of an import", Min(import->input.count, 1000000), &control,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	import->scratch = AllocSetContextCreate(CurrentMemoryContext, "normalising for an import", ALLOCSET_DEFAULT_SIZES);
	import->hashes = palloc_extended(sizeof(Datum) * import->input.count, MCXT_ALLOC_HUGE);
	for (int64 i = 0; i < import->input.count; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(import->scratch);
		Datum		line_text = import->input.lines[i].values[TW_IMPORT_TEXT].value;

		CHECK_FOR_INTERRUPTS();
		import->hashes[i] = Int64GetDatum(tw_hash_text(tw_text_slice(line_text, false)));
		MemoryContextSwitchTo(caller);
		MemoryContextReset(import->scratch);
	}
}

/* Adds a row of the query of stored samples: the samples of one text and intent. */
static void
add_stored(Import *import, HeapTuple tuple, TupleDesc desc)
{
	bool		isnull[8];
	Datum		values[8];
	KnownText  *known;
	Label	   *label;

	heap_deform_tuple(tuple, desc, values, isnull);
	known = find_text(import, DatumGetInt64(values[0]), tw_text_slice(values[1], false));
	known->is_live |= DatumGetBool(values[3]);
	if (DatumGetBool(values[5]))
		known->splits |= SPLIT_TRAIN;
	if (DatumGetBool(values[6]))
		known->splits |= SPLIT_TEST;

	label = find_label(known, tw_text_slice(values[2], false));
	label->is_there = DatumGetBool(values[3]) || DatumGetBool(values[4]);
	label->unpinned = isnull[7] ? (Datum) 0 : values[7];
}

/*
 * Reads the stored samples of the texts. Not a kept plan: the right plan depends
 * on the number of texts. With a new snapshot: otherwise a REPEATABLE READ
 * transaction would hold the lock, but not see what the last import committed.
 */
static void
look_up_stored(Import *import)
{
	static const char command[] =
		"SELECT s.text_hash, %1$s.normalize_text(s.text), s.intent, bool_or(s.review_status = 'approved'), "
		"bool_or(s.review_status = 'pending' AND s.source = $2 AND s.conversation_log_id IS NULL), "
		"coalesce(bool_or(s.split = 'train'), false), coalesce(bool_or(s.split = 'test'), false), "
		"array_agg(s.id) FILTER (WHERE s.split IS NULL AND s.conversation_log_id IS NULL "
		"AND (s.review_status = 'approved' OR (s.review_status = 'pending' AND s.source = $2))) "
		"FROM %1$s.training_samples s WHERE s.text_hash IN (SELECT h.hash FROM unnest($1) AS h (hash)) "
		"GROUP BY 1, 2, 3";

	Oid			types[] = {INT8ARRAYOID, TEXTOID};
	Datum		values[2];
	SPIPlanPtr	plan;
	int			result;

	values[0] = PointerGetDatum(construct_array(import->hashes, (int) import->input.count, INT8OID, sizeof(int64),
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[1] = import->source;
	plan = SPI_prepare(psprintf(command, quote_identifier(tw_schema_name(import->schema))), 2, types);
	if (plan == NULL)
		elog(ERROR, "could not prepare statement: %s", SPI_result_code_string(SPI_result));
	result = SPI_execute_snapshot(plan, values, NULL, GetLatestSnapshot(), InvalidSnapshot, false, true, 0);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "looking up samples failed: %s", SPI_result_code_string(result));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		CHECK_FOR_INTERRUPTS();
		add_stored(import, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
	}
}

pg_noreturn static void
refuse_pin(const TwImportLine *line, const char *wanted_split, const KnownText *known)
{
	const char *other = strcmp(wanted_split, "test") == 0 ? "train" : "test";

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("line %lld: the text cannot have the split \"%s\"", (long long) line->number, wanted_split),
			 known->pinned_by > 0 ?
			 errdetail("Line %lld has the same text with the split \"%s\".", (long long) known->pinned_by, other) :
			 errdetail("A stored sample has the same text with the split \"%s\".", other),
			 errhint("A text never changes its split: leave \"split\" out of the line. Nothing of the data was "
					 "imported.")));
}

/* Records that the stored samples of a label that have no split get this one. */
static void
pin_stored(Import *import, Label *label, Datum wanted_split)
{
	Datum	   *ids;
	int			count;

	if (label->unpinned == (Datum) 0)
		return;
	deconstruct_array(DatumGetArrayTypeP(label->unpinned), INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &ids, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		import->pinned_ids = accumArrayResult(import->pinned_ids, ids[i], false, INT8OID, CurrentMemoryContext);
		import->pinned_splits = accumArrayResult(import->pinned_splits, wanted_split, false, TEXTOID,
												 CurrentMemoryContext);
	}
	import->pinned += count;
	label->unpinned = (Datum) 0;
}

static KnownText *
find_text_of_line(Import *import, const TwImportLine *line, Datum hash)
{
	MemoryContext caller = MemoryContextSwitchTo(import->scratch);
	text	   *normal = tw_normalize(tw_text_slice(line->values[TW_IMPORT_TEXT].value, false));
	KnownText  *known;

	MemoryContextSwitchTo(caller);
	known = find_text(import, DatumGetInt64(hash), tw_text_slice(PointerGetDatum(normal), false));
	MemoryContextReset(import->scratch);
	return known;
}

/* Decides whether and how a line is stored, given the stored samples and the earlier lines. */
static void
decide_line(Import *import, TwImportLine *line, Datum hash)
{
	KnownText  *known = find_text_of_line(import, line, hash);
	Label	   *label = find_label(known, tw_text_slice(line->values[TW_IMPORT_INTENT].value, false));
	NullableDatum *split = &line->values[TW_IMPORT_SPLIT];

	if (!split->isnull)
	{
		char	   *wanted_split = TextDatumGetCString(split->value);
		int			bit = strcmp(wanted_split, "test") == 0 ? SPLIT_TEST : SPLIT_TRAIN;

		if ((known->splits & ~bit) != 0)
			refuse_pin(line, wanted_split, known);
		if (known->splits == 0)
			known->pinned_by = line->number;
		known->splits |= bit;
	}

	if (label->is_there)
	{
		import->existing++;
		if (split->isnull)
			return;
		pin_stored(import, label, split->value);
		if (label->line != NULL)
			label->line->values[TW_IMPORT_SPLIT] = *split;
		return;
	}
	/* A text has one live intent: a line with another one is pending. */
	line->review_status = known->is_live ? "pending" : "approved";
	*(known->is_live ? &import->conflicting : &import->inserted) += 1;
	known->is_live = true;
	label->is_there = true;
	label->line = line;
}

/* Locks the samples first, in the order of their ids: UPDATE alone would lock them in the order of its plan. */
static void
store_pins(Import *import)
{
	static TwKeptPlan lock;
	static TwKeptPlan update;
	static const char lock_command[] =
		"SELECT FROM %1$s.training_samples s WHERE s.id = ANY ($1) ORDER BY s.id FOR UPDATE";
	static const char update_command[] =
		"UPDATE %1$s.training_samples s SET split = p.split FROM unnest($1, $2) AS p (id, split) "
		"WHERE s.id = p.id AND s.split IS NULL AND s.conversation_log_id IS NULL";

	Oid			types[] = {INT8ARRAYOID, TEXTARRAYOID};
	Datum		values[2];
	int			nest_level;
	int			result;

	if (import->pinned == 0)
		return;
	values[0] = makeArrayResult(import->pinned_ids, CurrentMemoryContext);
	values[1] = makeArrayResult(import->pinned_splits, CurrentMemoryContext);

	/* All locks are needed, so none is skipped. A session that holds one for longer has probably forgotten it. */
	nest_level = tw_begin_bounded_wait(TW_PATIENCE_MS);
	result = SPI_execute_plan(tw_kept_plan(&lock, import->schema, lock_command, 1, types), values, NULL, false, 0);
	tw_end_bounded_wait(nest_level);
	if (result < 0)
		elog(ERROR, "locking samples failed: %s", SPI_result_code_string(result));
	result = SPI_execute_plan(tw_kept_plan(&update, import->schema, update_command, 2, types), values, NULL, false, 0);
	if (result < 0)
		elog(ERROR, "UPDATE failed: %s", SPI_result_code_string(result));
	if (SPI_processed != (uint64) import->pinned)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not pin samples to their split"),
				 errdetail("They changed while the data was imported. Nothing of it was imported."),
				 errhint("Import it again.")));
}

/* Concurrent imports would not see each other's samples. Capture and reviews are not blocked. */
static void
lock_out_imports(Oid schema)
{
	static TwKeptPlan kept;

	/* tw_lock() in SQL, since its error names the holder of the lock. */
	if (SPI_execute_plan(tw_kept_plan(&kept, schema, "SELECT %1$s.tw_lock('splits'::text, 0::bigint)", 0, NULL),
						 NULL, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not lock out other imports");
}

/* The arguments of import_training_samples(). */
enum
{
	ARG_DATA,
	ARG_SOURCE,
	ARG_IGNORE_UNKNOWN_KEYS,
	ARG_FORMAT,
	ARG_ON_CONFLICT,
	ARG_LABEL_SOURCE,
	ARG_BAD_LINES,
	ARG_COLUMNS,
	ARGUMENTS
};

/* The position of a word among `choices`, which ends with NULL. */
static int
choose(FunctionCallInfo fcinfo, int argument, const char *name, const char *const *choices)
{
	char	   *given = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; choices[i] != NULL; i++)
	{
		if (strcmp(given, choices[i]) == 0)
			return i;
		appendStringInfo(&list, "%s%s", i == 0 ? "" : ", ", choices[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s cannot be \"%s\"", name, tw_excerpt(given)),
			 errhint("It is one of: %s.", list.data)));
}

static void
check_arguments(FunctionCallInfo fcinfo)
{
	static const char has_default[] = "Leave it out to have its default.";
	char	   *source;

	/* Called by the SQL of an older version. */
	if (PG_NARGS() != ARGUMENTS)
		tw_update_first();
	tw_refuse_null(fcinfo, ARG_DATA, "data", "Pass the data to import as one text; an empty one holds nothing.");
	tw_refuse_null(fcinfo, ARG_SOURCE, "source", has_default);
	tw_refuse_null(fcinfo, ARG_IGNORE_UNKNOWN_KEYS, "ignore_unknown_keys", has_default);
	tw_refuse_null(fcinfo, ARG_FORMAT, "format", has_default);
	tw_refuse_null(fcinfo, ARG_ON_CONFLICT, "on_conflict", has_default);
	tw_refuse_null(fcinfo, ARG_LABEL_SOURCE, "label_source", has_default);
	tw_refuse_null(fcinfo, ARG_BAD_LINES, "bad_lines", has_default);
	source = text_to_cstring(PG_GETARG_TEXT_PP(ARG_SOURCE));
	if (strcmp(source, "synthetic") != 0 && strcmp(source, "manual") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("samples cannot be imported with the source \"%s\"", tw_excerpt(source)),
				 strcmp(source, "production") == 0 ? errdetail("Production samples come from conversations.") : 0,
				 errhint("The sources are: synthetic, manual.")));
}

/* Reads the lines of the data, in its format. */
static TwImportLines
read_data(FunctionCallInfo fcinfo, Oid schema)
{
	static const char *const bad_lines[] = {"refuse", "skip", NULL};
	TwImportOptions options = {0};

	options.ignore_unknown_keys = PG_GETARG_BOOL(ARG_IGNORE_UNKNOWN_KEYS);
	options.skip_bad_lines = choose(fcinfo, ARG_BAD_LINES, "bad_lines", bad_lines) == 1;
	options.redact = tw_setting_redact(schema);
	options.redact_locations = tw_setting_redact_locations(schema);
	options.max_bytes = tw_setting_max_message_bytes(schema);
	options.format = text_to_cstring(PG_GETARG_TEXT_PP(ARG_FORMAT));
	options.columns = PG_ARGISNULL(ARG_COLUMNS) ? NULL : PG_GETARG_JSONB_P(ARG_COLUMNS);
	tw_check_import_options(&options);
	return tw_read_import_lines(PG_GETARG_TEXT_PP(ARG_DATA), &options);
}

PG_FUNCTION_INFO_V1(tw_import_training_samples);

/* import_training_samples(data, source, ignore_unknown_keys, format, on_conflict, label_source, bad_lines, columns) */
Datum
tw_import_training_samples(PG_FUNCTION_ARGS)
{
	Import		import = {.schema = tw_schema_of_function(fcinfo)};
	TupleDesc	desc;
	Datum		values[10] = {0};
	bool		nulls[10] = {false};

	check_arguments(fcinfo);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	import.source = PointerGetDatum(PG_GETARG_TEXT_PP(ARG_SOURCE));
	import.input = read_data(fcinfo, import.schema);

	if (import.input.count > 0)
	{
		SPI_connect();
		lock_out_imports(import.schema);
		hash_texts(&import);
		look_up_stored(&import);
		for (int64 i = 0; i < import.input.count; i++)
		{
			CHECK_FOR_INTERRUPTS();
			decide_line(&import, &import.input.lines[i], import.hashes[i]);
		}
		store_pins(&import);
		tw_store_import_lines(import.schema, import.source, &import.input);
		SPI_finish();
	}

	values[0] = Int64GetDatum(import.inserted);
	values[1] = Int64GetDatum(import.existing);
	values[2] = Int64GetDatum(import.conflicting);
	values[8] = Int64GetDatum(import.input.bad_count);
	nulls[9] = true;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
