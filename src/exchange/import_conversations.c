/*
 * import_conversations.c
 *		Waiting for messages that have a number, but are not in the table yet.
 *
 * An import keeps the numbers of an earlier table where they are free.  A
 * capture takes its number first and inserts its row after that, so that a
 * number which is not in the table may be one that a capture is about to use;
 * it would fail on the import's row.  A transaction that has taken numbers holds
 * a lock on the sequence until its end.  So: move the sequence past the numbers
 * in question, then wait for the current holders of that lock, as
 * CREATE INDEX CONCURRENTLY waits.  No lock is taken, and captures that begin
 * later get other numbers and do not wait.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"

PG_FUNCTION_INFO_V1(tw_wait_for_numbers);

/* tw_wait_for_numbers(sequence): returns once all transactions that have taken numbers of it so far are over. */
Datum
tw_wait_for_numbers(PG_FUNCTION_ARGS)
{
	LOCKTAG		tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, PG_GETARG_OID(0));
	/* ShareLock conflicts with the RowExclusiveLock of nextval(). */
	WaitForLockers(tag, ShareLock, false);
	PG_RETURN_VOID();
}
