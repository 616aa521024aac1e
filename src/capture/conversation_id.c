/*
 * conversation_id.c
 *		The numbers of conversations: drawn from the sequence, never chosen by
 *		an application.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/kept_plan.h"
#include "base/table_changes.h"
#include "capture/conversation_id.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* A sequence of the extension, and the table that it belongs to. */
typedef struct OwnSequence
{
	Oid			table;
	Oid			sequence;
} OwnSequence;

/* The id of the conversation that this session inserted last, and whether it is not the number drawn for it. */
static int64 last_id;
static bool last_id_was_set;

/* The highest id that was drawn for a conversation of this session, and the highest before the client's statement. */
static int64 highest_id;
static int64 highest_id_before;
static TimestampTz last_statement;

/* A role that was asked about last, and whether it may choose the ids of a table. */
typedef struct KnownChooser
{
	Oid			table;
	Oid			user;
	uint64		changes;		/* of which it knows */
	bool		may_choose;
} KnownChooser;

static KnownChooser chooser;

/* Counts what may have changed the answer. */
static uint64 changes = 1;

static void
forget_changed_table(Oid relid)
{
	if (relid == InvalidOid || relid == chooser.table)
		changes++;
}

static void
forget_changed_role(Datum arg, int cache, uint32 hash)
{
	changes++;
}

/* Registers with the caches; called once, from _PG_init. */
void
tw_conversation_id_init(void)
{
	tw_on_table_change(forget_changed_table);
	CacheRegisterSyscacheCallback(AUTHOID, forget_changed_role, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, forget_changed_role, (Datum) 0);
	/* The owner of the database is the member of a role. */
	CacheRegisterSyscacheCallback(DATABASEOID, forget_changed_role, (Datum) 0);
}

/*
 * Whether the role may insert whole rows and so choose ids, such as the owner
 * in a restore. The answer is kept, since every row asks.
 */
static bool
may_choose(Oid table, Oid user)
{
	if (chooser.table != table || chooser.user != user || chooser.changes != changes)
	{
		uint64		known = changes;

		/* An error leaves no answer. What changes while it is looked at is looked at again. */
		chooser = (KnownChooser) {.table = table, .user = user};
		chooser.may_choose = pg_class_aclcheck(table, user, ACL_INSERT) == ACLCHECK_OK;
		chooser.changes = known;
	}
	return chooser.may_choose;
}

/* The sequence of that name beside the table; kept, since every row needs it. InvalidOid if there is none. */
static Oid
sequence_of(Relation rel, const char *name, OwnSequence *kept)
{
	if (kept->table != RelationGetRelid(rel) || !OidIsValid(kept->sequence))
	{
		kept->table = RelationGetRelid(rel);
		kept->sequence = get_relname_relid(name, RelationGetNamespace(rel));
	}
	return kept->sequence;
}

static Oid
number_sequence(Relation rel)
{
	static OwnSequence kept;
	Oid			sequence = sequence_of(rel, "conversation_logs_id_seq", &kept);

	if (!OidIsValid(sequence))
		elog(ERROR, "there is no sequence conversation_logs_id_seq");
	return sequence;
}

/* The number that this session drew last. If it has drawn none, no row can have it. */
static int64
last_number(Oid sequence)
{
	MemoryContext caller = CurrentMemoryContext;
	volatile int64 number = PG_INT64_MIN;

	PG_TRY();
	{
		number = DatumGetInt64(DirectFunctionCall1(currval_oid, ObjectIdGetDatum(sequence)));
	}
	PG_CATCH();
	{
		/* What follows is an error in any case, so that nothing has to be undone here. */
		if (geterrcode() != ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE)
			PG_RE_THROW();
		MemoryContextSwitchTo(caller);
		FlushErrorState();
	}
	PG_END_TRY();
	return number;
}

