/*
 * export_file.c
 *		Exports into files: one that an operator names, or a temporary one of the
 *		server's for further use. Size and SHA-256 are those of the bytes passed
 *		to the operating system.
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xact.h"
#include "base/catalog.h"
#include "base/null_argument.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "exchange/export_path.h"
#include "exchange/export_samples.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

/* How much is written at once. */
#define CHUNK_BYTES (64 * 1024)

/* Arguments after those of tw_export_run(). */
#define ARG_PATH 8
#define ARG_OVERWRITE 9
#define ARG_ID 10

typedef struct FileExport FileExport;

struct FileExport
{
	TwExport	export;
	StringInfoData chunk;
	pg_cryptohash_ctx *hash;
	int64		bytes;
	void		(*write_chunk) (FileExport *file);
	/* either of them */
	TwExportPath target;
	File		temporary;
};

/* Temporary files of this transaction: they outlive the statement, so no resource owner closes them. */
static List *temporary_files = NIL;

static void
check_hash(pg_cryptohash_ctx *hash, int result)
{
	if (result < 0)
		elog(ERROR, "could not compute SHA-256: %s", pg_cryptohash_error(hash));
}

static void
flush(FileExport *file)
{
	CHECK_FOR_INTERRUPTS();
	check_hash(file->hash, pg_cryptohash_update(file->hash, (uint8 *) file->chunk.data, file->chunk.len));
	file->write_chunk(file);
	file->bytes += file->chunk.len;
	resetStringInfo(&file->chunk);
}

static void
put_line(TwExport *export, const char *line, int length)
{
	FileExport *file = (FileExport *) export;

	appendBinaryStringInfo(&file->chunk, line, length);
	appendStringInfoChar(&file->chunk, '\n');
	if (file->chunk.len >= CHUNK_BYTES)
		flush(file);
}

static void
write_to_path(FileExport *file)
{
	const char *at = file->chunk.data;
	const char *end = at + file->chunk.len;

	while (at < end)
	{
		ssize_t		written = write(file->target.file, at, end - at);

		if (written < 0 && errno == EINTR)
		{
			CHECK_FOR_INTERRUPTS();
			continue;
		}
		if (written <= 0)
		{
			/* A write of 0 bytes sets no errno. */
			if (written == 0)
				errno = ENOSPC;
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not write the temporary file for \"%s\": %m", file->target.path)));
		}
		at += written;
	}
}

static void
write_to_temporary(FileExport *file)
{
	errno = 0;
	if (FileWrite(file->temporary, file->chunk.data, file->chunk.len, file->bytes,
				  WAIT_EVENT_BUFFILE_WRITE) != file->chunk.len)
	{
		if (errno == 0)
			errno = ENOSPC;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write a temporary file: %m")));
	}
}

/* Writes the whole export; returns its checksum in hexadecimal. */
static char *
write_all(FileExport *file, Oid schema, FunctionCallInfo fcinfo)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char	   *result = palloc(2 * sizeof(digest) + 1);

	file->export.put_line = put_line;
	initStringInfo(&file->chunk);
	file->hash = pg_cryptohash_create(PG_SHA256);
	if (file->hash == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	check_hash(file->hash, pg_cryptohash_init(file->hash));
	tw_export_run(&file->export, schema, fcinfo);
	flush(file);
	check_hash(file->hash, pg_cryptohash_final(file->hash, digest, sizeof(digest)));
	pg_cryptohash_free(file->hash);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(result + 2 * i, 3, "%02x", digest[i]);
	return result;
}

/* Also runs when the session is terminated, which runs no PG_CATCH. */
static void
clean_up(int code, Datum arg)
{
	tw_export_path_close((TwExportPath *) DatumGetPointer(arg));
}

PG_FUNCTION_INFO_V1(tw_export_file);

