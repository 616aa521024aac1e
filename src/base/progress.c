/*
 * progress.c
 *		How far the long work of a session is, for other sessions to see.
 *
 * A row is not seen before its transaction commits, so the figures lie where
 * the server keeps those of its own pg_stat_progress views: in the status of
 * the backend. The server forgets them when the transaction ends badly or the
 * backend dies. A command number of our own keeps them out of those views. A
 * command of the server's own that reports progress (CREATE INDEX, COPY)
 * replaces them until we report again.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/excerpt.h"
#include "base/progress.h"
#include "commands/progress.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/backend_progress.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* Of no command of the server. */
#define TW_PROGRESS_COMMAND ((ProgressCommandType) 0x7477)

/* The places of the figures in a backend's status. */
enum
{
	PARAM_WORK,
	PARAM_ITEM,
	PARAM_DONE,
	PARAM_TOTAL,
	PARAM_STARTED_AT,
	PARAMS
};

static const char *const works[] = {NULL, "training", "import", "export", "erasure"};

static bool
is_reporting(void)
{
	return MyBEEntry != NULL && MyBEEntry->st_progress_command == TW_PROGRESS_COMMAND;
}

/* Reports that so many of total are done. item: the number of what is worked on, 0 for none. */
void
tw_note_progress(TwWork work, int64 item, int64 done, int64 total)
{
	static const int places[] = {PARAM_WORK, PARAM_ITEM, PARAM_DONE, PARAM_TOTAL, PARAM_STARTED_AT};
	int64		figures[PARAMS] = {work, item, done, total, 0};

	if (is_reporting() && MyBEEntry->st_progress_param[PARAM_WORK] == work &&
		MyBEEntry->st_progress_param[PARAM_ITEM] == item)
		figures[PARAM_STARTED_AT] = MyBEEntry->st_progress_param[PARAM_STARTED_AT];
	else
	{
		pgstat_progress_start_command(TW_PROGRESS_COMMAND, InvalidOid);
		figures[PARAM_STARTED_AT] = GetCurrentTimestamp();
	}
	pgstat_progress_update_multi_param(PARAMS, places, figures);
}

void
tw_end_progress(void)
{
	if (is_reporting())
		pgstat_progress_end_command();
}

static TwWork
work_of(const char *name)
{
	for (size_t i = 1; i < lengthof(works); i++)
		if (strcmp(works[i], name) == 0)
			return (TwWork) i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no work \"%s\"", tw_excerpt(name)),
			 errhint("Work is one of: training, import, export, erasure.")));
}

PG_FUNCTION_INFO_V1(tw_report_progress);

/* tw_report_progress(work, item, done, total): ends the report where work is NULL. */
Datum
tw_report_progress(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		tw_end_progress();
	else
		tw_note_progress(work_of(text_to_cstring(PG_GETARG_TEXT_PP(0))), PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1),
						 PG_ARGISNULL(2) ? 0 : PG_GETARG_INT64(2),
						 PG_ARGISNULL(3) ? TW_UNKNOWN_TOTAL : PG_GETARG_INT64(3));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(tw_work_in_progress);

/* tw_work_in_progress(): one row for each session of this database that reports. */
Datum
tw_work_in_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 1; i <= pgstat_fetch_stat_numbackends(); i++)
	{
		LocalPgBackendStatus *local = tw_backend_status(i);
		PgBackendStatus *status = local == NULL ? NULL : &local->backendStatus;
		int64	   *figures;
		Datum		values[6];
		bool		nulls[6] = {false};

		if (status == NULL || status->st_databaseid != MyDatabaseId ||
			status->st_progress_command != TW_PROGRESS_COMMAND)
			continue;
		figures = status->st_progress_param;
		if (figures[PARAM_WORK] < 1 || figures[PARAM_WORK] >= (int64) lengthof(works))
			continue;
		values[0] = Int32GetDatum(status->st_procpid);
		values[1] = CStringGetTextDatum(works[figures[PARAM_WORK]]);
		values[2] = Int64GetDatum(figures[PARAM_ITEM]);
		nulls[2] = figures[PARAM_ITEM] == 0;
		values[3] = Int64GetDatum(figures[PARAM_DONE]);
		values[4] = Int64GetDatum(figures[PARAM_TOTAL]);
		nulls[4] = figures[PARAM_TOTAL] == TW_UNKNOWN_TOTAL;
		values[5] = TimestampTzGetDatum(figures[PARAM_STARTED_AT]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
