/*
 * job_lock.c
 *		The lock of a running job, held by one session over many transactions.
 *
 * A job commits between its steps, so a transaction lock would be released
 * after the first step. A plain session lock would survive an error of the
 * CALL and block the job until the session ends. So the lock is a session lock
 * that is released when a transaction aborts.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/catalog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "rules/locks.h"
#include "runs/job_lock.h"
#include "storage/lock.h"

/* Bit n: this session holds the lock of job n of the installation `held_for` (the OID of its conversation_logs). */
static uint32 held;
static Oid	held_for = InvalidOid;

static void
set_tag(LOCKTAG *tag, Oid installation, int job)
{
	tw_lock_tag(tag, TW_LOCK_JOB, installation, (uint32) job);
}

static void
release(int job)
{
	LOCKTAG		tag;

	set_tag(&tag, held_for, job);
	held &= ~((uint32) 1 << job);
	LockRelease(&tag, ExclusiveLock, true);
}

static void
release_at_abort(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_ABORT)
		return;
	for (int job = 0; held != 0 && job < TW_MAX_JOBS; job++)
	{
		if (held & ((uint32) 1 << job))
			release(job);
	}
}

void
tw_job_lock_init(void)
{
	RegisterXactCallback(release_at_abort, NULL);
}

/* The lock number of a job, and its installation. */
static int
job_argument(FunctionCallInfo fcinfo, Oid *installation)
{
	int			job = PG_GETARG_INT32(0);

	if (job < 1 || job >= TW_MAX_JOBS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no job number %d", job),
				 errhint("tw_jobs() has the numbers.")));
	*installation = tw_installation(tw_schema_of_function(fcinfo));
	return job;
}

PG_FUNCTION_INFO_V1(tw_try_job_lock);

/* tw_try_job_lock(job): takes the lock without waiting; false if any session, including this one, holds it. */
Datum
tw_try_job_lock(PG_FUNCTION_ARGS)
{
	Oid			installation;
	int			job = job_argument(fcinfo, &installation);
	LOCKTAG		tag;
	LockAcquireResult result;

	/* An exception handler that catches a job's error would keep its lock. */
	if (IsSubTransaction())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("a job cannot run inside a subtransaction"),
				 errdetail("It commits between its steps."),
				 errhint("CALL it on its own: outside BEGIN, SAVEPOINT, and blocks with EXCEPTION.")));

	/* The extension may have been dropped and created again in this session while it held a lock of the old one. */
	if (held_for != installation)
	{
		for (int old = 0; held != 0 && old < TW_MAX_JOBS; old++)
		{
			if (held & ((uint32) 1 << old))
				release(old);
		}
		held_for = installation;
	}

	set_tag(&tag, installation, job);
	result = LockAcquire(&tag, ExclusiveLock, true, true);
	if (result == LOCKACQUIRE_ALREADY_HELD)
		LockRelease(&tag, ExclusiveLock, true);
	if (result != LOCKACQUIRE_OK)
		PG_RETURN_BOOL(false);
	held |= (uint32) 1 << job;
	PG_RETURN_BOOL(true);
}

PG_FUNCTION_INFO_V1(tw_release_job_lock);

/* tw_release_job_lock(job): releases the lock of tw_try_job_lock(). */
Datum
tw_release_job_lock(PG_FUNCTION_ARGS)
{
	Oid			installation;
	int			job = job_argument(fcinfo, &installation);

	if (held_for == installation && (held & ((uint32) 1 << job)))
		release(job);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(tw_holds_job_lock);

/*
 * tw_holds_job_lock(job): whether this session holds the lock. The steps of a
 * job check it, so that they cannot be called alone.
 */
Datum
tw_holds_job_lock(PG_FUNCTION_ARGS)
{
	Oid			installation;
	int			job = job_argument(fcinfo, &installation);

	PG_RETURN_BOOL(held_for == installation && (held & ((uint32) 1 << job)) != 0);
}
