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

static const Oid column_types[BATCH_COLUMNS] = {
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
	[TW_IMPORT_CREATED_AT] = TIMESTAMPTZOID,
	[TW_IMPORT_KEYS] = TEXTOID
};

typedef struct Batch
{
	MemoryContext context;
	ArrayBuildState *columns[BATCH_COLUMNS];
	int			lines;
	Size		bytes;
} Batch;

static void
add_to_batch(Batch *batch, const TwImportLine *line)
{
	MemoryContext caller = MemoryContextSwitchTo(batch->context);

	for (int i = 0; i < TW_IMPORT_KEYS; i++)
		batch->columns[i] = accumArrayResult(batch->columns[i], line->values[i].value, line->values[i].isnull,
											 column_types[i], batch->context);
	batch->columns[TW_IMPORT_KEYS] = accumArrayResult(batch->columns[TW_IMPORT_KEYS],
													  CStringGetTextDatum(line->review_status), false,
													  column_types[TW_IMPORT_KEYS], batch->context);
	batch->lines++;
	batch->bytes += VARSIZE_ANY(DatumGetPointer(line->values[TW_IMPORT_TEXT].value));
	if (!line->values[TW_IMPORT_ENTITIES].isnull)
		batch->bytes += VARSIZE_ANY(DatumGetPointer(line->values[TW_IMPORT_ENTITIES].value));
	MemoryContextSwitchTo(caller);
}

static void
store_batch(Oid schema, Datum source, Batch *batch)
{
	static TwKeptPlan kept;
	static const char command[] =
		TW_INSERT_SAMPLES(
						  "SELECT NULL, n.text, NULL, NULL, n.intent, n.module_id, %1$s.tw_module_type(n.module_type, "
						  "n.intent), n.entities, n.language, n.expected_service, n.review_status, l.label_source, "
						  "CASE WHEN l.label_source = 'human' AND n.review_status = 'approved' THEN session_user END, "

		/* An old sample still counts as new for the next training, and one with a future time does not stay new. */
						  "CASE WHEN n.review_status = 'approved' THEN now() END, $13, n.split, NULL, "
						  "coalesce(n.quality_score, CASE l.label_source WHEN 'human' THEN 1 END), least(n.created_at, "
						  "now()) FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) WITH ORDINALITY "
						  "AS n (text, intent, language, entities, module_id, module_type, expected_service, split, "
						  "label_source, quality_score, created_at, review_status, number) "
						  "CROSS JOIN LATERAL (SELECT coalesce(n.label_source, 'human') AS label_source) l ORDER BY "
						  "n.number");

	Oid			types[BATCH_COLUMNS + 1];
	Datum		values[BATCH_COLUMNS + 1];

	if (batch->lines == 0)
		return;
	for (int i = 0; i < BATCH_COLUMNS; i++)
	{
		types[i] = get_array_type(column_types[i]);
		values[i] = makeArrayResult(batch->columns[i], batch->context);
	}
	types[BATCH_COLUMNS] = TEXTOID;
	values[BATCH_COLUMNS] = source;
	tw_run_insert(&kept, schema, command, BATCH_COLUMNS + 1, types, values, NULL);

	MemoryContextReset(batch->context);
	memset(batch->columns, 0, sizeof(batch->columns));
	batch->lines = 0;
	batch->bytes = 0;
}

/* Stores the lines that have a review_status. SPI must be connected. */
void
tw_store_import_lines(Oid schema, Datum source, const TwImportLines *input)
{
	Batch		batch = {AllocSetContextCreate(CurrentMemoryContext, "batch of an import", ALLOCSET_DEFAULT_SIZES)};

	for (int64 i = 0; i < input->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (input->lines[i].review_status == NULL)
			continue;
		add_to_batch(&batch, &input->lines[i]);
		if (batch.lines >= BATCH_LINES || batch.bytes >= BATCH_BYTES)
			store_batch(schema, source, &batch);
	}
	store_batch(schema, source, &batch);
	MemoryContextDelete(batch.context);
}
