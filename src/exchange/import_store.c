/*
 * import_store.c
 *		Stores lines as samples, many of them with one INSERT.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/kept_plan.h"
#include "capture/promote.h"
#include "catalog/pg_type.h"
#include "exchange/import_lines.h"
#include "exchange/import_store.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* Limits of one INSERT. */
#define BATCH_LINES 10000
#define BATCH_BYTES (64 * 1024 * 1024)

/* A column of a batch: the keys first, then review_status. */
#define BATCH_COLUMNS (TW_IMPORT_KEYS + 1)

const Oid	tw_import_key_types[TW_IMPORT_KEYS] = {
	[TW_IMPORT_TEXT] = TEXTOID,
	[TW_IMPORT_INTENT] = TEXTOID,
	[TW_IMPORT_LANGUAGE] = TEXTOID,
	[TW_IMPORT_ENTITIES] = JSONBOID,
	[TW_IMPORT_MODULE_ID] = INT4OID,
	[TW_IMPORT_MODULE_TYPE] = TEXTOID,
	[TW_IMPORT_EXPECTED_SERVICE] = TEXTOID,
	[TW_IMPORT_SPLIT] = TEXTOID,
	[TW_IMPORT_LABEL_SOURCE] = TEXTOID,
	[TW_IMPORT_QUALITY_SCORE] = FLOAT8OID,
	[TW_IMPORT_CREATED_AT] = TIMESTAMPTZOID
};

/* An old sample still counts as new for the next training, and one with a future time does not stay new. */
#define INSERT_LINES \
	TW_INSERT_SAMPLES( \
	"SELECT NULL, n.text, NULL, NULL, n.intent, n.module_id, %1$s.tw_module_type(n.module_type, n.intent), " \
	"n.entities, n.language, n.expected_service, n.review_status, l.label_source, " \
	"CASE WHEN l.label_source = 'human' AND n.review_status = 'approved' THEN session_user END, " \
	"CASE WHEN n.review_status = 'approved' THEN now() END, $13, n.split, NULL, " \
	"coalesce(n.quality_score, CASE l.label_source WHEN 'human' THEN 1 END), least(n.created_at, now()) " \
	"FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) WITH ORDINALITY " \
	"AS n (text, intent, language, entities, module_id, module_type, expected_service, split, " \
	"label_source, quality_score, created_at, review_status, number) " \
	"CROSS JOIN LATERAL (SELECT coalesce(n.label_source, 'human') AS label_source) l ORDER BY n.number")

typedef struct Batch
{
	MemoryContext context;
	ArrayBuildState *columns[BATCH_COLUMNS];
	TwImportLine *lines[BATCH_LINES];
	int			count;
	bool		wants_ids;
	Size		bytes;
} Batch;

static void
add_to_batch(Batch *batch, TwImportLine *line)
{
	MemoryContext caller = MemoryContextSwitchTo(batch->context);

	for (int i = 0; i < TW_IMPORT_KEYS; i++)
		batch->columns[i] = accumArrayResult(batch->columns[i], line->values[i].value, line->values[i].isnull,
											 tw_import_key_types[i], batch->context);
	batch->columns[TW_IMPORT_KEYS] = accumArrayResult(batch->columns[TW_IMPORT_KEYS],
													  CStringGetTextDatum(line->review_status), false,
													  TEXTOID, batch->context);
	batch->lines[batch->count++] = line;
	batch->wants_ids |= line->waits || line->wants_id;
	batch->bytes += VARSIZE_ANY(DatumGetPointer(line->values[TW_IMPORT_TEXT].value));
	if (!line->values[TW_IMPORT_ENTITIES].isnull)
		batch->bytes += VARSIZE_ANY(DatumGetPointer(line->values[TW_IMPORT_ENTITIES].value));
	MemoryContextSwitchTo(caller);
}

/* Fills the lines' sample_id. The INSERT has returned the ids in the order of the lines. */
static void
take_ids(Batch *batch)
{
	bool		isnull;

	if (SPI_tuptable == NULL || SPI_processed != (uint64) batch->count)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("lines of the import were not stored as samples"),
				 errdetail("A rule or trigger on training_samples has replaced the INSERT."),
				 errhint("Remove it; SELECT * FROM check_integrity() names it.")));
	for (int i = 0; i < batch->count; i++)
		batch->lines[i]->sample_id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1,
																 &isnull));
	SPI_freetuptable(SPI_tuptable);
}

static void
store_batch(Oid schema, Datum source, Batch *batch)
{
	static TwKeptPlan kept;
	static TwKeptPlan kept_with_ids;
	static const char command[] = INSERT_LINES;
	static const char command_with_ids[] = INSERT_LINES " RETURNING s.id";

	Oid			types[BATCH_COLUMNS + 1];
	Datum		values[BATCH_COLUMNS + 1];

	if (batch->count == 0)
		return;
	for (int i = 0; i < BATCH_COLUMNS; i++)
	{
		types[i] = get_array_type(i < TW_IMPORT_KEYS ? tw_import_key_types[i] : TEXTOID);
		values[i] = makeArrayResult(batch->columns[i], batch->context);
	}
	types[BATCH_COLUMNS] = TEXTOID;
	values[BATCH_COLUMNS] = source;
	if (batch->wants_ids)
	{
		tw_run_insert(&kept_with_ids, schema, command_with_ids, BATCH_COLUMNS + 1, types, values, NULL);
		take_ids(batch);
	}
	else
		tw_run_insert(&kept, schema, command, BATCH_COLUMNS + 1, types, values, NULL);

	MemoryContextReset(batch->context);
	memset(batch->columns, 0, sizeof(batch->columns));
	batch->count = 0;
	batch->wants_ids = false;
	batch->bytes = 0;
}

/* Stores the lines that have a review_status. SPI must be connected. */
void
tw_store_import_lines(Oid schema, Datum source, TwImportLines *input)
{
	Batch	   *batch = palloc0(sizeof(Batch));

	batch->context = AllocSetContextCreate(CurrentMemoryContext, "batch of an import", ALLOCSET_DEFAULT_SIZES);
	for (int64 i = 0; i < input->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (input->lines[i].review_status == NULL)
			continue;
		add_to_batch(batch, &input->lines[i]);
		if (batch->count >= BATCH_LINES || batch->bytes >= BATCH_BYTES)
			store_batch(schema, source, batch);
	}
	store_batch(schema, source, batch);
	MemoryContextDelete(batch->context);
}
