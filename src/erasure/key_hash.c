/*
 * key_hash.c
 *		A slow hash of what a person was found by, for receipts.
 */
#include "postgres.h"

#include "base/compat.h"
#include "common/scram-common.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* SHA-256 gives this many bytes, and reads blocks of as many. */
#define HASH_BYTES 32
#define BLOCK_BYTES 64

static char *
digits_of(const uint8 *hash)
{
	char	   *digits = palloc(2 * HASH_BYTES + 1);

	for (int i = 0; i < HASH_BYTES; i++)
		snprintf(digits + 2 * i, 3, "%02x", hash[i]);
	return digits;
}

PG_FUNCTION_INFO_V1(tw_key_hash);

/*
 * tw_key_hash(key, salt, iterations): PBKDF2-HMAC-SHA-256 (RFC 8018) with the server's own code, in hexadecimal.
 * Each iteration reads the key again, so of one that is longer than a block its SHA-256 is the key.
 */
Datum
tw_key_hash(PG_FUNCTION_ARGS)
{
	char	   *key = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bytea	   *salt = PG_GETARG_BYTEA_PP(1);
	int32		iterations = PG_GETARG_INT32(2);
	uint8		hash[HASH_BYTES];
	const char *problem = NULL;

	CHECK_FOR_INTERRUPTS();
	if (strlen(key) > BLOCK_BYTES)
	{
		bytea	   *hashed = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, PG_GETARG_DATUM(0)));

		key = digits_of((uint8 *) VARDATA_ANY(hashed));
	}
	if (iterations < 1 || tw_pbkdf2(key, VARDATA_ANY(salt), VARSIZE_ANY_EXHDR(salt), iterations, hash,
									&problem) < 0)
		elog(ERROR, "could not hash the key of a person: %s", problem ? problem : "no iterations");
	PG_RETURN_TEXT_P(cstring_to_text(digits_of(hash)));
}
