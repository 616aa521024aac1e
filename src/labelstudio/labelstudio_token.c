/*
 * labelstudio_token.c
 *		Label Studio's two kinds of tokens, and the access tokens that the second kind is exchanged for.
 *
 * A legacy token is sent unchanged. A personal access token is a JSON Web Token of the type "refresh"; it only serves
 * to get access tokens, which last some minutes. Those are cached for the session, with a hash of the personal token.
 */
#include "postgres.h"

#include "base/compat.h"
#include "common/sha2.h"
#include "http/endpoint.h"
#include "http/jansson.h"
#include "labelstudio/labelstudio_token.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include <time.h>

#define MAX_TOKEN (16 * 1024)

/* Sessions with more servers exchange their tokens more often. */
#define KEPT_TOKENS 8

typedef struct Claims
{
	bool		is_refresh;
	double		expires;		/* Unix time; 0 = unknown */
} Claims;

typedef struct KeptToken
{
	Oid			server_id;		/* InvalidOid = free */
	uint8		got_with[PG_SHA256_DIGEST_LENGTH];
	char	   *access_token;
	double		expires;
} KeptToken;

static KeptToken kept[KEPT_TOKENS];
static int	next_kept = 0;

static int
base64url_value(char c)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *at = c == '\0' ? NULL : strchr(alphabet, c);

	return at == NULL ? -1 : (int) (at - alphabet);
}

/* Decodes base64url; returns the number of bytes, or -1. */
static int
decode(const char *from, size_t length, char *to)
{
	uint32		bits = 0;
	int			count = 0;
	int			written = 0;

	for (size_t i = 0; i < length && from[i] != '='; i++)
	{
		int			value = base64url_value(from[i]);

		if (value < 0)
			return -1;
		bits = bits << 6 | (uint32) value;
		count += 6;
		if (count >= 8)
		{
			count -= 8;
			to[written++] = (char) (bits >> count & 0xff);
		}
	}
	return written;
}

/* The claims of a JSON Web Token; false for anything else. Its signature is not checked: the server does that. */
static bool
read_claims(const char *token, Claims *claims)
{
	const char *payload = strchr(token, '.');
	const char *signature = payload == NULL ? NULL : strchr(payload + 1, '.');
	char	   *decoded;
	int			length;
	json_t	   *tree;
	const char *type;

	if (signature == NULL || strchr(signature + 1, '.') != NULL || strlen(token) > MAX_TOKEN)
		return false;
	payload++;
	decoded = palloc(signature - payload + 1);
	length = decode(payload, signature - payload, decoded);
	/* No error may be raised while the tree is allocated. */
	tree = length < 0 ? NULL : json_loadb(decoded, length, 0, NULL);
	if (!json_is_object(tree))
	{
		json_decref(tree);
		return false;
	}
	type = json_string_value(json_object_get(tree, "token_type"));
	claims->is_refresh = type != NULL && strcmp(type, "refresh") == 0;
	claims->expires = json_number_value(json_object_get(tree, "exp"));
	json_decref(tree);
	return true;
}

bool
tw_is_personal_access_token(const char *token)
{
	Claims		claims;

	return read_claims(token, &claims) && claims.is_refresh;
}

/* The access token in the reply to an exchange, or NULL. */
char *
tw_access_token_of_reply(const char *body, size_t length)
{
	json_t	   *tree = json_loadb(body, length, 0, NULL);
	const char *access = json_string_value(json_object_get(tree, "access"));
	size_t		size = access == NULL ? 0 : strlen(access);
	char	   *result = NULL;

	if (size <= MAX_TOKEN && access != NULL && tw_secret_fault(access, size) == NULL)
		result = palloc_extended(size + 1, MCXT_ALLOC_NO_OOM);
	if (result != NULL)
		memcpy(result, access, size + 1);
	json_decref(tree);
	return result;
}

static void
forget(KeptToken *entry)
{
	entry->server_id = InvalidOid;
	if (entry->access_token != NULL)
		pfree(entry->access_token);
	entry->access_token = NULL;
}

/* A server or a mapping has changed: an access token must not go to a new address. */
static void
forget_all(Datum arg, int cache_id, uint32 hash)
{
	for (int i = 0; i < KEPT_TOKENS; i++)
		forget(&kept[i]);
}

static void
hash_token(const char *token, uint8 *hash)
{
	bytea	   *digest = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, PointerGetDatum(cstring_to_text(token))));

	memcpy(hash, VARDATA_ANY(digest), PG_SHA256_DIGEST_LENGTH);
}

/* A cached access token for this personal token with enough time left, or NULL. */
char *
tw_kept_access_token(Oid server_id, const char *personal_token)
{
	uint8		hash[PG_SHA256_DIGEST_LENGTH];

	hash_token(personal_token, hash);
	for (int i = 0; i < KEPT_TOKENS; i++)
	{
		if (kept[i].server_id == server_id && memcmp(kept[i].got_with, hash, sizeof(hash)) == 0 &&
			kept[i].expires - time(NULL) >= TW_ACCESS_TOKEN_MARGIN)
			return pstrdup(kept[i].access_token);
	}
	return NULL;
}

/* A token with an unknown or near expiry is used once. */
void
tw_keep_access_token(Oid server_id, const char *personal_token, const char *access_token)
{
	static bool is_watching = false;
	KeptToken  *entry = &kept[next_kept];
	Claims		claims;

	if (!is_watching)
	{
		CacheRegisterSyscacheCallback(FOREIGNSERVEROID, forget_all, (Datum) 0);
		CacheRegisterSyscacheCallback(USERMAPPINGOID, forget_all, (Datum) 0);
		is_watching = true;
	}
	tw_forget_access_token(server_id);
	if (!read_claims(access_token, &claims) || claims.expires - time(NULL) < TW_ACCESS_TOKEN_MARGIN)
		return;
	forget(entry);
	hash_token(personal_token, entry->got_with);
	entry->access_token = MemoryContextStrdup(TopMemoryContext, access_token);
	entry->expires = claims.expires;
	entry->server_id = server_id;
	next_kept = (next_kept + 1) % KEPT_TOKENS;
}

void
tw_forget_access_token(Oid server_id)
{
	for (int i = 0; i < KEPT_TOKENS; i++)
	{
		if (kept[i].server_id == server_id)
			forget(&kept[i]);
	}
}