/* Whether a conversation has this id; as the table's owner. */
static bool
is_stored(Oid schema, int64 id)
{
	static TwKeptPlan kept;
	Oid			type = INT8OID;
	Datum		value = Int64GetDatum(id);
	bool		found;

	SPI_connect();
	if (SPI_execute_plan(tw_kept_plan(&kept, schema, "SELECT FROM %1$s.conversation_logs c "
									  "WHERE c.id OPERATOR(pg_catalog.=) $1", 1, &type),
						 &value, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for a conversation");
	found = SPI_processed > 0;
	SPI_finish();
	return found;
}

/*
 * Whether the id was drawn for this very row, as DEFAULT does: it is the last
 * number. Where a function that the statement calls captures too, its number
 * is the last one, and the row's own lies between that and the rows before
 * the statement. As the table's owner.
 */
static bool
was_drawn(Relation rel, int64 id)
{
	int64		drawn_last = last_number(number_sequence(rel));

	if (id == drawn_last && id > highest_id)
		return true;
	/* The number of a row of this session, once more. After the sequence was set back it may be a new one. */
	if (id == drawn_last || (id > highest_id_before && id < highest_id && id < drawn_last))
		return !is_stored(RelationGetNamespace(rel), id);
	return false;
}

/* Raises an error if the id was chosen by an application. */
static void
refuse_chosen_id(Relation rel, int64 id)
{
	Oid			user;
	int			security;
	bool		drawn;

	GetUserIdAndSecContext(&user, &security);
	if (may_choose(RelationGetRelid(rel), user))
		return;

	/* The caller may lack the privilege to ask; an error restores the user. */
	SetUserIdAndSecContext(rel->rd_rel->relowner, security | SECURITY_LOCAL_USERID_CHANGE);
	drawn = was_drawn(rel, id);
	SetUserIdAndSecContext(user, security);
	if (!drawn)
		ereport(ERROR,
				(errcode(ERRCODE_GENERATED_ALWAYS),
				 errmsg("conversation %lld cannot be inserted: an application does not choose the id",
						(long long) id),
				 errdetail("Nothing was stored. An ORM that saves a stored conversation once more ends here."),
				 errhint("Leave id out, or write DEFAULT. What comes after the capture is added by "
						 "record_response(id, session_id, ...) and record_feedback(id, session_id, ...).")));
	highest_id = Max(highest_id, id);
}

/*
 * Gives a new conversation without a number, as ORMs send it, the next one,
 * and refuses one that an application chose. Applications may name the column
 * because many clients name every column, with DEFAULT where they have no
 * value.
 */
void
tw_number_conversation(Relation rel, LogRow *row)
{
	if (GetCurrentStatementStartTimestamp() != last_statement)
	{
		last_statement = GetCurrentStatementStartTimestamp();
		highest_id_before = highest_id;
	}
	if (!is_null(row, TW_LOG_ID))
		refuse_chosen_id(rel, DatumGetInt64(get(row, TW_LOG_ID)));
	else
	{
		set(row, TW_LOG_ID, Int64GetDatum(nextval_internal(number_sequence(rel), false)));
		highest_id = Max(highest_id, DatumGetInt64(get(row, TW_LOG_ID)));
	}
	last_id = DatumGetInt64(get(row, TW_LOG_ID));
}

/* The row that was numbered last is this conversation, which was captured before. */
void
tw_set_last_conversation(int64 id)
{
	last_id = id;
	last_id_was_set = true;
}

/* Whether lastval() is the number of a row that was not stored. */
bool
tw_last_conversation_was_set(void)
{
	return last_id_was_set;
}

/*
 * Makes lastval() give the id of the conversation inserted last. Some drivers
 * ask it for the id of their row, and would get the number of a training
 * sample, or no privilege to see it. The server has no function for that, but
 * the last value of a sequence can be set within a session.
 */
void
tw_restore_lastval(Relation rel)
{
	static OwnSequence kept;
	Oid			sequence = sequence_of(rel, "conversation_logs_lastval_seq", &kept);
	Oid			user;
	int			security;

	last_id_was_set = false;
	/* Release 0.1.0 of the install script has none. */
	if (!OidIsValid(sequence))
		return;
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(rel->rd_rel->relowner, security | SECURITY_LOCAL_USERID_CHANGE);
	/* The first call makes it the sequence that lastval() looks at; what the second sets is kept for each session. */
	(void) nextval_internal(sequence, false);
	(void) DirectFunctionCall2(setval_oid, ObjectIdGetDatum(sequence), Int64GetDatum(last_id));
	SetUserIdAndSecContext(user, security);
}
