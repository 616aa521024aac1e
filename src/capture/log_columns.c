/*
 * log_columns.c
 *		Check that conversation_logs has the columns of log_columns.h, and how
 *		they lie in a row.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/columns.h"
#include "base/table_changes.h"
#include "capture/log_columns.h"
#include "catalog/pg_type.h"
#include "utils/lsyscache.h"

static const TwColumn log_columns[] = {
	{TW_LOG_ID, INT8OID, "id"},
	{TW_LOG_SESSION_ID, TEXTOID, "session_id"},
	{TW_LOG_USER_MESSAGE, TEXTOID, "user_message"},
	{TW_LOG_MESSAGE_TYPE, TEXTOID, "message_type"},
	{TW_LOG_MESSAGE_LANGUAGE, TEXTOID, "message_language"},
	{TW_LOG_NLU_INTENT, TEXTOID, "nlu_intent"},
	{TW_LOG_NLU_CONFIDENCE, FLOAT8OID, "nlu_confidence"},
	{TW_LOG_NLU_MODULE_ID, INT4OID, "nlu_module_id"},
	{TW_LOG_NLU_MODULE_TYPE, TEXTOID, "nlu_module_type"},
	{TW_LOG_NLU_PROVIDER, TEXTOID, "nlu_provider"},
	{TW_LOG_NLU_MODEL_VERSION, TEXTOID, "nlu_model_version"},
	{TW_LOG_NLU_ENTITIES, JSONBOID, "nlu_entities"},
	{TW_LOG_ROUTED_TO, TEXTOID, "routed_to"},
	{TW_LOG_USER_FEEDBACK, TEXTOID, "user_feedback"},
	{TW_LOG_USER_CORRECTION, TEXTOID, "user_correction"},
	{TW_LOG_IS_TRAINING_CANDIDATE, BOOLOID, "is_training_candidate"},
	{TW_LOG_REVIEW_STATUS, TEXTOID, "review_status"},
	{TW_LOG_REVIEW_PRIORITY, INT2OID, "review_priority"},
	{TW_LOG_REVIEW_REASON, TEXTOID, "review_reason"},
	{TW_LOG_FILTER_OUTCOME, TEXTOID, "filter_outcome"},
	{TW_LOG_FILTER_POLICY_ID, INT8OID, "filter_policy_id"},
	{TW_LOG_IS_AUDIT, BOOLOID, "is_audit"},
	{TW_LOG_SELECTION_PROBABILITY, FLOAT8OID, "selection_probability"},
	{TW_LOG_FILTERED_AT, TIMESTAMPTZOID, "filtered_at"},
	{TW_LOG_CREATED_AT, TIMESTAMPTZOID, "created_at"},
	{TW_LOG_CREATED_ON, DATEOID, "created_on"},
};

/* The table whose columns passed the check, until its definition changes. */
static Oid	checked_relid = InvalidOid;

/* Whether that table has the columns that the install script of 0.1.0 does not make. */
static bool has_added_columns;

/* How its columns lie in a row. */
static TwColumnLayout layout[MaxHeapAttributeNumber];

static void
forget_checked_columns(Oid relid)
{
	if (relid == InvalidOid || relid == checked_relid)
		checked_relid = InvalidOid;
}

/* Registers with the relation cache; called once, from _PG_init. */
void
tw_log_columns_init(void)
{
	tw_on_table_change(forget_checked_columns);
}

static int
alignment(Form_pg_attribute attribute)
{
	switch (attribute->attalign)
	{
		case TYPALIGN_CHAR:
			return sizeof(char);
		case TYPALIGN_SHORT:
			return ALIGNOF_SHORT;
		case TYPALIGN_INT:
			return ALIGNOF_INT;
		default:
			return ALIGNOF_DOUBLE;
	}
}

static void
lay_out(TupleDesc desc)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		layout[i] = (TwColumnLayout) {attribute->attlen, alignment(attribute), attribute->attbyval};
	}
}

/*
 * Raises an error unless the columns are those of log_columns.h; checked
 * again after a change of the table's definition.
 */
void
tw_check_log_columns(Relation rel)
{
	if (checked_relid == RelationGetRelid(rel))
		return;
	tw_check_columns(rel, log_columns, lengthof(log_columns));
	has_added_columns = get_attnum(RelationGetRelid(rel), "idempotency_key") == TW_LOG_IDEMPOTENCY_KEY &&
		TupleDescAttr(RelationGetDescr(rel), TW_LOG_IDEMPOTENCY_KEY - 1)->atttypid == TEXTOID;
	lay_out(RelationGetDescr(rel));
	checked_relid = RelationGetRelid(rel);
}

/* How the columns of a table that passes the check lie in its rows; valid until another table is checked. */
const TwColumnLayout *
tw_log_layout(Relation rel)
{
	tw_check_log_columns(rel);
	return layout;
}

/* Whether the table that was checked last has the columns that came after 0.1.0: idempotency_key, anonymised_at. */
bool
tw_has_added_columns(void)
{
	return has_added_columns;
}
