/*
 * peer.c
 *		Questions to another database of a fleet.
 *
 * They go the way that CREATE SUBSCRIPTION goes: by libpqwalreceiver, which
 * comes with the server, waits interruptibly, and has the same rules about
 * passwords. A connection lasts for one question.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/excerpt.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "replication/walreceiver.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

/* The longest string of libpq that is passed on: the server repeats one that it cannot read in its error. */
#define MAX_CONNECTION_BYTES 1000

static WalReceiverConn *
connect_to(const char *connection)
{
	WalReceiverConn *wrconn;
	char	   *error;

	if (strlen(connection) > MAX_CONNECTION_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a connection string has at most %d bytes, not %zu", MAX_CONNECTION_BYTES, strlen(connection)),
				 errhint("Certificates and passwords belong into files that it names, such as passfile=.")));

	/* Defines the walrcv_ functions. */
	load_file("libpqwalreceiver", false);
	wrconn = tw_connect_publisher(connection, &error);
	if (wrconn == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("could not connect to the other database of the fleet: %s", tw_excerpt(error)),
				 errhint("Its role needs LOGIN and REPLICATION, and pg_hba.conf there an entry for this database's "
						 "server. The string is that of libpq; a password belongs into a file that passfile= names.")));
	return wrconn;
}

/* The first column of the first row; NULL if there is none. */
static char *
first_value(WalRcvExecResult * result)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(result->tupledesc, &TTSOpsMinimalTuple);
	char	   *value = NULL;
	bool		isnull;

	if (tuplestore_gettupleslot(result->tuplestore, true, false, slot))
	{
		Datum		datum = slot_getattr(slot, 1, &isnull);

		if (!isnull)
			value = TextDatumGetCString(datum);
	}
	ExecDropSingleTupleTableSlot(slot);
	return value;
}

PG_FUNCTION_INFO_V1(tw_fleet_ask);

/* tw_fleet_ask(connection, query): the text that a query gives in another database. */
Datum
tw_fleet_ask(PG_FUNCTION_ARGS)
{
	char	   *connection = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *query = text_to_cstring(PG_GETARG_TEXT_PP(1));
	WalReceiverConn *volatile wrconn = NULL;
	char	   *volatile value = NULL;

	/* Whoever connects does it as the operating system's user of this server, as for CREATE SUBSCRIPTION. */
	if (!tw_may_subscribe())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to connect to another database of a fleet"),
				 errhint("A superuser may, from PostgreSQL 16 on also a role with pg_create_subscription.")));
	PG_TRY();
	{
		Oid			types[] = {TEXTOID};
		WalRcvExecResult *result;

		wrconn = connect_to(connection);
		result = walrcv_exec(wrconn, query, lengthof(types), types);
		if (result->status != WALRCV_OK_TUPLES)
			ereport(ERROR,
					(errcode(result->sqlstate ? result->sqlstate : ERRCODE_CONNECTION_FAILURE),
					 errmsg("the other database of the fleet refused: %s",
							tw_excerpt(result->err ? result->err : "no answer")),
					 errhint("Grant its role what it needs there: "
							 "SELECT grant_training_role(role, 'fleet').")));
		value = first_value(result);
		walrcv_clear_result(result);
	}
	PG_FINALLY();
	{
		if (wrconn)
			walrcv_disconnect(wrconn);
	}
	PG_END_TRY();
	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(value));
}
