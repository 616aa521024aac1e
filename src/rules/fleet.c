/*
 * fleet.c
 *		What a database does depends on whether it is on its own, the hub of a
 *		fleet, or a node of one.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/table_triggers.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "replication/logicalworker.h"
#include "rules/fleet.h"
#include "rules/settings.h"
#include "utils/rel.h"

/* Whether a subscription of this database makes the change at hand. */
bool
tw_is_replicated(void)
{
	return SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA && IsLogicalWorker();
}

PG_FUNCTION_INFO_V1(tw_decides_feedback);

/*
 * tw_decides_feedback(): whether feedback has its consequences in this
 * database. Not on a node, whose hub decides, and at the hub also when it comes
 * from a node. A subscriber that belongs to no fleet takes its publisher's
 * decisions.
 */
Datum
tw_decides_feedback(PG_FUNCTION_ARGS)
{
	TwFleetRole role = tw_settings(tw_schema_of_function(fcinfo)).fleet_role;

	if (role == TW_FLEET_NODE)
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(role == TW_FLEET_HUB || SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA);
}

PG_FUNCTION_INFO_V1(tw_refuse_on_node);

/* BEFORE INSERT, UPDATE or DELETE, each row: on a node of a fleet, what is the hub's comes by replication alone. */
Datum
tw_refuse_on_node(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	tw_check_trigger(fcinfo, "tw_refuse_on_node", TW_BEFORE | TW_ROW | TW_ON_INSERT | TW_ON_UPDATE | TW_ON_DELETE);
	if (tw_settings(RelationGetNamespace(trigdata->tg_relation)).fleet_role == TW_FLEET_NODE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not written on a node of a fleet",
						RelationGetRelationName(trigdata->tg_relation)),
				 errdetail("Reviews, models, rollouts and policies are the hub's. This database captures and answers."),
				 errhint("Do it at the hub. What changes there is in force here as soon as it has arrived "
						 "(fleet_status).")));
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? trigdata->tg_newtuple
						   : trigdata->tg_trigtuple);
}
