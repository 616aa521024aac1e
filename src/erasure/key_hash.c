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

/* SHA-256 gives this many bytes. */
#define HASH_BYTES 32

PG_FUNCTION_INFO_V1(tw_key_hash);

/* tw_key_hash(key, salt, iterations): PBKDF2-HMAC-SHA-256 (RFC 8018) with the server's own code, in hexadecimal. */
Datum
tw_key_hash(PG_FUNCTION_ARGS)
{
	char	   *key = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bytea	   *salt = PG_GETARG_BYTEA_PP(1);
	int32		iterations = PG_GETARG_INT32(2);
	uint8		hash[HASH_BYTES];
	char		digits[2 * HASH_BYTES + 1];
	const char *problem = NULL;

	CHECK_FOR_INTERRUPTS();
	if (iterations < 1 || tw_pbkdf2(key, VARDATA_ANY(salt), VARSIZE_ANY_EXHDR(salt), iterations, hash,
									&problem) < 0)
		elog(ERROR, "could not hash the key of a person: %s", problem ? problem : "no iterations");
	for (int i = 0; i < HASH_BYTES; i++)
		snprintf(digits + 2 * i, 3, "%02x", hash[i]);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(digits, 2 * HASH_BYTES));
}
