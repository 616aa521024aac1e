/*
 * import_changes.c
 *		Changes of stored samples that lines of an import ask for.
 */
#include "postgres.h"

#include "base/kept_plan.h"
#include "catalog/pg_type.h"
#include "exchange/import_samples.h"
#include "exchange/import_store.h"
#include "executor/spi.h"
#include "utils/lsyscache.h"

/* Adds the ids of an array, 0 for none, to others; returns how many. */
int
tw_add_ids(ArrayBuildState **state, Datum ids)
{
	Datum	   *elements;
	int			count;

	if (ids == (Datum) 0)
		return 0;
	deconstruct_array(DatumGetArrayTypeP(ids), INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elements,
					  NULL, &count);
	for (int i = 0; i < count; i++)
		*state = accumArrayResult(*state, elements[i], false, INT8OID, CurrentMemoryContext);
	pfree(elements);
	return count;
}

/* The first id of such an array; 0 = none. */
int64
tw_first_id(Datum ids)
{
	bool		isnull;
	int			first = 1;

	if (ids == (Datum) 0)
		return 0;
	return DatumGetInt64(array_get_element(ids, 1, &first, -1, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
										   &isnull));
}

/* Calls a function of the extension that returns nothing. */
static void
call(TwImport *import, TwKeptPlan *kept, const char *command, int nargs, Oid *types, Datum *values)
{
	if (SPI_execute_plan(tw_kept_plan(kept, import->schema, command, nargs, types), values, NULL, false, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "statement of an import failed: %s", command);
}

/* Locks the samples of import->locked and their conversations. */
void
tw_lock_import_rows(TwImport *import)
{
	static TwKeptPlan kept;
	Oid			types[] = {INT8ARRAYOID};
	Datum		values[1];

	values[0] = makeArrayResult(import->locked, CurrentMemoryContext);
	call(import, &kept, "SELECT %1$s.tw_lock_imported($1)", lengthof(types), types, values);
}

static void
change_labels(TwImport *import)
{
	static TwKeptPlan kept;
	Oid			types[TW_IMPORT_KEYS + 2] = {INT8OID, INT8ARRAYOID};
	Datum		values[TW_IMPORT_KEYS + 2];
	int			nargs = 2;

	if (import->changed == NULL)
		return;
	values[0] = Int64GetDatum(import->id);
	values[1] = makeArrayResult(import->changed, CurrentMemoryContext);
	for (int key = TW_IMPORT_INTENT; key <= TW_IMPORT_EXPECTED_SERVICE; key++)
	{
		types[nargs] = get_array_type(tw_import_key_types[key]);
		values[nargs++] = makeArrayResult(import->changed_keys[key], CurrentMemoryContext);
	}
	call(import, &kept, "SELECT %1$s.tw_label_imported($1, $2, $3, $4, $5, $6, $7, $8)", nargs, types, values);
}

static void
pin(TwImport *import)
{
	static TwKeptPlan kept;
	Oid			types[] = {INT8ARRAYOID, TEXTARRAYOID};
	Datum		values[lengthof(types)];

	if (import->pinned == NULL)
		return;
	values[0] = makeArrayResult(import->pinned, CurrentMemoryContext);
	values[1] = makeArrayResult(import->pinned_splits, CurrentMemoryContext);
	call(import, &kept, "SELECT %1$s.tw_pin_imported($1, $2)", lengthof(types), types, values);
}

static void
queue(TwImport *import, ArrayBuildState *ids)
{
	static TwKeptPlan kept;
	Oid			types[] = {INT8OID, INT8ARRAYOID};
	Datum		values[lengthof(types)];

	if (ids == NULL)
		return;
	values[0] = Int64GetDatum(import->id);
	values[1] = makeArrayResult(ids, CurrentMemoryContext);
	call(import, &kept, "SELECT %1$s.tw_queue_imported($1, $2)", lengthof(types), types, values);
}

/* Changes the stored samples. Their rows are locked. */
void
tw_change_samples(TwImport *import)
{
	pin(import);
	change_labels(import);
	queue(import, import->queued);
}

/* Queues the samples of the lines that wait for review. */
void
tw_queue_lines(TwImport *import)
{
	ArrayBuildState *ids = NULL;

	for (int64 i = 0; i < import->input.count; i++)
	{
		const TwImportLine *line = &import->input.lines[i];

		if (line->waits && line->sample_id != 0)
			ids = accumArrayResult(ids, Int64GetDatum(line->sample_id), false, INT8OID, CurrentMemoryContext);
	}
	queue(import, ids);
}
