/*
 * promote.c
 *		Promotion: makes training samples of auto-approved conversations in the
 *		statement that captures them.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/catalog.h"
#include "base/kept_plan.h"
#include "base/subtransaction.h"
#include "base/table_triggers.h"
#include "capture/conversation_id.h"
#include "capture/idempotency.h"
#include "capture/insert_samples.h"
#include "capture/log_columns.h"
#include "capture/promote.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "rules/settings.h"
#include "rules/statuses.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

/* The conversations of a capturing statement that could not be promoted. */
typedef struct FailedPromotion
{
	TriggerData *trigdata;
	ErrorData  *error;
	int64		count;
} FailedPromotion;

/*
 * Number of this statement's conversations that its filter auto-approved,
 * counted up to `limit`. Rows inserted with a review_status were not filtered
 * in this transaction and do not count.
 */
static int64
count_promotable(TriggerData *trigdata, int64 limit)
{
	Tuplestorestate *store = trigdata->tg_newtable;
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(trigdata->tg_relation), &TTSOpsMinimalTuple);
	TwRowReader reader;
	int64		count = 0;

	tw_make_row_reader(&reader, trigdata->tg_relation);
	tuplestore_select_read_pointer(store, 0);
	tuplestore_rescan(store);
	while (count < limit && tuplestore_gettupleslot(store, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (tw_read_promotable(&reader, slot))
			count++;
	}
	ExecDropSingleTupleTableSlot(slot);
	return count;
}

/*
 * Runs an INSERT as the owner of the table that was inserted into: the
 * application needs no rights on the other tables. The owner's own triggers
 * then run with the owner's rights too, so the application's search_path must
 * not apply to them. If the INSERT fails, the abort of the subtransaction
 * restores the user and the search_path.
 */
static void
insert_as_owner(TriggerData *trigdata, TwKeptPlan *kept, const char *command, int nargs, Oid *types, Datum *values)
{
	Relation	rel = trigdata->tg_relation;
	Oid			schema = RelationGetNamespace(rel);
	char	   *path = psprintf("pg_catalog, %s, pg_temp", quote_identifier(tw_schema_name(schema)));
	Oid			user;
	int			security;
	int			nesting;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(rel->rd_rel->relowner, security | SECURITY_LOCAL_USERID_CHANGE);
	nesting = NewGUCNestLevel();
	(void) set_config_option("search_path", path, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);

	SPI_connect();
	SPI_register_trigger_data(trigdata);
	tw_run_insert(kept, schema, command, nargs, types, values, NULL);
	SPI_finish();

	AtEOXact_GUC(false, nesting);
	SetUserIdAndSecContext(user, security);
}

/* Which of the expressions of promote.h the installed script can evaluate. */
int
tw_entities_variant(Oid schema)
{
	Oid			types[] = {JSONBOID, TEXTOID};

	return SearchSysCacheExists3(PROCNAMEARGSNSP, CStringGetDatum("tw_sample_entities"),
								 PointerGetDatum(buildoidvector(types, lengthof(types))),
								 ObjectIdGetDatum(schema)) ? 1 : 0;
}

/* For tw_try: inserts the samples of the whole statement. */
static void
promote_captured(void *arg)
{
#define CAPTURED \
	"captured c WHERE c.filtered_at OPERATOR(pg_catalog.=) $1 " \
	"AND c.filter_outcome OPERATOR(pg_catalog.=) 'auto-approved' " \
	"AND c.review_status OPERATOR(pg_catalog.=) 'auto-approved'"
	static TwKeptPlan kept[TW_ENTITIES_VARIANTS];
	static const char *const commands[] = {
		TW_PROMOTE_COMMAND(CAPTURED, TW_ENTITIES_ALONE), TW_PROMOTE_COMMAND(CAPTURED, TW_ENTITIES_OF_MESSAGE)
	};

	TriggerData *trigdata = arg;
	int			variant;
	Oid			type = TIMESTAMPTZOID;
	Datum		now = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());

	if (tw_insert_samples(trigdata))
		return;
	variant = tw_entities_variant(RelationGetNamespace(trigdata->tg_relation));
	insert_as_owner(trigdata, &kept[variant], commands[variant], 1, &type, &now);
}

/* For tw_try: inserts the row of job_runs that records the failure. */
static void
record_failure(void *arg)
{
	static TwKeptPlan kept;
	static const char command[] =
		"INSERT INTO %1$s.job_runs (job_name, status, items_done, items_total, error_code, error_message, finished_at) "
		"VALUES ('promotion', 'failed', 0, $1, $2, $3, pg_catalog.clock_timestamp())";

	FailedPromotion *failed = arg;
	Oid			types[] = {INT8OID, TEXTOID, TEXTOID};
	Datum		values[3];

	values[0] = Int64GetDatum(failed->count);
	values[1] = CStringGetTextDatum(unpack_sql_state(failed->error->sqlerrcode));
	values[2] = CStringGetTextDatum(failed->error->message);
	insert_as_owner(failed->trigdata, &kept, command, 3, types, values);
}

/* Reports the failure: the conversations stay, without samples. */
static void
report_failure(TriggerData *trigdata, ErrorData *error)
{
	FailedPromotion failed = {trigdata, error, count_promotable(trigdata, PG_INT64_MAX)};
	bool		recorded = tw_try(record_failure, &failed) == NULL;

	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg_plural("could not make a training sample of %lld captured conversation: %s",
						   "could not make training samples of %lld captured conversations: %s",
						   (unsigned long) failed.count, (long long) failed.count, error->message),
			 errdetail("The conversations are kept%s.", recorded ? ", and the failure is recorded in job_runs" : ""),
			 errhint("Remove the cause. Then run promote_missed_conversations(), which makes the samples.")));
}

PG_FUNCTION_INFO_V1(tw_capture_promote);

/*
 * AFTER INSERT, once a statement: one subtransaction for all its samples. A row
 * trigger would need one for each row, and each would consume a transaction id.
 */
Datum
tw_capture_promote(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	ErrorData  *error;

	tw_check_trigger(fcinfo, "tw_capture_promote", TW_AFTER | TW_STATEMENT | TW_ON_INSERT);
	if (trigdata->tg_newtable == NULL)
		elog(ERROR, "trigger \"%s\" has no transition table", trigdata->tg_trigger->tgname);
	tw_check_log_columns(trigdata->tg_relation);
	tw_end_key();

	/*
	 * A statement without an auto-approved conversation needs no subtransaction. On a node of a fleet nothing is
	 * promoted: the hub makes the samples.
	 */
	if (tw_settings(RelationGetNamespace(trigdata->tg_relation)).fleet_role == TW_FLEET_NODE ||
		count_promotable(trigdata, 1) == 0)
	{
		if (tw_last_conversation_was_set())
			tw_restore_lastval(trigdata->tg_relation);
		return PointerGetDatum(NULL);
	}

	error = tw_try(promote_captured, trigdata);
	if (error != NULL)
		report_failure(trigdata, error);
	tw_restore_lastval(trigdata->tg_relation);
	return PointerGetDatum(NULL);
}
