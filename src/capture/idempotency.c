/*
 * idempotency.c
 *		Messages that are captured a second time, with the same key.
 *
 * No unique index: it could not return the first conversation to the second
 * call, would refuse another message with the same key, and replicated or
 * restored rows that break it. Instead the row is looked for in an index before
 * it is stored, also among rows of transactions that have not ended. From then
 * until the row is in the index, an advisory lock on the key keeps others from
 * looking. A session holds one such lock at a time and waits for nothing while
 * it does, so that rows of a statement, however many, take no more than one
 * entry of the lock table.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/xact.h"
#include "base/compat.h"
#include "base/excerpt.h"
#include "capture/idempotency.h"
#include "capture/log_columns.h"
#include "catalog/pg_index.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "rules/locks.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* An index entry has no room for a long text. */
#define MAX_KEY_BYTES 255

/* What a look at the rows of one key found. */
typedef struct Look
{
	bool		found;
	TwEarlier	earlier;
	int64		other;			/* a conversation with the key and another message; 0 = none */
	TransactionId writer;		/* the transaction that stores the same message and has not ended */
	uint32		token;			/* not 0 while that row is not certain yet (ON CONFLICT) */
} Look;

/* The lock of the key of the row that is being stored. */
static struct
{
	bool		held;
	LOCKTAG		tag;
	LocalTransactionId transaction;
	SubTransactionId subtransaction;
	ResourceOwner owner;
} key_lock;

/* Releases the lock of the last row's key: the row is in the index by now. What an error left is gone already. */
void
tw_end_key(void)
{
	if (!key_lock.held)
		return;
	key_lock.	held = false;

	if (key_lock.transaction == tw_local_transaction(MyProc) &&
		key_lock.subtransaction == GetCurrentSubTransactionId() && key_lock.owner == CurrentResourceOwner)
		(void) LockRelease(&key_lock.tag, ExclusiveLock, false);
}

static void
begin_key(Relation rel, TwSlice key)
{
	tw_end_key();
	tw_lock_tag(&key_lock.tag, TW_LOCK_CAPTURE_KEY, RelationGetRelid(rel),
				hash_bytes((const unsigned char *) key.data, key.length));
	(void) LockAcquire(&key_lock.tag, ExclusiveLock, false, false);
	key_lock.	transaction = tw_local_transaction(MyProc);
	key_lock.	subtransaction = GetCurrentSubTransactionId();
	key_lock.	owner = CurrentResourceOwner;
	key_lock.	held = true;
}

/* The index of the keys; InvalidOid if somebody dropped it, or its making failed. */
static Oid
key_index(Relation rel)
{
	Oid			index = get_relname_relid("conversation_logs_idempotency_key_idx", RelationGetNamespace(rel));
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool		usable = false;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_index form = (Form_pg_index) GETSTRUCT(tuple);

		usable = form->indisvalid && form->indrelid == RelationGetRelid(rel);
		ReleaseSysCache(tuple);
	}
	return usable ? index : InvalidOid;
}

/* Whether the stored row has the same text in this column, none of whose values is NULL. */
static bool
has_same(Relation rel, HeapTuple tuple, const LogRow *row, TwLogColumn column)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, RelationGetDescr(rel), &isnull);

	return !isnull && !is_null(row, column) &&
		tw_slice_compare(tw_text_slice(value, false), get_text(row, column)) == 0;
}

static int64
id_of(Relation rel, HeapTuple tuple)
{
	bool		isnull;

	return DatumGetInt64(heap_getattr(tuple, TW_LOG_ID, RelationGetDescr(rel), &isnull));
}

/* Takes a row with the key into account. */
static void
consider(Relation rel, HeapTuple tuple, const SnapshotData *seen, const LogRow *row, Look *look)
{
	bool		isnull;

	if (!has_same(rel, tuple, row, TW_LOG_SESSION_ID) || !has_same(rel, tuple, row, TW_LOG_USER_MESSAGE))
	{
		look->other = id_of(rel, tuple);
		return;
	}
	look->earlier.place = tuple->t_self;
	/* A row that another transaction changes or deletes is there; one that it adds may never be. */
	if (TransactionIdIsValid(seen->xmin))
	{
		look->writer = seen->xmin;
		look->token = seen->speculativeToken;
		return;
	}
	look->found = true;
	look->earlier.id = id_of(rel, tuple);
	look->earlier.created_at = heap_getattr(tuple, TW_LOG_CREATED_AT, RelationGetDescr(rel), &isnull);
	look->earlier.created_on = heap_getattr(tuple, TW_LOG_CREATED_ON, RelationGetDescr(rel), &isnull);
}

