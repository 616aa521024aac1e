/*
 * locks.c
 *		Locks that last until the end of the transaction, for the whole
 *		installation; locks.h has the register.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "rules/locks.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

/*
 * What SQL calls them, and how long a call waits for one at most, in
 * milliseconds. A job waits less: its steps have a lock_timeout.
 */
static const struct
{
	const char *name;
	TwLockKind	kind;
	int			patience;
}			kinds[] = {
	{"job", TW_LOCK_JOB, TW_PATIENCE_MS},
	{"sides", TW_LOCK_SIDES, TW_LONG_PATIENCE_MS},
	{"registry", TW_LOCK_REGISTRY, TW_PATIENCE_MS},
	{"job queue", TW_LOCK_JOB_QUEUE, TW_PATIENCE_MS},
	{"projects", TW_LOCK_PROJECTS, TW_LONG_PATIENCE_MS},
	{"imports", TW_LOCK_IMPORTS, TW_LONG_PATIENCE_MS},
	{"training", TW_LOCK_TRAINING, TW_PATIENCE_MS},
	{"model type", TW_LOCK_MODEL_TYPE, TW_PATIENCE_MS},
};

void
tw_lock_tag(LOCKTAG *tag, TwLockKind kind, Oid installation, uint32 object)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, installation, object, kind);
}

/* The OID that stands for an installation in the keys of its locks. */
Oid
tw_installation(Oid schema)
{
	Oid			installation = get_relname_relid("conversation_logs", schema);

	if (!OidIsValid(installation))
		elog(ERROR, "conversation_logs is missing");
	return installation;
}

/*
 * Until the GUC nest level that we are at ends, no lock is waited for longer
 * than this. A shorter lock_timeout of the user stands.
 */
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

/* Bounds what is waited for until tw_end_bounded_wait(); an error ends it as well, with the subtransaction. */
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
 * Waits for a lock, which ends with the transaction. Obeys lock_timeout and
 * cancels, and takes part in deadlock detection.
 */
void
tw_lock_transaction(TwLockKind kind, Oid installation, uint32 object)
{
	LOCKTAG		tag;

	tw_lock_tag(&tag, kind, installation, object);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/* The place of a kind in our list. */
static int
kind_argument(FunctionCallInfo fcinfo)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	for (int i = 0; i < (int) lengthof(kinds); i++)
	{
		if (strcmp(kinds[i].name, name) == 0)
			return i;
	}
	elog(ERROR, "there is no lock \"%s\"", name);
}

PG_FUNCTION_INFO_V1(tw_take_lock);

/* tw_take_lock(kind, object) */
Datum
tw_take_lock(PG_FUNCTION_ARGS)
{
	int			i = kind_argument(fcinfo);
	Oid			installation = tw_installation(tw_schema_of_function(fcinfo));
	int			nest_level = tw_begin_bounded_wait(kinds[i].patience);

	/* A second key has 32 bits: two ids or hashes that share them exclude each other, which does no harm. */
	tw_lock_transaction(kinds[i].kind, installation, (uint32) PG_GETARG_INT64(1));
	tw_end_bounded_wait(nest_level);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(tw_try_lock);

/* tw_try_lock(kind, object): false where another session has it. */
Datum
tw_try_lock(PG_FUNCTION_ARGS)
{
	int			i = kind_argument(fcinfo);
	LOCKTAG		tag;

	tw_lock_tag(&tag, kinds[i].kind, tw_installation(tw_schema_of_function(fcinfo)), (uint32) PG_GETARG_INT64(1));
	PG_RETURN_BOOL(LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL);
}

PG_FUNCTION_INFO_V1(tw_bound_waits);

/* tw_bound_waits(): until the calling function returns, which has a SET of its own and with it a nest level. */
Datum
tw_bound_waits(PG_FUNCTION_ARGS)
{
	bound_waits(TW_PATIENCE_MS);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(tw_lock_class);

/* tw_lock_class(kind): what pg_locks.objsubid says. */
Datum
tw_lock_class(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(kinds[kind_argument(fcinfo)].kind);
}
