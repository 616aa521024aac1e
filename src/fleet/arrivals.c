/*
 * arrivals.c
 *		At a hub: conversations and later changes that come from nodes.
 *
 * The triggers here are ENABLE REPLICA, and act in the workers of a
 * subscription alone. The rule is that a node has the last word about what was
 * said, and the hub about what was decided since.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "base/compat.h"
#include "base/kept_plan.h"
#include "base/table_triggers.h"
#include "capture/log_columns.h"
#include "capture/log_row.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "rules/fleet.h"
#include "rules/settings.h"
#include "rules/statuses.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"

/* What an application says after the capture: record_response(), record_feedback(), and its own metadata. */
static const TwLogColumn said_later[] = {
	TW_LOG_ROUTED_TO, TW_LOG_RESPONSE_TEXT, TW_LOG_RESPONSE_SUCCESS, TW_LOG_USER_FEEDBACK, TW_LOG_USER_CORRECTION,
	TW_LOG_BACKEND_REFERENCE, TW_LOG_METADATA
};

/* Whether the trigger was fired by a subscription of a hub. */
static bool
is_arrival(const TriggerData *trigdata)
{
	return tw_is_replicated() && tw_settings(RelationGetNamespace(trigdata->tg_relation)).fleet_role == TW_FLEET_HUB;
}

/* What the hub has under the id of a conversation that arrives. */
typedef enum Presence
{
	PRESENCE_NONE,
	PRESENCE_UNDECIDED,			/* itself, as it was before the node had filtered it */
	PRESENCE_ANONYMOUS,			/* itself, and at one of both ends it is anonymous */
	PRESENCE_HERE,				/* itself */
	PRESENCE_ANOTHER
} Presence;

/*
 * Whether there is a row with the id. Almost always there is none, and a scan of
 * the index says so for a third of what a statement costs.
 */
static bool
has_id(Relation rel, Datum id)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData key;
	SysScanDesc scan;
	bool		found;

	ScanKeyInit(&key, TW_LOG_ID, BTEqualStrategyNumber, F_INT8EQ, id);
	scan = systable_beginscan(rel, tw_primary_key(rel), true, snapshot, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	return found;
}

