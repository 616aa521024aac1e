/*
 * report_file.c
 *		Writes a report into a file of the server: the whole of it, or nothing.
 */
#include "postgres.h"

#include <unistd.h>

#include "base/compat.h"
#include "exchange/export_path.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/builtins.h"

static void
write_all(TwExportPath *target, const char *data, size_t length)
{
	while (length > 0)
	{
		ssize_t		written = write(target->file, data, length);

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
					 errmsg("could not write the temporary file for \"%s\": %m", target->path)));
		}
		data += written;
		length -= written;
	}
}

/* Also runs when the session is terminated, which runs no PG_CATCH. */
static void
clean_up(int code, Datum arg)
{
	tw_export_path_close((TwExportPath *) DatumGetPointer(arg));
}

PG_FUNCTION_INFO_V1(tw_write_report);

/* tw_write_report(path, page): replaces the file, or makes it. */
Datum
tw_write_report(PG_FUNCTION_ARGS)
{
	char	   *path = text_to_cstring(PG_GETARG_TEXT_PP(0));
	text	   *page = PG_GETARG_TEXT_PP(1);
	TwExportPath *target = palloc0(sizeof(TwExportPath));

	target->folder = target->file = -1;
	PG_ENSURE_ERROR_CLEANUP(clean_up, PointerGetDatum(target));
	{
		tw_export_path_open(target, path, true);
		tw_export_path_create(target, MyProcPid);
		write_all(target, VARDATA_ANY(page), VARSIZE_ANY_EXHDR(page));
		tw_export_path_publish(target, true);
	}
	PG_END_ENSURE_ERROR_CLEANUP(clean_up, PointerGetDatum(target));
	tw_export_path_close(target);
	PG_RETURN_VOID();
}
