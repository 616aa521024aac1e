/*
 * update_script.c
 *		Grants from within the script of ALTER EXTENSION UPDATE.
 *
 * PostgreSQL takes what a script grants for the extension's own privileges, and
 * pg_dump leaves those out: a role's privileges would be lost in the next
 * restore. What roles of the users hold must stay theirs.
 */
#include "postgres.h"

#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(tw_execute_as_user);

/*
 * Executes a command as if a user had given it, though a script runs. Update
 * scripts declare this function while they run.
 */
Datum
tw_execute_as_user(PG_FUNCTION_ARGS)
{
	char	   *command = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (!creating_extension)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("function \"tw_execute_as_user\" was not called by the script of an extension"),
				 errhint("Execute the command itself.")));
	creating_extension = false;
	PG_TRY();
	{
		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		SPI_execute(command, false, 0);
		SPI_finish();
	}
	PG_FINALLY();
	{
		creating_extension = true;
	}
	PG_END_TRY();
	PG_RETURN_VOID();
}
