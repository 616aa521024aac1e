/*
 * missed_conversations.c
 *		The sweep of rows that came in while triggers did not fire, and of
 *		conversations whose promotion failed.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/catalog.h"
#include "base/kept_plan.h"
#include "base/subtransaction.h"
#include "capture/missed_conversations.h"
#include "capture/promote.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "rules/settings.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* How many conversations are promoted in one subtransaction. */
#define BATCH_SIZE 1000

/* The greatest min_age. Timestamps begin in 4713 BC. */
#define MAX_AGE_YEARS 1000

typedef struct Missed
{
	Oid			schema;
	const int64 *ids;
	int			count;
	int64		promoted;		/* out: number of samples made */
} Missed;

/*
 * Updates the rows without a review_status, which the late trigger of
 * conversation_logs then filters. Returns their number. Rows that another
 * transaction has locked are left for the next call and added to *locked. The
 * hub of a fleet leaves rows of nodes to the nodes: what they decide comes
 * after, and nothing is drawn for the audit twice.
 */
static int64
filter_unfiltered(Oid schema, int64 *locked)
{
	static TwKeptPlan kept;
	static const char command[] =
		"WITH found AS MATERIALIZED (SELECT c.id FROM %1$s.conversation_logs c WHERE c.review_status IS NULL "
		"AND (NOT $1 OR c.id >> 43 NOT BETWEEN 1 AND 1023)), "
		"free AS MATERIALIZED (SELECT c.id FROM %1$s.conversation_logs c WHERE c.id IN (SELECT f.id FROM found f) "
		"AND c.review_status IS NULL ORDER BY c.id FOR UPDATE OF c SKIP LOCKED), "
		"filtered AS (UPDATE %1$s.conversation_logs c SET filtered_at = c.filtered_at FROM free f "
		"WHERE c.id = f.id RETURNING c.created_on) "
		"SELECT (SELECT count(*) FROM filtered), (SELECT count(*) FROM found), "
		"%1$s.tw_forget_days(ARRAY(SELECT DISTINCT f.created_on FROM filtered f))";

	Oid			type = BOOLOID;
	Datum		is_hub = BoolGetDatum(tw_settings(schema).fleet_role == TW_FLEET_HUB);
	bool		isnull;
	int64		filtered;

	if (SPI_execute_plan(tw_kept_plan(&kept, schema, command, 1, &type), &is_hub, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not filter the conversations that were not filtered");
	filtered = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	*locked += DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull)) - filtered;
	SPI_freetuptable(SPI_tuptable);
	return filtered;
}

/*
 * Ids of auto-approved conversations without a sample, ascending. min_age does
 * not apply to rows that this transaction filtered. The rows are locked before
 * their samples are written, as everywhere. Rows that another transaction has
 * locked are left for the next call and added to *locked.
 */
static int64 *
find_missed(Oid schema, Datum min_age, int64 *count, int64 *locked)
{
	static TwKeptPlan kept;
	static const char command[] =
		"WITH found AS MATERIALIZED ("
		"SELECT c.id FROM %1$s.conversation_logs c WHERE (c.filtered_at <= now() - $1 OR c.filtered_at = now()) "
		"AND " TW_IS_MISSED "), "
		"free AS MATERIALIZED (SELECT c.id FROM %1$s.conversation_logs c WHERE c.id IN (SELECT f.id FROM found f) "
		"AND c.review_status = 'auto-approved' ORDER BY c.id FOR UPDATE OF c SKIP LOCKED) "
		/* The first row is the number of conversations found. */
		"SELECT count(*) FROM found UNION ALL (SELECT f.id FROM free f ORDER BY f.id)";

	Oid			type = INTERVALOID;
	int64	   *ids;
	bool		isnull;

	if (SPI_execute_plan(tw_kept_plan(&kept, schema, command, 1, &type), &min_age, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for missed conversations");

	*count = (int64) SPI_processed - 1;
	*locked += DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)) - *count;
	ids = palloc(sizeof(int64) * Max(*count, 1));
	for (int64 i = 0; i < *count; i++)
		ids[i] = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i + 1], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return ids;
}