/* Looks at the rows of a day that have the key, also at those of transactions that have not ended. */
static void
look_at_day(Relation rel, Oid index, DateADT day, const LogRow *row, Look *look)
{
	SnapshotData snapshot;
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], TW_LOG_CREATED_ON, BTEqualStrategyNumber, F_DATE_EQ, DateADTGetDatum(day));
	ScanKeyInit(&keys[1], TW_LOG_IDEMPOTENCY_KEY, BTEqualStrategyNumber, F_TEXTEQ, get(row, TW_LOG_IDEMPOTENCY_KEY));
	InitDirtySnapshot(snapshot);
	scan = systable_beginscan(rel, index, true, &snapshot, lengthof(keys), keys);
	while (!look->found && HeapTupleIsValid(tuple = systable_getnext(scan)))
		consider(rel, tuple, &snapshot, row, look);
	systable_endscan(scan);
}

/* The row's own day, and the day before: a message may be sent again after midnight. */
static Look
look_at_key(Relation rel, Oid index, const LogRow *row)
{
	Look		look = {0};
	DateADT		day = DatumGetDateADT(get(row, TW_LOG_CREATED_ON));

	look_at_day(rel, index, day, row, &look);
	if (!look.found && !DATE_NOT_FINITE(day))
		look_at_day(rel, index, day - 1, row, &look);
	return look;
}

/* Says that keys are not compared; the conversation is stored as any other. */
static void
warn_no_index(void)
{
	ereport(WARNING,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("idempotency_key is not compared: there is no valid index conversation_logs_idempotency_key_idx"),
			 errdetail("The conversation is stored, also if it was captured before."),
			 errhint("Make the index again, as the install script of the extension has it.")));
}

static void
warn_other_message(TwSlice key, int64 other)
{
	ereport(WARNING,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("idempotency_key \"%s\" came with another message", tw_excerpt_of(key.data, key.length)),
			 errdetail("Conversation %lld has the key and another session_id or user_message. Both are stored.",
					   (long long) other),
			 errhint("Make a key for each message, such as a random UUID, and send it again with that message "
					 "alone.")));
}

/* Waits until the transaction that stores the same message has ended. */
static void
wait_for(Relation rel, Look *look)
{
	if (look->token != 0)
		SpeculativeInsertionWait(look->writer, look->token);
	else
		XactLockTableWait(look->writer, rel, &look->earlier.place, XLTW_None);
}

/* Brings the key into its stored form: an empty one is none, and a long one its hash. */
void
tw_shorten_key(LogRow *row)
{
	TwSlice		key = get_text(row, TW_LOG_IDEMPOTENCY_KEY);
	bytea	   *hash;
	StringInfoData shortened;

	if (key.data == NULL || (key.length > 0 && key.length <= MAX_KEY_BYTES))
		return;
	if (key.length == 0)
	{
		set_null(row, TW_LOG_IDEMPOTENCY_KEY);
		return;
	}
	hash = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, get(row, TW_LOG_IDEMPOTENCY_KEY)));
	initStringInfo(&shortened);
	appendStringInfoString(&shortened, "sha256:");
	for (Size i = 0; i < VARSIZE_ANY_EXHDR(hash); i++)
		appendStringInfo(&shortened, "%02x", ((unsigned char *) VARDATA_ANY(hash))[i]);
	set(row, TW_LOG_IDEMPOTENCY_KEY, PointerGetDatum(cstring_to_text_with_len(shortened.data, shortened.len)));
}

/*
 * Whether a new row was captured before: on its day or the day before, a
 * conversation has the same key, session and message. Waits for a transaction
 * that captures it at this moment; for no transaction where the key is NULL or
 * new. If the answer is no, the caller stores the row, and calls tw_end_key()
 * after it.
 */
bool
tw_was_captured(Relation rel, const LogRow *row, TwEarlier *earlier)
{
	TwSlice		key = get_text(row, TW_LOG_IDEMPOTENCY_KEY);
	Oid			index;
	Look		look;

	if (key.data == NULL)
		return false;
	index = key_index(rel);
	if (!OidIsValid(index))
	{
		warn_no_index();
		return false;
	}
	for (;;)
	{
		begin_key(rel, key);
		look = look_at_key(rel, index, row);
		if (look.found || !TransactionIdIsValid(look.writer))
			break;
		tw_end_key();
		wait_for(rel, &look);
		CHECK_FOR_INTERRUPTS();
	}
	if (look.found)
	{
		tw_end_key();
		*earlier = look.earlier;
	}
	else if (look.other != 0)
		warn_other_message(key, look.other);
	return look.found;
}
