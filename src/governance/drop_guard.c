/*
 * drop_guard.c
 *		Refuses to drop tables whose data cannot be recovered.
 *
 * DROP EXTENSION drops our tables and all their rows without CASCADE. So do
 * DROP SCHEMA ... CASCADE, DROP OWNED, the CASCADE of anything that we depend
 * on, and even ALTER TABLE ... DROP COLUMN ... CASCADE through a view. A check of
 * each command would always miss one. So the event trigger, a C function, only
 * makes sure that this library is loaded. The hook below then sees every object
 * just before it is dropped, by whatever command or cascade.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/dependency.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "governance/drop_guard.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Lets an operator, or pg_restore --clean, drop the extension with its data. */
static bool allow_drop = false;

static object_access_hook_type previous_hook = NULL;

/* Whether it is a table of the extension, even if renamed. */
static bool
is_guarded(Oid relid)
{
	Oid			extension;

	if (get_rel_relkind(relid) != RELKIND_RELATION)
		return false;
	extension = getExtensionOfObject(RelationRelationId, relid);
	return OidIsValid(extension) && extension == get_extension_oid("training_workflow", true);
}

/*
 * Whether the table has a row. The DROP holds its lock, so that no other
 * session adds rows; the newest snapshot sees what was committed while the DROP
 * waited for that lock.
 */
static bool
has_rows(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	bool		found = table_scan_getnextslot(scan, ForwardScanDirection, slot);

	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return found;
}

static void
drop_guard_hook(ObjectAccessType access, Oid classId, Oid objectId, int subId, void *arg)
{
	if (previous_hook)
		previous_hook(access, classId, objectId, subId, arg);

	if (access != OAT_DROP || classId != RelationRelationId || subId != 0 || allow_drop)
		return;
	if (is_guarded(objectId) && has_rows(objectId))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("dropping training_workflow would delete the rows of \"%s\"", get_rel_name(objectId)),
				 errdetail("The extension's tables go with it, and all that was captured and reviewed with them."),
				 errhint("Make a dump first. To drop the data as well, a superuser may SET "
						 "training_workflow.allow_drop = on.")));
}

PG_FUNCTION_INFO_V1(tw_drop_guard);

/*
 * Event trigger on ddl_command_start: the call itself has loaded the library
 * and with it the hook.
 */
Datum
tw_drop_guard(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"tw_drop_guard\" was not called by an event trigger")));
	PG_RETURN_VOID();
}

/* Defines the setting and installs the hook; called once, from _PG_init. */
void
tw_drop_guard_init(void)
{
	DefineCustomBoolVariable("training_workflow.allow_drop",
							 "Allows the extension to be dropped together with its data.",
							 "Off, so that DROP EXTENSION, which needs no CASCADE to take the tables along, cannot "
							 "lose conversations by mistake.",
							 &allow_drop,
							 false,
							 PGC_SUSET,
							 0,
							 NULL, NULL, NULL);
	previous_hook = object_access_hook;
	object_access_hook = drop_guard_hook;
}