static Datum
id_array(const int64 *ids, int count)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
		elements[i] = Int64GetDatum(ids[i]);
	return PointerGetDatum(construct_array(elements, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* For tw_try: inserts the samples of some conversations. */
static void
promote_some(void *arg)
{
#define SOME(entities) \
	TW_PROMOTE_COMMAND("%1$s.conversation_logs c WHERE c.id = ANY ($1)", entities) \
		" ON CONFLICT (conversation_log_id) DO NOTHING"
	static TwKeptPlan kept[TW_ENTITIES_VARIANTS];
	static const char *const commands[] = {SOME(TW_ENTITIES_ALONE), SOME(TW_ENTITIES_OF_MESSAGE)};

	Missed	   *missed = arg;
	int			variant = tw_entities_variant(missed->schema);
	Oid			type = INT8ARRAYOID;
	Datum		ids = id_array(missed->ids, missed->count);

	SPI_connect();
	missed->promoted = tw_run_insert(&kept[variant], missed->schema, commands[variant], 1, &type, &ids, NULL);
	SPI_finish();
}

/* Deletes the stored figures of the days of these conversations: they do not count the new samples. */
static void
forget_days(Oid schema, const int64 *ids, int64 count)
{
	static TwKeptPlan kept;
	static const char command[] =
		"SELECT %1$s.tw_forget_days(ARRAY("
		"SELECT DISTINCT c.created_on FROM %1$s.conversation_logs c WHERE c.id = ANY ($1)))";

	Oid			type = INT8ARRAYOID;
	Datum		array = id_array(ids, (int) count);

	if (SPI_execute_plan(tw_kept_plan(&kept, schema, command, 1, &type), &array, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not forget the days of what was promoted");
}

/*
 * Promotes a batch in one subtransaction and, if that fails, each conversation
 * in its own, so that one failure does not stop the others. A subtransaction
 * for each from the start would consume a transaction id for each. A wait for
 * a lock that was in vain is raised: each conversation would wait as long.
 */
static void
promote_batch(Oid schema, const int64 *ids, int count, int64 *promoted, int64 *failed)
{
	Missed		missed = {schema, ids, count, 0};
	ErrorData  *error;

	CHECK_FOR_INTERRUPTS();
	error = tw_try(promote_some, &missed);
	if (error == NULL)
		*promoted += missed.promoted;
	else if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		ReThrowError(error);
	else if (count > 1)
	{
		for (int i = 0; i < count; i++)
			promote_batch(schema, ids + i, 1, promoted, failed);
	}
	else
	{
		*failed += 1;
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("could not make a training sample of conversation %lld: %s", (long long) ids[0],
						error->message),
				 errhint("The conversation is kept, and tried again by the next sweep.")));
	}
	if (error != NULL)
		FreeErrorData(error);
}

/* Makes the samples of conversations, which find_missed() or its like has locked. */
void
tw_promote_missed(Oid schema, const int64 *ids, int64 count, int64 *promoted, int64 *failed)
{
	for (int64 i = 0; i < count; i += BATCH_SIZE)
		promote_batch(schema, ids + i, (int) Min(BATCH_SIZE, count - i), promoted, failed);
	if (*promoted > 0)
		forget_days(schema, ids, count);
}

/* Whether a field of the interval is beyond MAX_AGE_YEARS. Compared one by one, as fields can cancel each other. */
static bool
is_too_old(const Interval *age)
{
	const int	days = MAX_AGE_YEARS * 366;

	return age->month > MAX_AGE_YEARS * MONTHS_PER_YEAR || age->month < -MAX_AGE_YEARS * MONTHS_PER_YEAR ||
		age->day > days || age->day < -days ||
		age->time > days * USECS_PER_DAY || age->time < -days * USECS_PER_DAY;
}

PG_FUNCTION_INFO_V1(tw_promote_missed_conversations);

/*
 * promote_missed_conversations(min_age): filtered, promoted, failed;
 * tw_sweep_conversations(min_age) says also how many were locked.
 */
Datum
tw_promote_missed_conversations(PG_FUNCTION_ARGS)
{
	Oid			schema = tw_schema_of_function(fcinfo);
	Interval   *min_age = PG_GETARG_INTERVAL_P(0);
	Interval	zero = {0};
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {false};
	int64	   *ids;
	int64		filtered;
	int64		count;
	int64		promoted = 0;
	int64		failed = 0;
	int64		locked = 0;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (DatumGetBool(DirectFunctionCall2(interval_lt, IntervalPGetDatum(min_age), IntervalPGetDatum(&zero))) ||
		is_too_old(min_age))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("min_age must not be negative or more than %d years", MAX_AGE_YEARS),
				 errhint("Pass the least age of the conversations to promote, '0' for all.")));

	SPI_connect();
	filtered = filter_unfiltered(schema, &locked);
	/* The hub of a fleet makes the samples of its nodes. */
	if (tw_settings(schema).fleet_role != TW_FLEET_NODE)
	{
		ids = find_missed(schema, PG_GETARG_DATUM(0), &count, &locked);
		tw_promote_missed(schema, ids, count, &promoted, &failed);
	}
	SPI_finish();

	values[0] = Int64GetDatum(filtered);
	values[1] = Int64GetDatum(promoted);
	values[2] = Int64GetDatum(failed);
	values[3] = Int64GetDatum(locked);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

PG_FUNCTION_INFO_V1(tw_promote_unsampled);

/*
 * tw_promote_unsampled(ids): makes the samples that conversations ought to
 * have. The caller has locked the rows.
 */
Datum
tw_promote_unsampled(PG_FUNCTION_ARGS)
{
	static TwKeptPlan kept;
	static const char command[] =
		"SELECT c.id FROM %1$s.conversation_logs c WHERE c.id = ANY ($1) AND " TW_IS_MISSED " ORDER BY c.id";

	Oid			schema = tw_schema_of_function(fcinfo);
	Oid			type = INT8ARRAYOID;
	Datum		given = PG_GETARG_DATUM(0);
	int64	   *ids;
	int64		count;
	int64		promoted = 0;
	int64		failed = 0;
	bool		isnull;

	SPI_connect();
	if (SPI_execute_plan(tw_kept_plan(&kept, schema, command, 1, &type), &given, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for conversations without a sample");
	count = (int64) SPI_processed;
	ids = palloc(sizeof(int64) * Max(count, 1));
	for (int64 i = 0; i < count; i++)
		ids[i] = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
	tw_promote_missed(schema, ids, count, &promoted, &failed);
	SPI_finish();
	PG_RETURN_VOID();
}
