/*
 * promote_arrivals.c
 *		At a hub: the samples of conversations that came from nodes.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/catalog.h"
#include "base/kept_plan.h"
#include "capture/missed_conversations.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"

/* A statement of one argument; its result is in SPI_tuptable. */
static void
run(TwKeptPlan *kept, Oid schema, const char *command, Oid type, Datum value)
{
	if (SPI_execute_plan(tw_kept_plan(kept, schema, command, 1, &type), &value, NULL, false, 0) < 0)
		elog(ERROR, "could not take in arrivals");
}

/* The first column of the result. */
static Datum
id_array(void)
{
	Datum	   *ids = palloc(sizeof(Datum) * Max(SPI_processed, 1));
	bool		isnull;

	for (uint64 i = 0; i < SPI_processed; i++)
		ids[i] = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
	return PointerGetDatum(construct_array(ids, (int) SPI_processed, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/* Takes at most so many ids from the queue; *count is their number. */
static Datum
take_from_queue(Oid schema, Datum max_rows, int64 *count)
{
	static TwKeptPlan kept;
	static const char command[] =
		"DELETE FROM %1$s.fleet_arrivals a WHERE a.ctid = ANY (ARRAY("
		"SELECT q.ctid FROM %1$s.fleet_arrivals q LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING a.conversation_log_id";

	run(&kept, schema, command, INT4OID, max_rows);
	*count = (int64) SPI_processed;
	return id_array();
}

/*
 * Locks the rows of these conversations, as everywhere before their samples are
 * written, and returns the ids of those that need a sample. What another
 * transaction has locked goes back into the queue.
 */
static int64 *
lock_arrivals(Oid schema, Datum taken, int64 taken_count, int64 *count)
{
	static TwKeptPlan kept;
	static TwKeptPlan kept_return;
	static const char command[] =
		"SELECT c.id, " TW_IS_MISSED " FROM %1$s.conversation_logs c WHERE c.id = ANY ($1) "
		"ORDER BY c.id FOR UPDATE OF c SKIP LOCKED";
	static const char return_command[] =
		"INSERT INTO %1$s.fleet_arrivals (conversation_log_id) SELECT c.id FROM %1$s.conversation_logs c "
		"WHERE c.id = ANY ($1) AND c.id <> ALL ($2)";

	Oid			types[] = {INT8ARRAYOID, INT8ARRAYOID};
	Datum		values[2];
	int64	   *ids;
	bool		isnull;

	run(&kept, schema, command, INT8ARRAYOID, taken);
	ids = palloc(sizeof(int64) * Max(SPI_processed, 1));
	*count = 0;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		if (DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull)) && !isnull)
			ids[(*count)++] = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
	}
	if ((int64) SPI_processed < taken_count)
	{
		values[0] = taken;
		values[1] = id_array();
		if (SPI_execute_plan(tw_kept_plan(&kept_return, schema, return_command, 2, types), values, NULL, false, 0) !=
			SPI_OK_INSERT)
			elog(ERROR, "could not queue an arrival");
	}
	return ids;
}

/*
 * Feedback that came before the sample was made has made it pending: with the
 * reason that it has where the sample was there first.
 */
static void
give_reasons(Oid schema, Datum taken)
{
	static TwKeptPlan kept;
	static const char command[] =
		"UPDATE %1$s.training_samples s SET pending_reason = c.review_reason FROM %1$s.conversation_logs c "
		"WHERE c.id = ANY ($1) AND s.conversation_log_id = c.id AND s.review_status = 'pending' "
		"AND s.label_source = 'model' AND s.pending_reason IS NULL "
		"AND c.review_reason IN ('negative feedback', 'user correction')";

	run(&kept, schema, command, INT8ARRAYOID, taken);
}

PG_FUNCTION_INFO_V1(tw_promote_arrivals);

/* tw_promote_arrivals(max_rows): taken, promoted, failed */
Datum
tw_promote_arrivals(PG_FUNCTION_ARGS)
{
	Oid			schema = tw_schema_of_function(fcinfo);
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false};
	Datum		queued;
	int64	   *ids;
	int64		count;
	int64		taken;
	int64		promoted = 0;
	int64		failed = 0;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	SPI_connect();
	queued = take_from_queue(schema, PG_GETARG_DATUM(0), &taken);
	ids = lock_arrivals(schema, queued, taken, &count);
	tw_promote_missed(schema, ids, count, &promoted, &failed);
	give_reasons(schema, queued);
	SPI_finish();

	values[0] = Int64GetDatum(taken);
	values[1] = Int64GetDatum(promoted);
	values[2] = Int64GetDatum(failed);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
