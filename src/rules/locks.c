/*
 * locks.c
 *		Locks of the whole installation, held until the end of the transaction.
 *		locks.h lists them.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/excerpt.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "rules/locks.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

/*
 * The names in SQL, and the longest wait of a call in milliseconds. A job
 * waits less: its steps set lock_timeout.
 */
static const struct
{
	const char *name;
	TwLockKind	kind;
	int			patience;
}			kinds[] = {
	{"job", TW_LOCK_JOB, TW_PATIENCE_MS},
	{"splits", TW_LOCK_SPLITS, TW_LONG_PATIENCE_MS},
	{"registry", TW_LOCK_REGISTRY, TW_PATIENCE_MS},
	{"job queue", TW_LOCK_JOB_QUEUE, TW_PATIENCE_MS},
	{"projects", TW_LOCK_PROJECTS, TW_LONG_PATIENCE_MS},
	{"imports", TW_LOCK_IMPORTS, TW_LONG_PATIENCE_MS},
	{"training", TW_LOCK_TRAINING, TW_PATIENCE_MS},
	{"model type", TW_LOCK_MODEL_TYPE, TW_PATIENCE_MS},
	{"audit trail", TW_LOCK_AUDIT_TRAIL, TW_PATIENCE_MS},
	{"intents", TW_LOCK_INTENTS, TW_LONG_PATIENCE_MS},
	{"erasure", TW_LOCK_ERASURE, TW_LONG_PATIENCE_MS},
};

void
tw_lock_tag(LOCKTAG *tag, TwLockKind kind, Oid installation, uint32 object)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, installation, object, kind);
}

/* The first key of an installation's locks: the OID of its conversation_logs. */
Oid
tw_installation(Oid schema)
{
	Oid			installation = get_relname_relid("conversation_logs", schema);

	if (!OidIsValid(installation))
		elog(ERROR, "conversation_logs is missing");
	return installation;
}

/* Limits lock waits until the current GUC nest level ends. A shorter lock_timeout of the user stays in force. */
static void
bound_waits(int milliseconds)
{
	char		value[16];

	if (LockTimeout == 0 || LockTimeout > milliseconds)
	{
		snprintf(value, sizeof(value), "%d", milliseconds);
		(void) set_config_option("lock_timeout", value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	}
}

/* Limits lock waits until tw_end_bounded_wait(), or until an error aborts the subtransaction. */
int
tw_begin_bounded_wait(int milliseconds)
{
	int			nest_level = NewGUCNestLevel();

	bound_waits(milliseconds);
	return nest_level;
}

void
tw_end_bounded_wait(int nest_level)
{
	AtEOXact_GUC(true, nest_level);
}

/*
 * Waits for a lock and holds it until the end of the transaction. The wait
 * obeys lock_timeout and cancel requests, and takes part in deadlock
 * detection.
 */
void
tw_lock_transaction(TwLockKind kind, Oid installation, uint32 object)
{
	LOCKTAG		tag;

	tw_lock_tag(&tag, kind, installation, object);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/* The index in `kinds` of the kind that the first argument names. */
static int
kind_argument(FunctionCallInfo fcinfo)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	for (int i = 0; i < (int) lengthof(kinds); i++)
	{
		if (strcmp(kinds[i].name, name) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no lock \"%s\"", tw_excerpt(name))));
}

PG_FUNCTION_INFO_V1(tw_take_lock);

/* tw_take_lock(kind, object) */
Datum
tw_take_lock(PG_FUNCTION_ARGS)
{
	int			i = kind_argument(fcinfo);
	Oid			installation = tw_installation(tw_schema_of_function(fcinfo));
	int			nest_level = tw_begin_bounded_wait(kinds[i].patience);

	/* The second key has 32 bits: two ids or hashes with the same lower half exclude each other, which does no harm. */
	tw_lock_transaction(kinds[i].kind, installation, (uint32) PG_GETARG_INT64(1));
	tw_end_bounded_wait(nest_level);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(tw_try_lock);

/* tw_try_lock(kind, object): false if another session holds it. */
Datum
tw_try_lock(PG_FUNCTION_ARGS)
{
	int			i = kind_argument(fcinfo);
	LOCKTAG		tag;

	tw_lock_tag(&tag, kinds[i].kind, tw_installation(tw_schema_of_function(fcinfo)), (uint32) PG_GETARG_INT64(1));
	PG_RETURN_BOOL(LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL);
}

PG_FUNCTION_INFO_V1(tw_bound_waits);

/* tw_bound_waits(): lasts until the calling function returns; its SET clause gives it a GUC nest level. */
Datum
tw_bound_waits(PG_FUNCTION_ARGS)
{
	bound_waits(TW_PATIENCE_MS);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(tw_lock_class);

/* tw_lock_class(kind): the value of pg_locks.objsubid. */
Datum
tw_lock_class(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(kinds[kind_argument(fcinfo)].kind);
}
