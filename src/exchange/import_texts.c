/*
 * import_texts.c
 *		What is stored of the texts of an import.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "exchange/import_samples.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "rules/normalize.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* An entry of the hash table: the texts with this hash. */
typedef struct HashEntry
{
	int64		hash;
	TwKnownText *first;
} HashEntry;

/* Finds the entry of a text, or adds an empty one. */
static TwKnownText *
find_text(TwImport *import, int64 hash, TwSlice normal)
{
	bool		found;
	HashEntry  *entry = hash_search(import->texts, &hash, HASH_ENTER, &found);
	TwKnownText *known;

	if (!found)
		entry->first = NULL;
	for (known = entry->first; known != NULL; known = known->next)
	{
		if (tw_slice_compare(known->normal, normal) == 0)
			return known;
	}
	known = palloc0(sizeof(TwKnownText));
	known->normal = (TwSlice) {pnstrdup(normal.data, normal.length), normal.length};
	known->next = entry->first;
	entry->first = known;
	return known;
}

/* Whether a sample of a text with this hash was found. */
bool
tw_has_stored(const TwImport *import, Datum hash)
{
	int64		key = DatumGetInt64(hash);

	return hash_search(import->texts, &key, HASH_FIND, NULL) != NULL;
}

TwKnownText *
tw_text_of_line(TwImport *import, const TwImportLine *line, Datum hash)
{
	MemoryContext caller = MemoryContextSwitchTo(import->scratch);
	text	   *normal = tw_normalize(tw_text_slice(line->values[TW_IMPORT_TEXT].value, false));
	TwKnownText *known;

	MemoryContextSwitchTo(caller);
	known = find_text(import, DatumGetInt64(hash), tw_text_slice(PointerGetDatum(normal), false));
	MemoryContextReset(import->scratch);
	return known;
}

/* Finds the entry of an intent of a text, or adds an empty one. */
TwKnownLabel *
tw_find_label(TwKnownText *known, TwSlice intent)
{
	TwKnownLabel *label;

	for (label = known->labels; label != NULL; label = label->next)
	{
		if (tw_slice_compare(label->intent, intent) == 0)
			return label;
	}
	label = palloc0(sizeof(TwKnownLabel));
	label->intent = intent;
	label->next = known->labels;
	known->labels = label;
	return label;
}

TwKnownLabel *
tw_label_of_line(TwKnownText *known, const TwImportLine *line)
{
	return tw_find_label(known, tw_text_slice(line->values[TW_IMPORT_INTENT].value, false));
}

void
tw_hash_import_texts(TwImport *import)
{
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

/* The columns of the query of stored samples. */
enum
{
	COLUMN_HASH,
	COLUMN_NORMAL,
	COLUMN_INTENT,
	COLUMN_PEOPLE,
	COLUMN_MODELS,
	COLUMN_WAITING,
	COLUMN_WAITS,
	COLUMN_STANDALONE,
	COLUMN_TRAIN,
	COLUMN_TEST,
	COLUMN_LEARNED,
	COLUMN_UNDECIDED,
	COLUMNS
};

/* Adds a row of that query: the samples of one text and intent. */
static void
add_stored(TwImport *import, HeapTuple tuple, TupleDesc desc)
{
	bool		isnull[COLUMNS];
	Datum		values[COLUMNS];
	TwKnownText *known;
	TwKnownLabel *label;

	heap_deform_tuple(tuple, desc, values, isnull);
	for (int i = 0; i < COLUMNS; i++)
		values[i] = isnull[i] ? (Datum) 0 : values[i];
	known = find_text(import, DatumGetInt64(values[COLUMN_HASH]), tw_text_slice(values[COLUMN_NORMAL], false));
	if (DatumGetBool(values[COLUMN_TRAIN]))
		known->splits |= TW_SPLIT_TRAIN;
	if (DatumGetBool(values[COLUMN_TEST]))
		known->splits |= TW_SPLIT_TEST;
	known->is_learned |= DatumGetBool(values[COLUMN_LEARNED]);

	label = tw_find_label(known, tw_text_slice(values[COLUMN_INTENT], false));
	label->people = values[COLUMN_PEOPLE];
	label->models = values[COLUMN_MODELS];
	label->waiting = values[COLUMN_WAITING];
	label->undecided = values[COLUMN_UNDECIDED];
	label->by_person = label->people != (Datum) 0;
	label->by_model = label->models != (Datum) 0;
	label->waits = DatumGetBool(values[COLUMN_WAITS]);
	label->standalone = DatumGetBool(values[COLUMN_STANDALONE]);
}

/*
 * Reads the stored samples of the texts. Not a kept plan: the right plan depends
 * on the number of texts. With a new snapshot: otherwise a REPEATABLE READ
 * transaction would hold the lock, but not see what the last import committed.
 */
void
tw_look_up_samples(TwImport *import)
{
	static const char command[] =
		"SELECT s.text_hash, %1$s.normalize_text(s.text), %1$s.tw_resolve_intent(s.intent), "
		"array_agg(s.id) FILTER (WHERE s.review_status = 'approved' AND s.label_source = 'human'), "
		"array_agg(s.id) FILTER (WHERE s.review_status = 'approved' AND s.label_source = 'model'), "
		"array_agg(s.id) FILTER (WHERE s.review_status = 'pending' AND s.conversation_log_id IS NULL "
		"AND s.label_source = 'human'), "
		"bool_or(s.review_status = 'pending' AND s.conversation_log_id IS NULL), "
		"bool_or(s.review_status = 'approved' AND s.conversation_log_id IS NULL AND s.source <> 'production'), "
		"coalesce(bool_or(s.split = 'train'), false), coalesce(bool_or(s.split = 'test'), false), "
		"bool_or(s.model_version_target IS NOT NULL), array_agg(s.id) FILTER (WHERE s.split IS NULL) "
		"FROM %1$s.training_samples s WHERE s.text_hash IN (SELECT h.hash FROM unnest($1) AS h (hash)) "
		"GROUP BY 1, 2, 3";

	HASHCTL		control = {.keysize = sizeof(int64), .entrysize = sizeof(HashEntry), .hcxt = CurrentMemoryContext};
	Oid			types[] = {INT8ARRAYOID};
	Datum		hashes = PointerGetDatum(construct_array(import->hashes, (int) import->input.count, INT8OID,
														 sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	SPIPlanPtr	plan;
	int			result;

	import->texts = hash_create("texts of an import", Min(import->input.count, 1000000), &control,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	plan = SPI_prepare(psprintf(command, quote_identifier(tw_schema_name(import->schema))), 1, types);
	if (plan == NULL)
		elog(ERROR, "could not prepare statement: %s", SPI_result_code_string(SPI_result));
	result = SPI_execute_snapshot(plan, &hashes, NULL, GetLatestSnapshot(), InvalidSnapshot, false, true, 0);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "looking up samples failed: %s", SPI_result_code_string(result));
	import->any_stored = SPI_processed > 0;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		CHECK_FOR_INTERRUPTS();
		add_stored(import, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
	}
}
