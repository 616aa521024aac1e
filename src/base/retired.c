/*
 * retired.c
 *		C functions of released versions that this version has no use for.
 *
 * The library is replaced before ALTER EXTENSION UPDATE is run, and CREATE
 * EXTENSION ... VERSION and pg_upgrade declare the functions of an older
 * version again. So each C function that a script in upgrade/ declares must
 * exist here or elsewhere; "make check" compares.
 */
#include "postgres.h"

#include "base/retired.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"

/* What the older version's SQL cannot do with this library. */
Datum
tw_update_first(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("training_workflow of this database is older than its library"),
			 errdetail("This function of the older version needs what the library no longer has."),
			 errhint("Run: ALTER EXTENSION training_workflow UPDATE;")));
	return (Datum) 0;
}

#define RETIRED(name) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		return tw_update_first(); \
	}

/* 0.1.0: figures of closed days, which the update discards; the daily job counts them again. */
RETIRED(tw_next_transaction_id)
RETIRED(tw_reload_policies)

/* Triggers of 0.1.0 that kept those figures current. Conversations and samples must be writable before the update. */
#define RETIRED_TRIGGER(name) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		return PointerGetDatum(NULL); \
	}

RETIRED_TRIGGER(tw_conversation_changed)
RETIRED_TRIGGER(tw_sample_changed)

PG_FUNCTION_INFO_V1(tw_local_only);

/*
 * The BEFORE trigger of the tables of those figures, ENABLE ALWAYS: a subscriber
 * skips the publisher's rows. Rows of this database are refused: the daily job
 * would wait for the triggers above.
 */
Datum
tw_local_only(PG_FUNCTION_ARGS)
{
	if (SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA)
		tw_update_first();
	return PointerGetDatum(NULL);
}

PG_FUNCTION_INFO_V1(tw_is_late_sample);

/* 0.1.0: whether the trigger with tw_sample_changed() has anything to do. */
Datum
tw_is_late_sample(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(false);
}

PG_FUNCTION_INFO_V1(tw_outer_role_id);

/* 0.1.0: today's tw_calling_role_id(). */
Datum
tw_outer_role_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(GetOuterUserId());
}
