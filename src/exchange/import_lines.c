/*
 * import_lines.c
 *		Lines with labelled texts, and those that cannot be imported.
 */
#include "postgres.h"

#include "exchange/import_lines.h"
#include "miscadmin.h"
#include "utils/memutils.h"

void
tw_begin_import_lines(TwImportLines *result, const TwImportOptions *options)
{
	memset(result, 0, sizeof(TwImportLines));
	result->options = *options;
	result->room = 64;
	result->lines = palloc(sizeof(TwImportLine) * result->room);
}

/* Adds a line without values. */
TwImportLine *
tw_add_import_line(TwImportLines *result, int64 number)
{
	TwImportLine *line;

	if (result->count == result->room)
	{
		result->room *= 2;
		result->lines = repalloc_huge(result->lines, sizeof(TwImportLine) * result->room);
	}
	line = &result->lines[result->count++];
	memset(line, 0, sizeof(TwImportLine));
	line->number = number;
	for (int key = 0; key < TW_IMPORT_KEYS; key++)
		line->values[key].isnull = true;
	return line;
}

static void
add_bad_line(TwImportLines *result, int64 number, int sqlstate, const char *message)
{
	TwBadLine  *bad;

	if (result->bad_count == result->bad_room)
	{
		result->bad_room = Max(64, result->bad_room * 2);
		result->bad = result->bad == NULL ? palloc(sizeof(TwBadLine) * result->bad_room) :
			repalloc_huge(result->bad, sizeof(TwBadLine) * result->bad_room);
	}
	bad = &result->bad[result->bad_count++];
	bad->number = number;
	bad->sqlstate = sqlstate;
	/* PostgreSQL's own messages, of values that jsonb refuses, do not say where. */
	bad->message = strncmp(message, "line ", strlen("line ")) == 0 ? pstrdup(message) :
		psprintf("line %lld: %s", (long long) number, message);
}

/* Adds a line with which nothing is wrong, but which is no sample. */
void
tw_skip_import_line(TwImportLines *result, int64 number, const char *reason)
{
	add_bad_line(result, number, ERRCODE_SUCCESSFUL_COMPLETION, reason);
}

/* Whether the error is about what the line says: class 22 (data exception) or 54 (program limit exceeded). */
static bool
is_data_error(const ErrorData *error)
{
	int			category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return category == ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_PROGRAM_LIMIT_EXCEEDED);
}

/*
 * Reads one line with `read`, which adds it, and raises an error if it cannot be
 * imported. With skip_bad_lines, such an error is collected instead, and nothing
 * of the line stays. `read` must do no more than parse: there is no
 * subtransaction that would release locks, buffers or files.
 */
void
tw_try_import_line(TwImportLines *result, int64 number, TwReadLine read, void *reader)
{
	MemoryContext caller = CurrentMemoryContext;
	int64		before = result->count;

	if (!result->options.skip_bad_lines)
	{
		read(reader);
		return;
	}
	PG_TRY();
	{
		read(reader);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		if (!is_data_error(error))
			PG_RE_THROW();
		FlushErrorState();
		result->count = before;
		add_bad_line(result, number, error->sqlerrcode, error->message);
		FreeErrorData(error);
	}
	PG_END_TRY();
}