/* tw_export_file(..., path, overwrite, id): writes the file; row_count, byte_count, sha256 and skipped_too_long. */
Datum
tw_export_file(PG_FUNCTION_ARGS)
{
	FileExport *file = palloc0(sizeof(FileExport));
	char	   *path;
	bool		overwrite;
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {false};
	char	   *sha256;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	tw_refuse_null(fcinfo, ARG_PATH, "path", "Pass the file's absolute path.");
	tw_refuse_null(fcinfo, ARG_OVERWRITE, "overwrite", "Leave it out: an existing file is then kept.");
	tw_refuse_null(fcinfo, ARG_ID, "id", "It is the export's row in training_export_jobs.");
	path = text_to_cstring(PG_GETARG_TEXT_PP(ARG_PATH));
	overwrite = PG_GETARG_BOOL(ARG_OVERWRITE);
	file->write_chunk = write_to_path;
	file->target = (TwExportPath) {.folder = -1, .file = -1};
	PG_ENSURE_ERROR_CLEANUP(clean_up, PointerGetDatum(&file->target));
	{
		tw_export_path_open(&file->target, path, overwrite);
		tw_export_path_create(&file->target, PG_GETARG_INT64(ARG_ID));
		sha256 = write_all(file, tw_schema_of_function(fcinfo), fcinfo);
		tw_export_path_publish(&file->target, overwrite);
	}
	PG_END_ENSURE_ERROR_CLEANUP(clean_up, PointerGetDatum(&file->target));
	tw_export_path_close(&file->target);

	values[0] = Int64GetDatum(file->export.rows);
	values[1] = Int64GetDatum(file->bytes);
	values[2] = CStringGetTextDatum(sha256);
	values[3] = Int64GetDatum(file->export.skipped);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

PG_FUNCTION_INFO_V1(tw_check_export_path);

/* tw_check_export_path(path, overwrite): refuses what tw_export_file() would refuse before it writes anything. */
Datum
tw_check_export_path(PG_FUNCTION_ARGS)
{
	TwExportPath target = {.folder = -1, .file = -1};
	char	   *path = text_to_cstring(PG_GETARG_TEXT_PP(0));

	/* The folder is closed after an error as well. */
	tw_export_path_open(&target, path, PG_GETARG_BOOL(1));
	tw_export_path_close(&target);
	PG_RETURN_VOID();
}

static void
close_at_end(XactEvent event, void *arg)
{
	ListCell   *cell;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	foreach(cell, temporary_files)
		FileClose(lfirst_int(cell));
	list_free(temporary_files);
	temporary_files = NIL;
}

/* A temporary file that goes away with this transaction. */
static File
open_temporary(void)
{
	static bool registered = false;
	MemoryContext caller;
	File		result;

	if (!registered)
		RegisterXactCallback(close_at_end, NULL);
	registered = true;
	result = OpenTemporaryFile(true);
	caller = MemoryContextSwitchTo(TopMemoryContext);
	temporary_files = lappend_int(temporary_files, result);
	MemoryContextSwitchTo(caller);
	return result;
}

PG_FUNCTION_INFO_V1(tw_export_temporary);

/*
 * tw_export_temporary(...): the same into a temporary file of the server's;
 * path, row_count, byte_count, sha256 and skipped_too_long.
 */
Datum
tw_export_temporary(PG_FUNCTION_ARGS)
{
	FileExport *file = palloc0(sizeof(FileExport));
	TupleDesc	desc;
	Datum		values[5];
	bool		nulls[5] = {false};
	char	   *sha256;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	tw_export_check(fcinfo);
	file->write_chunk = write_to_temporary;
	file->temporary = open_temporary();
	sha256 = write_all(file, tw_schema_of_function(fcinfo), fcinfo);

	/* Relative to the data directory, the working directory of every session. */
	values[0] = CStringGetTextDatum(FilePathName(file->temporary));
	values[1] = Int64GetDatum(file->export.rows);
	values[2] = Int64GetDatum(file->bytes);
	values[3] = CStringGetTextDatum(sha256);
	values[4] = Int64GetDatum(file->export.skipped);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
