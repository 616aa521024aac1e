/*
 * written_once.c
 *		The columns of a conversation that must not change after capture.
 */
#include "postgres.h"

#include "base/table_triggers.h"
#include "capture/log_columns.h"
#include "capture/log_row.h"
#include "capture/written_once.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "replication/logicalworker.h"
#include "utils/datum.h"

/* The columns that are written once, and the id, which samples and events refer to. */
static const struct
{
	TwLogColumn column;
	const char *name;
}			written_once[] = {
	{TW_LOG_FILTER_OUTCOME, "filter_outcome"},
	{TW_LOG_FILTER_POLICY_ID, "filter_policy_id"},
	{TW_LOG_IS_AUDIT, "is_audit"},
	{TW_LOG_SELECTION_PROBABILITY, "selection_probability"},
	{TW_LOG_FILTERED_AT, "filtered_at"},
	{TW_LOG_CREATED_AT, "created_at"},
	{TW_LOG_CREATED_ON, "created_on"},
	{TW_LOG_IDEMPOTENCY_KEY, "idempotency_key"},
};

/* The columns that say who spoke and what was said: what an erasure empties stays empty. */
static const TwLogColumn personal[] = {
	TW_LOG_SESSION_ID, TW_LOG_PHONE_NUMBER, TW_LOG_USER_ID, TW_LOG_USER_MESSAGE, TW_LOG_NLU_ENTITIES, TW_LOG_NLU_TONE,
	TW_LOG_RESPONSE_TEXT, TW_LOG_USER_FEEDBACK, TW_LOG_USER_CORRECTION, TW_LOG_BACKEND_REFERENCE, TW_LOG_METADATA,
	TW_LOG_REVIEW_PRIORITY,
};

/* Whether an erasure is making rows anonymous; there is no setting for it. */
static bool opened = false;

/* Allows idempotency_key to be removed until tw_close_written_once(), which is called on error too. */
void
tw_open_written_once(void)
{
	opened = true;
}

void
tw_close_written_once(void)
{
	opened = false;
}

/* Whether an erasure is at it, here or on a publisher whose changes arrive. */
static bool
is_open(void)
{
	return opened || IsLogicalWorker();
}

/* Whether an UPDATE changed a column; also true for an equal value that is stored differently. */
static bool
differs(Relation rel, const LogRow *old_row, const LogRow *new_row, TwLogColumn column)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rel), column - 1);

	if (is_null(old_row, column) || is_null(new_row, column))
		return is_null(old_row, column) != is_null(new_row, column);
	return !datumIsEqual(get(old_row, column), get(new_row, column), attribute->attbyval, attribute->attlen);
}

/*
 * The name of a column that changed and must not; NULL = none. The filter may
 * still fill the columns of a row that it has not filtered.
 */
static const char *
rewritten_column(Relation rel, const LogRow *old_row, const LogRow *new_row)
{
	if (differs(rel, old_row, new_row, TW_LOG_ID))
		return "id";
	if (is_null(old_row, TW_LOG_REVIEW_STATUS) && is_null(old_row, TW_LOG_FILTERED_AT))
		return NULL;
	for (size_t i = 0; i < lengthof(written_once); i++)
	{
		if (written_once[i].column == TW_LOG_IDEMPOTENCY_KEY
			&& (!tw_has_added_columns() || (is_open() && is_null(new_row, TW_LOG_IDEMPOTENCY_KEY))))
			continue;
		if (differs(rel, old_row, new_row, written_once[i].column))
			return written_once[i].name;
	}
	return NULL;
}

/* Raises an error for a row that becomes anonymous otherwise than by an erasure, or that gets something back. */
static void
check_anonymous(Relation rel, const LogRow *old_row, const LogRow *new_row)
{
	if (is_open() || !tw_has_added_columns())
		return;
	if (differs(rel, old_row, new_row, TW_LOG_ANONYMISED_AT))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"anonymised_at\" of table \"%s\" is set by erasures alone",
						RelationGetRelationName(rel)),
				 errhint("Leave the column out of the UPDATE. A person is forgotten with forget_user().")));
	if (is_null(old_row, TW_LOG_ANONYMISED_AT))
		return;
	for (size_t i = 0; i < lengthof(personal); i++)
	{
		if (differs(rel, old_row, new_row, personal[i]))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("conversation " INT64_FORMAT " is anonymous", DatumGetInt64(get(old_row, TW_LOG_ID))),
					 errdetail("What said who spoke and what was said was deleted."),
					 errhint("Leave the row out of the UPDATE.")));
	}
}

PG_FUNCTION_INFO_V1(tw_check_update);

/* AFTER UPDATE of a row. AFTER, so that it also sees the changes of a user's BEFORE triggers. */
Datum
tw_check_update(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Relation	rel;
	LogRow		old_row;
	LogRow		new_row;
	const char *column;

	tw_check_trigger(fcinfo, "tw_check_update", TW_AFTER | TW_ROW | TW_ON_UPDATE);
	rel = trigdata->tg_relation;
	tw_check_log_columns(rel);
	old_row = tw_take_apart(rel, trigdata->tg_trigslot);
	new_row = tw_take_apart(rel, trigdata->tg_newslot);

	column = rewritten_column(rel, &old_row, &new_row);
	if (column != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of table \"%s\" is written once, at capture", column,
						RelationGetRelationName(rel)),
				 errdetail("Estimates of live accuracy rest on how each row was selected, and samples on its id."),
				 errhint("Leave the column out of the UPDATE. What changes later is review_status, review_priority and "
						 "review_reason.")));
	if (!is_null(&old_row, TW_LOG_REVIEW_STATUS) && is_null(&new_row, TW_LOG_REVIEW_STATUS))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("review_status of a conversation cannot become NULL"),
				 errdetail("The row would be filtered, and drawn for the audit, a second time."),
				 errhint("Change a verdict with approve_conversation(), fix_conversation() or "
						 "reject_conversation().")));
	check_anonymous(rel, &old_row, &new_row);
	return PointerGetDatum(NULL);
}