/* Compares the row with what is under its id. Its time never changes; its session does where it is made anonymous. */
static Presence
find_conversation(const LogRow *row)
{
	static TwKeptPlan kept;
	static const char command[] =
		"SELECT CASE WHEN NOT (is_undecided OR c.created_at IS NOT DISTINCT FROM $3) "
		"OR NOT (is_anonymous OR c.session_id OPERATOR(pg_catalog.=) $2) THEN 4 "
		"WHEN is_anonymous THEN 2 WHEN is_undecided THEN 1 ELSE 3 END "
		"FROM %1$s.conversation_logs c "
		"CROSS JOIN LATERAL (SELECT c.review_status IS NULL AND c.filtered_at IS NULL AS is_undecided, "
		"c.anonymised_at IS NOT NULL OR $4 AS is_anonymous) x WHERE c.id OPERATOR(pg_catalog.=) $1";

	Oid			types[] = {INT8OID, TEXTOID, TIMESTAMPTZOID, BOOLOID};
	Datum		values[] = {get(row, TW_LOG_ID), get(row, TW_LOG_SESSION_ID), get(row, TW_LOG_CREATED_AT),
	BoolGetDatum(!is_null(row, TW_LOG_ANONYMISED_AT))};
	char		nulls[] = {' ', ' ', is_null(row, TW_LOG_CREATED_AT) ? 'n' : ' ', ' '};
	bool		isnull;

	if (SPI_execute_plan(tw_kept_plan(&kept, row->schema, command, lengthof(types), types), values, nulls, false, 1) !=
		SPI_OK_SELECT)
		elog(ERROR, "could not look for a conversation");
	if (SPI_processed == 0)
		return PRESENCE_NONE;
	return (Presence) DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/* Brings what the application said later up to date. */
static void
update_said(const LogRow *row)
{
	static TwKeptPlan kept;
	static const char command[] =
		"UPDATE %1$s.conversation_logs c SET routed_to = $2, response_text = $3, response_success = $4, "
		"user_feedback = $5, user_correction = $6, backend_reference = $7, metadata = $8 "
		"WHERE c.id OPERATOR(pg_catalog.=) $1 AND (c.routed_to, c.response_text, c.response_success, c.user_feedback, "
		"c.user_correction, c.backend_reference, c.metadata) IS DISTINCT FROM ($2, $3, $4, $5, $6, $7, $8)";

	Oid			types[] = {INT8OID, TEXTOID, TEXTOID, BOOLOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID};
	Datum		values[lengthof(types)];
	char		nulls[lengthof(types)];

	values[0] = get(row, TW_LOG_ID);
	nulls[0] = ' ';
	for (size_t i = 0; i < lengthof(said_later); i++)
	{
		values[i + 1] = get(row, said_later[i]);
		nulls[i + 1] = is_null(row, said_later[i]) ? 'n' : ' ';
	}
	if (SPI_execute_plan(tw_kept_plan(&kept, row->schema, command, lengthof(types), types), values, nulls, false, 0) !=
		SPI_OK_UPDATE)
		elog(ERROR, "could not update a conversation");
}

/* Makes room for the row as the node has filtered it. */
static void
delete_undecided(const LogRow *row)
{
	static TwKeptPlan kept;
	static const char command[] = "DELETE FROM %1$s.conversation_logs c WHERE c.id OPERATOR(pg_catalog.=) $1";

	Oid			type = INT8OID;
	Datum		id = get(row, TW_LOG_ID);

	if (SPI_execute_plan(tw_kept_plan(&kept, row->schema, command, 1, &type), &id, NULL, false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not replace a conversation");
}

/*
 * Whether the conversation is here already, as it is where a node's
 * conversations are copied anew (fleet_resync()). Then what the application
 * said later is brought up to date, unless either end has made it anonymous.
 * Another conversation with this id is an error: two databases give the same
 * ids, and either would be lost.
 */
static bool
is_here(Relation rel, const LogRow *row)
{
	Presence	presence;

	if (!has_id(rel, get(row, TW_LOG_ID)))
		return false;
	SPI_connect();
	presence = find_conversation(row);
	if (presence == PRESENCE_ANOTHER)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("another conversation has the id %lld", (long long) DatumGetInt64(get(row, TW_LOG_ID))),
				 errdetail("Two databases have given it: two nodes of one number, or a node that was restored and "
						   "went on with ids that it had given before."),
				 errhint("Stop capture on the wrong node, and see doc/fleet.md. Until then nothing more is taken "
						 "from this node, and it keeps what it has.")));
	if (presence == PRESENCE_HERE)
		update_said(row);
	else if (presence == PRESENCE_UNDECIDED)
		delete_undecided(row);
	SPI_finish();
	return presence == PRESENCE_HERE || presence == PRESENCE_ANONYMOUS;
}

PG_FUNCTION_INFO_V1(tw_fleet_arrival);

/* BEFORE INSERT: a conversation that is here already is not stored again. */
Datum
tw_fleet_arrival(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	LogRow		row;

	tw_check_trigger(fcinfo, "tw_fleet_arrival", TW_BEFORE | TW_ROW | TW_ON_INSERT);
	if (!is_arrival(trigdata))
		return PointerGetDatum(trigdata->tg_trigtuple);
	tw_check_log_columns(trigdata->tg_relation);
	row = tw_take_apart(trigdata->tg_relation, trigdata->tg_trigslot);
	return PointerGetDatum(is_here(trigdata->tg_relation, &row) ? NULL : trigdata->tg_trigtuple);
}

PG_FUNCTION_INFO_V1(tw_fleet_queue_arrival);

/* Whether the column says auto-approved. */
static bool
is_auto_approved(HeapTuple tuple, TupleDesc desc, TwLogColumn column)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	return tw_status_in(tw_text_slice(value, isnull), TW_BIT(TW_AUTO_APPROVED));
}

