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
#include "fmgr.h"
#include "miscadmin.h"
#include "optimizer/planner.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

static ExecutorStart_hook_type previous_start = NULL;
static planner_hook_type previous_planner = NULL;

/* Whether it is the extension's relation of this name. */
static bool
is_ours(Oid relid, const char *name)
{
	char	   *found = OidIsValid(relid) ? get_rel_name(relid) : NULL;
	Oid			extension;

	if (found == NULL || strcmp(found, name) != 0)
		return false;
	extension = getExtensionOfObject(RelationRelationId, relid);
	return OidIsValid(extension) && extension == get_extension_oid("training_workflow", true);
}

/* What the user lacks the privilege for: the first of these columns, or NULL. */
static const char *
refused_columns(Oid relid, Oid user, const Bitmapset *columns, AclMode mode)
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

/*
 * Which of these privileges the user lacks. Another error of the same class,
 * such as that of a function, must not become one of this table.
 */
static AclMode
missing_privileges(const TwPermissions *wanted, Oid user)
{
	AclMode		missing = wanted->requiredPerms &
		~pg_class_aclmask(wanted->relid, user, wanted->requiredPerms, ACLMASK_ALL);
	const struct
	{
		AclMode		mode;
		const Bitmapset *columns;
	}			by_column[] = {
		{ACL_SELECT, wanted->selectedCols}, {ACL_INSERT, wanted->insertedCols}, {ACL_UPDATE, wanted->updatedCols}
	};

	for (size_t i = 0; i < lengthof(by_column); i++)
	{
		AclMode		mode = by_column[i].mode;

		if (!(missing & mode))
			continue;
		if (bms_is_empty(by_column[i].columns)
			? pg_attribute_aclcheck_all(wanted->relid, user, mode, ACLMASK_ANY) == ACLCHECK_OK
			: refused_columns(wanted->relid, user, by_column[i].columns, mode) == NULL)
			missing &= ~mode;
	}
	return missing;
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
refuse_to_change(const TwPermissions *wanted)
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
refuse(const TwPermissions *wanted)
{
	Oid			user = OidIsValid(wanted->checkAsUser) ? wanted->checkAsUser : GetUserId();
	AclMode		missing = missing_privileges(wanted, user);
	const char *columns;

	if (missing == 0)
		return;
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
	if (missing & (ACL_UPDATE | ACL_DELETE))
		refuse_to_change(wanted);
	columns = refused_columns(wanted->relid, user, wanted->selectedCols, ACL_SELECT);
	if (columns != NULL)
		refuse_to_read(columns, (wanted->requiredPerms & ACL_INSERT) != 0);
}

/* Raises the error of whoever reads conversation_capture, which says how to add to a conversation. */
static void
refuse_view(Oid relid)
{
	List	   *name = list_make2(makeString(get_namespace_name(get_rel_namespace(relid))),
								  makeString("tw_refuse_to_read_capture"));

	(void) OidFunctionCall0(LookupFuncName(name, 0, NULL, false));
}

/* After the server refused the statement: says more, or returns. */
static void
say_more(List *permissions)
{
	ListCell   *lc;

	foreach(lc, permissions)
	{
		const TwPermissions *wanted = lfirst(lc);

		if (wanted->requiredPerms == 0)
			continue;
		if (is_ours(wanted->relid, "conversation_logs"))
			refuse(wanted);
		if (is_ours(wanted->relid, "conversation_capture") && (wanted->requiredPerms & ACL_DELETE))
			refuse_view(wanted->relid);
	}
}

/* Within PG_CATCH: raises the error again, or one that says more. */
static void
raise_again(MemoryContext caller, List *permissions)
{
	ErrorData  *error;

	if (geterrcode() != ERRCODE_INSUFFICIENT_PRIVILEGE)
		PG_RE_THROW();
	MemoryContextSwitchTo(caller);
	error = CopyErrorData();
	FlushErrorState();
	say_more(permissions);
	ReThrowError(error);
}

static void
start_executor(QueryDesc *query, int eflags)
{
	MemoryContext caller = CurrentMemoryContext;

	PG_TRY();
	{
		if (previous_start)
			previous_start(query, eflags);
		else
			standard_ExecutorStart(query, eflags);
	}
	PG_CATCH();
	{
		raise_again(caller, tw_plan_permissions(query->plannedstmt));
	}
	PG_END_TRY();
}

/* Recent minor releases check the privileges for a view when they plan. */
static PlannedStmt *
plan(Query *query, const char *text, int options, ParamListInfo params)
{
	planner_hook_type next = previous_planner ? previous_planner : standard_planner;
	MemoryContext caller = CurrentMemoryContext;
	List	   *permissions;
	PlannedStmt *volatile planned = NULL;

	/* SELECT and UPDATE get as far as the view's own error. */
	if (query->commandType != CMD_DELETE)
		return next(query, text, options, params);

	/* The planner changes the query. */
	permissions = copyObject(tw_query_permissions(query));
	PG_TRY();
	{
		planned = next(query, text, options, params);
	}
	PG_CATCH();
	{
		raise_again(caller, permissions);
	}
	PG_END_TRY();
	return planned;
}

/* Installs the hooks; called once, from _PG_init. */
void
tw_privilege_errors_init(void)
{
	previous_start = ExecutorStart_hook;
	ExecutorStart_hook = start_executor;
	previous_planner = planner_hook;
	planner_hook = plan;
}
