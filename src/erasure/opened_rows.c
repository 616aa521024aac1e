/*
 * opened_rows.c
 *		The changes of append-only and written-once rows that erasures make.
 *
 * Nothing in SQL opens these tables: each function here opens one table for
 * one fixed statement, and closes it again, on error too.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/kept_plan.h"
#include "base/table_triggers.h"
#include "capture/written_once.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/lsyscache.h"

/* Runs a statement with the arguments of the function; returns the number of rows. */
static int64
run(FunctionCallInfo fcinfo, TwKeptPlan *kept, const char *command, int nargs, Oid *types)
{
	Datum		values[2];
	int64		rows;

	for (int i = 0; i < nargs; i++)
		values[i] = PG_GETARG_DATUM(i);
	SPI_connect();
	if (SPI_execute_plan(tw_kept_plan(kept, tw_schema_of_function(fcinfo), command, nargs, types), values, NULL,
						 false, 0) < 0)
		elog(ERROR, "erasure failed: %s", SPI_result_code_string(SPI_result));
	rows = (int64) SPI_processed;
	SPI_finish();
	return rows;
}

/* The same, while review_events is open for these events. */
static int64
run_on_events(FunctionCallInfo fcinfo, TwKeptPlan *kept, const char *command, int events)
{
	Oid			type = INT8ARRAYOID;
	volatile int64 rows = 0;

	tw_open_append_only(get_relname_relid("review_events", tw_schema_of_function(fcinfo)), events);
	PG_TRY();
	{
		rows = run(fcinfo, kept, command, 1, &type);
	}
	PG_FINALLY();
	{
		tw_close_append_only();
	}
	PG_END_TRY();
	return rows;
}

PG_FUNCTION_INFO_V1(tw_delete_events);

/* tw_delete_events(ids): deletes rows of review_events; returns their number. */
Datum
tw_delete_events(PG_FUNCTION_ARGS)
{
	static TwKeptPlan kept;

	PG_RETURN_INT64(run_on_events(fcinfo, &kept,
								  "DELETE FROM %1$s.review_events e WHERE e.id OPERATOR(pg_catalog.=) ANY ($1)",
								  TW_ON_DELETE));
}

PG_FUNCTION_INFO_V1(tw_blank_events);

/* tw_blank_events(ids): removes what people wrote from rows of review_events; returns their number. */
Datum
tw_blank_events(PG_FUNCTION_ARGS)
{
	static TwKeptPlan kept;

	PG_RETURN_INT64(run_on_events(fcinfo, &kept,
								  "UPDATE %1$s.review_events e SET note = NULL, entities = NULL, details = NULL "
								  "WHERE e.id OPERATOR(pg_catalog.=) ANY ($1)", TW_ON_UPDATE));
}

PG_FUNCTION_INFO_V1(tw_blank_conversations);

/* tw_blank_conversations(ids, secret): removes text, ids and entities of conversations; returns their number. */
Datum
tw_blank_conversations(PG_FUNCTION_ARGS)
{
	static TwKeptPlan kept;
	static const char command[] =
		"UPDATE %1$s.conversation_logs c SET "
		"session_id = %1$s.tw_session_pseudonym(c.session_id, $2), user_message = '', phone_number = NULL, "
		"user_id = NULL, nlu_entities = NULL, nlu_tone = NULL, response_text = NULL, user_correction = NULL, "
		"backend_reference = NULL, metadata = NULL, idempotency_key = NULL, "
		"user_feedback = CASE WHEN pg_catalog.lower(c.user_feedback COLLATE pg_catalog.\"C\") "
		"IN ('positive', 'negative') THEN c.user_feedback END, "
		"review_status = CASE c.review_status WHEN 'needs-review' THEN 'not-applicable' ELSE c.review_status END, "
		"is_training_candidate = CASE c.review_status WHEN 'needs-review' THEN false "
		"ELSE c.is_training_candidate END, "
		"review_priority = NULL, review_reason = NULL, anonymised_at = pg_catalog.clock_timestamp() "
		"WHERE c.id OPERATOR(pg_catalog.=) ANY ($1) AND c.anonymised_at IS NULL";

	Oid			types[] = {INT8ARRAYOID, BYTEAOID};
	volatile int64 rows = 0;

	tw_open_written_once();
	PG_TRY();
	{
		rows = run(fcinfo, &kept, command, lengthof(types), types);
	}
	PG_FINALLY();
	{
		tw_close_written_once();
	}
	PG_END_TRY();
	PG_RETURN_INT64(rows);
}