/*
 * AFTER INSERT or UPDATE: of an auto-approved conversation the next sweep makes
 * a sample. The triggers have no WHEN: a subscription's worker would parse and
 * compile it for every row.
 */
Datum
tw_fleet_queue_arrival(PG_FUNCTION_ARGS)
{
	static TwKeptPlan kept;
	static const char command[] = "INSERT INTO %1$s.fleet_arrivals (conversation_log_id) VALUES ($1) "
		"ON CONFLICT DO NOTHING";

	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Oid			type = INT8OID;
	HeapTuple	tuple;
	TupleDesc	desc;
	Datum		id;
	bool		isnull;

	tw_check_trigger(fcinfo, "tw_fleet_queue_arrival", TW_AFTER | TW_ROW | TW_ON_INSERT | TW_ON_UPDATE);
	if (!is_arrival(trigdata))
		return PointerGetDatum(NULL);
	tuple = TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? trigdata->tg_newtuple : trigdata->tg_trigtuple;
	desc = RelationGetDescr(trigdata->tg_relation);
	/* An update matters where the node has filtered the row only now. */
	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) &&
		!heap_attisnull(trigdata->tg_trigtuple, TW_LOG_REVIEW_STATUS, desc))
		return PointerGetDatum(NULL);
	if (!is_auto_approved(tuple, desc, TW_LOG_REVIEW_STATUS) || !is_auto_approved(tuple, desc, TW_LOG_FILTER_OUTCOME))
		return PointerGetDatum(NULL);
	id = heap_getattr(tuple, TW_LOG_ID, desc, &isnull);
	SPI_connect();
	if (SPI_execute_plan(tw_kept_plan(&kept, RelationGetNamespace(trigdata->tg_relation), command, 1, &type), &id, NULL,
						 false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not queue an arrival");
	SPI_finish();
	return PointerGetDatum(NULL);
}

/* Whether the filter has decided about the row, which is then as complete as it will be. */
static bool
is_filtered(HeapTuple tuple, TupleDesc desc)
{
	return !heap_attisnull(tuple, TW_LOG_REVIEW_STATUS, desc) || !heap_attisnull(tuple, TW_LOG_FILTERED_AT, desc);
}

PG_FUNCTION_INFO_V1(tw_fleet_change);

/*
 * BEFORE UPDATE: a node sends the whole row, with what it knew of the review.
 * Of that the hub takes what the application said. Where either has made the
 * row anonymous, nothing: what a node's retention deletes stays at the hub,
 * and what the hub has deleted does not come back. A row that the node has
 * filtered only now is taken as it is.
 */
Datum
tw_fleet_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	HeapTuple	old_tuple = trigdata->tg_trigtuple;
	HeapTuple	new_tuple = trigdata->tg_newtuple;
	TupleDesc	desc;
	int			columns[lengthof(said_later)];
	Datum		values[lengthof(said_later)];
	bool		nulls[lengthof(said_later)];
	HeapTuple	result;

	tw_check_trigger(fcinfo, "tw_fleet_change", TW_BEFORE | TW_ROW | TW_ON_UPDATE);
	desc = RelationGetDescr(trigdata->tg_relation);
	if (!is_arrival(trigdata) || !is_filtered(old_tuple, desc))
		return PointerGetDatum(new_tuple);
	tw_check_log_columns(trigdata->tg_relation);
	if (!heap_attisnull(old_tuple, TW_LOG_ANONYMISED_AT, desc) ||
		!heap_attisnull(new_tuple, TW_LOG_ANONYMISED_AT, desc))
		return PointerGetDatum(NULL);
	for (size_t i = 0; i < lengthof(said_later); i++)
	{
		columns[i] = said_later[i];
		values[i] = heap_getattr(new_tuple, said_later[i], desc, &nulls[i]);
	}
	result = heap_modify_tuple_by_cols(old_tuple, desc, lengthof(said_later), columns, values, nulls);
	result->t_self = new_tuple->t_self;
	result->t_tableOid = new_tuple->t_tableOid;
	return PointerGetDatum(result);
}
