/*
 * privilege_errors.c
 *		What an application without the privilege for a statement can do
 *		instead.
 *
 * The server says "permission denied for table conversation_logs", whichever
 * column is the reason. Every client has its own natural statement that ends
 * there, so the error has to name the column and the way. The library is loaded
 * when an INSERT is planned, by tw_load_library().
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "base/compat.h"
#include "capture/log_columns.h"
#include "capture/privilege_errors.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

static ExecutorStart_hook_type previous_hook = NULL;

static bool
is_conversation_logs(Oid relid)
{
	char	   *name = OidIsValid(relid) ? get_rel_name(relid) : NULL;
	Oid			extension;

	if (name == NULL || strcmp(name, "conversation_logs") != 0)
		return false;
	extension = getExtensionOfObject(RelationRelationId, relid);
	return OidIsValid(extension) && extension == get_extension_oid("training_workflow", true);
}

/* What the user lacks the privilege for: the first of these columns, or NULL. */
static const char *
refused_columns(Oid relid, Oid user, const Bitmapset * columns, AclMode mode)
{
	int			member = -1;

	if (pg_class_aclcheck(relid, user, mode) == ACLCHECK_OK)
		return NULL;
	while ((member = bms_next_member(columns, member)) >= 0)
	{
		AttrNumber	column = member + FirstLowInvalidHeapAttributeNumber;

		if (column == InvalidAttrNumber)
			return "whole rows";
		if (pg_attribute_aclcheck(relid, column, user, mode) != ACLCHECK_OK)
			return psprintf("column \"%s\"", get_attname(relid, column, false));
	}
	return NULL;
}

static void
refuse_to_read(const char *columns, bool returning)
{
	if (returning)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to return %s of conversation_logs", columns),
				 errdetail("Nothing was stored. A role that captures may read id and no other column of the table."),
				 errhint("Insert into conversation_capture instead: it takes the same columns, and RETURNING gives "
						 "all of them. Or return id alone.")));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to read %s of conversation_logs", columns),
			 errdetail("A role that captures may read id and no other column. A conversation that was committed is "
					   "stored: do not insert it again."),
			 errhint("Keep what INSERT ... RETURNING gave: into conversation_capture it gives every column. Roles of "
					 "kind operator read conversations.")));
}

static void
refuse_to_change(const TwPermissions * wanted)
{
	if (wanted->requiredPerms & ACL_DELETE)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to delete from conversation_logs"),
				 errdetail("Nothing was deleted."),
				 errhint("The owner of the extension deletes conversations.")));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 bms_is_empty(wanted->updatedCols)
			 ? errmsg("permission denied to lock rows of conversation_logs")
			 : errmsg("permission denied to update conversation_logs"),
			 errdetail("Nothing was changed."),
			 errhint("Add a reply with record_response(id, session_id, ...) and feedback with "
					 "record_feedback(id, session_id, ...).")));
}

/* Raises the error that fits what the user lacks for this table, if it is known. */
static void
refuse(const TwPermissions * wanted)
{
	Oid			user = OidIsValid(wanted->checkAsUser) ? wanted->checkAsUser : GetUserId();
	const char *columns;

	if (pg_attribute_aclcheck(wanted->relid, TW_LOG_USER_MESSAGE, user, ACL_INSERT) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for table conversation_logs"),
				 errdetail("Role \"%s\" may not capture.", GetUserNameFromId(user, false)),
				 (wanted->requiredPerms & ACL_INSERT)
				 ? errhint("The owner of the extension makes it a role of kind capture: grant_training_role(role, "
						   "'capture').")
				 : errhint("Roles of kind operator read conversations, reviewers and analysts training_queue.")));
	columns = refused_columns(wanted->relid, user, wanted->insertedCols, ACL_INSERT);
	if (columns != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to insert %s of conversation_logs", columns),
				 errdetail("Nothing was stored. The extension fills this column."),
				 errhint("Leave it out. The columns of conversation_capture are those that an application fills.")));
	if (wanted->requiredPerms & (ACL_UPDATE | ACL_DELETE))
		refuse_to_change(wanted);
	columns = refused_columns(wanted->relid, user, wanted->selectedCols, ACL_SELECT);
	if (columns != NULL)
		refuse_to_read(columns, (wanted->requiredPerms & ACL_INSERT) != 0);
}

/* After the server refused the statement: says more, or returns. */
static void
refuse_plan(const PlannedStmt * plan)
{
	ListCell   *lc;

	foreach(lc, tw_plan_permissions(plan))
	{
		const		TwPermissions *wanted = lfirst(lc);

		if (wanted->requiredPerms != 0 && is_conversation_logs(wanted->relid))
			refuse(wanted);
	}
}

static void
explain_refusal(QueryDesc * query, int eflags)
{
	MemoryContext caller = CurrentMemoryContext;

	PG_TRY();
	{
		if (previous_hook)
			previous_hook(query, eflags);
		else
			standard_ExecutorStart(query, eflags);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		if (geterrcode() != ERRCODE_INSUFFICIENT_PRIVILEGE)
			PG_RE_THROW();
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		refuse_plan(query->plannedstmt);
		ReThrowError(error);
	}
	PG_END_TRY();
}

/* Installs the hook; called once, from _PG_init. */
void
tw_privilege_errors_init(void)
{
	previous_hook = ExecutorStart_hook;
	ExecutorStart_hook = explain_refusal;
}
