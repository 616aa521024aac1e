/*
 * import_record.c
 *		The report of an import: what became of its lines.
 */
#include "postgres.h"

#include "base/kept_plan.h"
#include "catalog/pg_type.h"
#include "exchange/import_samples.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

static const char *const outcomes[TW_IMPORT_OUTCOMES] = {
	[TW_IMPORT_INSERTED] = "inserted",
	[TW_IMPORT_EXISTING] = "existing",
	[TW_IMPORT_CONFLICTING] = "conflicting",
	[TW_IMPORT_UPGRADED] = "upgraded",
	[TW_IMPORT_REPLACED] = "replaced",
	[TW_IMPORT_KEPT] = "kept",
	[TW_IMPORT_PINNED] = "pinned",
	[TW_IMPORT_NOT_PINNED] = "not pinned",
	[TW_IMPORT_SKIPPED] = "skipped"
};

/* Adds a row to the report. The reason has nothing of the line's values. */
static void
add_note(TwImport *import, int64 number, TwImportOutcome outcome, const char *reason, int64 sample_id,
		 TwImportLine *stored)
{
	TwImportNote *note;

	if (import->note_count == import->note_room)
	{
		import->note_room = Max(64, import->note_room * 2);
		import->notes = import->notes == NULL ? palloc(sizeof(TwImportNote) * import->note_room) :
			repalloc_huge(import->notes, sizeof(TwImportNote) * import->note_room);
	}
	note = &import->notes[import->note_count++];
	note->number = number;
	note->outcome = outcome;
	note->reason = reason;
	note->sample_id = sample_id;
	note->line = stored;
	if (stored != NULL)
		stored->wants_id = true;
}

/* `stored` is the line whose sample the row names, if that is not sample_id. */
void
tw_note_line(TwImport *import, const TwImportLine *line, TwImportOutcome outcome, const char *reason, int64 sample_id,
			 TwImportLine *stored)
{
	add_note(import, line->number, outcome, reason, sample_id, stored);
}

/* Draws the number of the import. */
void
tw_begin_import_record(TwImport *import)
{
	static TwKeptPlan kept;
	bool		isnull;

	if (SPI_execute_plan(tw_kept_plan(&kept, import->schema, "SELECT %1$s.tw_next_import()", 0, NULL), NULL, NULL,
						 false, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not number an import");
	import->id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

static void
add_bad_lines(TwImport *import)
{
	import->counts[TW_IMPORT_SKIPPED] = import->input.bad_count;
	for (int64 i = 0; i < import->input.bad_count; i++)
	{
		const TwBadLine *bad = &import->input.bad[i];

		add_note(import, bad->number, TW_IMPORT_SKIPPED,
				 bad->sqlstate == ERRCODE_SUCCESSFUL_COMPLETION ? bad->message :
				 psprintf("%s (%s)", bad->message, unpack_sql_state(bad->sqlstate)), 0, NULL);
	}
}

/* The rows of the report as arrays: line, outcome, reason, sample_id. */
static void
collect_notes(const TwImport *import, Datum *values)
{
	ArrayBuildState *columns[4];

	columns[0] = initArrayResult(INT8OID, CurrentMemoryContext, false);
	columns[1] = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	columns[2] = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	columns[3] = initArrayResult(INT8OID, CurrentMemoryContext, false);
	for (int64 i = 0; i < import->note_count; i++)
	{
		const TwImportNote *note = &import->notes[i];
		int64		sample_id = note->sample_id != 0 || note->line == NULL ? note->sample_id : note->line->sample_id;

		CHECK_FOR_INTERRUPTS();
		accumArrayResult(columns[0], Int64GetDatum(note->number), false, INT8OID, CurrentMemoryContext);
		accumArrayResult(columns[1], CStringGetTextDatum(outcomes[note->outcome]), false, TEXTOID,
						 CurrentMemoryContext);
		accumArrayResult(columns[2], CStringGetTextDatum(note->reason), false, TEXTOID, CurrentMemoryContext);
		accumArrayResult(columns[3], Int64GetDatum(sample_id), sample_id == 0, INT8OID, CurrentMemoryContext);
	}
	for (int i = 0; i < 4; i++)
		values[i] = makeArrayResult(columns[i], CurrentMemoryContext);
}

/* Stores the report. `arguments` are those of import_training_samples() from source to bad_lines, without the data. */
void
tw_record_import(TwImport *import, const TwImportArguments *arguments)
{
	static TwKeptPlan kept;
	static const char command[] =
		"SELECT %1$s.tw_record_import($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

	Oid			types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT8OID, INT8ARRAYOID, INT8ARRAYOID,
	TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID};
	Datum		values[lengthof(types)];
	Datum		counts[TW_IMPORT_OUTCOMES];

	add_bad_lines(import);
	for (int i = 0; i < TW_IMPORT_OUTCOMES; i++)
		counts[i] = Int64GetDatum(import->counts[i]);
	values[0] = Int64GetDatum(import->id);
	values[1] = arguments->source;
	values[2] = arguments->format;
	values[3] = arguments->on_conflict;
	values[4] = arguments->label_source;
	values[5] = arguments->bad_lines;
	values[6] = Int64GetDatum(import->input.count + import->input.bad_count);
	values[7] = PointerGetDatum(construct_array(counts, TW_IMPORT_OUTCOMES, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
												TYPALIGN_DOUBLE));
	collect_notes(import, &values[8]);
	if (SPI_execute_plan(tw_kept_plan(&kept, import->schema, command, lengthof(types), types), values, NULL, false,
						 0) != SPI_OK_SELECT)
		elog(ERROR, "could not record an import");
}
