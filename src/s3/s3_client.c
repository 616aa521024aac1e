/*
 * s3_client.c
 *		Objects in a bucket: put, get, head, delete.
 *
 * libcurl signs the requests. Cases that some versions sign wrongly do not occur: keys consist of letters, digits and
 * ._/- alone, there is no query, and every signed header is sent.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/excerpt.h"
#include "common/cryptohash.h"
#include "s3/s3_client.h"
#include "utils/builtins.h"

#define STANDARD_REGION "us-east-1"
#define MAX_KEY 1024

/* Replies kept in memory are errors, except objects that are fetched into memory. */
#define MAX_ERROR ((size_t) 1024 * 1024)

#define SHA256_OF_NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const char *
required_option(const TwEndpoint *endpoint, const char *option)
{
	const char *value = tw_endpoint_text(endpoint, option);

	/* The validator requires this option, but an owner can remove the validator. */
	if (value == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("server \"%s\" has no option \"%s\"", endpoint->server, option),
				 errhint("ALTER SERVER %s OPTIONS (ADD %s '...');", quote_identifier(endpoint->server), option)));
	return value;
}

/* The store of this name, with the keys of its user mapping. */
TwS3Store *
tw_s3_store(const char *server)
{
	TwS3Store  *store = palloc(sizeof(TwS3Store));
	TwEndpoint *endpoint = tw_endpoint(server, TW_S3_WRAPPER);
	const char *region = tw_endpoint_text(endpoint, "region");
	char	   *url = tw_endpoint_url(endpoint, "endpoint");

	store->endpoint = endpoint;
	store->bucket = required_option(endpoint, "bucket");
	store->signing.region = region == NULL ? STANDARD_REGION : region;
	store->signing.key_id = tw_endpoint_secret(endpoint, "access_key_id");
	store->signing.secret = tw_endpoint_secret(endpoint, "secret_access_key");
	if (tw_endpoint_bool(endpoint, "path_style", true))
		store->root = psprintf("%s/%s/", url, store->bucket);
	else
	{
		char	   *host = strstr(url, "://");

		/* A wrapper's owner can remove the validator. */
		if (host == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the endpoint of server \"%s\" is not a URL", server)));
		host += strlen("://");

		store->root = psprintf("%.*s%s.%s/", (int) (host - url), url, store->bucket, host);
	}
	return store;
}

pg_noreturn static void
refuse_key(const char *name, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" cannot be the key of an object", tw_excerpt(name)),
			 errdetail("%s", why),
			 errhint("A key has letters, digits and ._/- alone, for example router/router-v1.0.0/model.bin.")));
}

/* No part of a key is empty or consists of dots: some stores, and many of their clients, map parts to folders. */
static void
check_key(const char *key)
{
	const char *segment = key;

	if (strlen(key) > MAX_KEY)
		refuse_key(key, "With the prefix of the server it has more than 1024 characters.");
	if (strstr(key, "..") != NULL)
		refuse_key(key, "It has two dots in a row.");
	for (const char *at = key;; at++)
	{
		if (*at == '/' || *at == '\0')
		{
			if (at == segment)
				refuse_key(key, "It is empty, begins or ends with a slash, or has two slashes in a row.");
			if (at - segment == 1 && *segment == '.')
				refuse_key(key, "One of its parts is a dot.");
			if (*at == '\0')
				return;
			segment = at + 1;
		}
		else if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') ||
				   strchr("._-", *at) != NULL))
			refuse_key(key, "It has a character that is none of these.");
	}
}

static bool
is_below(const char *key, const char *prefix)
{
	size_t		length = strlen(prefix);

	if (prefix[length - 1] == '/')
		length--;
	return strncmp(key, prefix, length) == 0 && key[length] == '/';
}

/* The full key of an object, from one below the server's prefix, or from a location in its bucket. */
char *
tw_s3_key(const TwS3Store *store, const char *name)
{
	const char *prefix = tw_endpoint_text(store->endpoint, "prefix");
	char	   *bucket = psprintf("s3://%s/", store->bucket);
	char	   *key;

	if (strncmp(name, "s3://", strlen("s3://")) == 0)
	{
		if (strncmp(name, bucket, strlen(bucket)) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" is not in the bucket of server \"%s\"", tw_excerpt(name), store->endpoint->server),
					 errhint("That bucket is \"%s\".", store->bucket)));
		key = pstrdup(name + strlen(bucket));
		/* A caller who names a location must not reach other users' objects in the bucket. */
		if (prefix != NULL && prefix[0] != '\0' && !is_below(key, prefix))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" is not below the prefix of server \"%s\"", tw_excerpt(name),
							store->endpoint->server),
					 errhint("That prefix is \"%s\".", prefix)));
	}
	else if (prefix == NULL || prefix[0] == '\0')
		key = pstrdup(name);
	else
	{
		/* Checked before the prefix is added. */
		if (name[0] == '/')
			refuse_key(name, "It begins with a slash.");
		key = psprintf("%s%s%s", prefix, prefix[strlen(prefix) - 1] == '/' ? "" : "/", name);
	}
	check_key(key);
	return key;
}

char *
tw_s3_location(const TwS3Store *store, const char *key)
{
	return psprintf("s3://%s/%s", store->bucket, key);
}

void
tw_s3_init_request(const TwS3Store *store, TwHttpRequest *request, const char *method, const char *key)
{
	const TwEndpoint *endpoint = store->endpoint;

	memset(request, 0, sizeof(*request));
	request->server = endpoint->server;
	request->what = psprintf("%s %s", method, key);
	request->method = method;
	request->url = psprintf("%s%s", store->root, key);
	request->signing = &store->signing;
	request->connect_timeout = tw_endpoint_seconds(endpoint, "connect_timeout", TW_CONNECT_TIMEOUT);
	/* The duration of an upload is unknown: the time-out applies to time without progress. */
	request->timeout = tw_endpoint_seconds(endpoint, "timeout", TW_TIMEOUT);
	request->timeout_is_stall = true;
	request->max_reply = MAX_ERROR;
	request->verify_tls = tw_endpoint_bool(endpoint, "verify_tls", true);
	request->ca_file = tw_endpoint_text(endpoint, "ca_file");
}

/* Makes the request. Any request can be repeated: putting an object twice gives the same object. */
void
tw_s3_try(TwHttpRequest *request, const TwS3Content *content, TwHttpResponse *response)
{
	const char *headers[5] = {0};

	headers[0] = psprintf("x-amz-content-sha256: %s", content == NULL ? SHA256_OF_NOTHING : content->sha256);
	if (content != NULL)
	{
		headers[1] = psprintf("x-amz-meta-sha256: %s", content->sha256);
		headers[2] = "Content-Type: application/octet-stream";
		headers[3] = content->only_new ? "If-None-Match: *" : NULL;
		request->body = content->bytes;
		request->body_length = content->length;
		request->body_from_file = content->is_file;
		request->body_file = content->file;
	}
	request->headers = headers;
	tw_http_try_repeatedly(request, response);
	request->headers = NULL;
}

/* The same, but any failure is an error. */
void
tw_s3_perform(const TwS3Store *store, TwHttpRequest *request, const TwS3Content *content, TwHttpResponse *response)
{
	tw_s3_try(request, content, response);
	if (response->fault != TW_HTTP_NO_FAULT)
		tw_http_raise(request, response);
	if (response->status < 200 || response->status > 299)
		tw_s3_refuse(store, request, response);
}

/* The state of an object that is hashed as it arrives. */
typedef struct Reading
{
	pg_cryptohash_ctx *hash;
	int64		length;
	int64		max_bytes;
	bool		failed;
} Reading;

static bool
read_piece(void *arg, const char *data, size_t length)
{
	Reading    *reading = arg;

	reading->length += length;
	if (reading->length > reading->max_bytes)
		return false;
	reading->failed = pg_cryptohash_update(reading->hash, (const uint8 *) data, length) < 0;
	return !reading->failed;
}

/* Reads an object through SHA-256. Returns its length, or more than `max_bytes`, and then no checksum. */
int64
tw_s3_read(const TwS3Store *store, const char *key, int64 max_bytes, char *sha256)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	Reading		reading = {.hash = pg_cryptohash_create(PG_SHA256), .max_bytes = max_bytes};
	TwHttpRequest request;
	TwHttpResponse response;

	if (reading.hash == NULL || pg_cryptohash_init(reading.hash) < 0)
		elog(ERROR, "SHA-256 cannot be computed");
	tw_s3_init_request(store, &request, "GET", key);
	request.sink = read_piece;
	request.sink_arg = &reading;
	tw_s3_try(&request, NULL, &response);
	if (reading.failed)
		elog(ERROR, "SHA-256 cannot be computed");
	if (reading.length <= max_bytes)
	{
		if (response.fault != TW_HTTP_NO_FAULT)
			tw_http_raise(&request, &response);
		if (response.status != 200)
			tw_s3_refuse(store, &request, &response);
		if (pg_cryptohash_final(reading.hash, digest, sizeof(digest)) < 0)
			elog(ERROR, "SHA-256 cannot be computed");
		sha256[hex_encode((char *) digest, sizeof(digest), sha256)] = '\0';
	}
	pg_cryptohash_free(reading.hash);
	return reading.length;
}

/* Stores an object, and reads it back: only the bytes read back count as stored. */
void
tw_s3_put(const TwS3Store *store, const char *key, const TwS3Content *content)
{
	char		sha256[TW_SHA256_LENGTH + 1] = "";
	TwHttpRequest request;
	TwHttpResponse response;
	int64		length;
	bool		is_there;

	if (content->length > TW_S3_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("an object of %lld bytes is too large", (long long) content->length),
				 errdetail("The limit is 5 GB, which is the most that one request can store."),
				 errhint("Store it in parts, or with a client of the object store.")));
	tw_s3_init_request(store, &request, "PUT", key);
	tw_s3_try(&request, content, &response);
	if (response.fault != TW_HTTP_NO_FAULT)
		tw_http_raise(&request, &response);
	/* 412: it exists. A repeated request may find what it stored itself, which is a success. */
	is_there = content->only_new && response.status == 412;
	if (!is_there && (response.status < 200 || response.status > 299))
		tw_s3_refuse(store, &request, &response);

	length = tw_s3_read(store, key, content->length, sha256);
	if (length == content->length && strcmp(sha256, content->sha256) == 0)
		return;
	if (is_there)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("object store \"%s\" has another object %s already", store->endpoint->server, key),
				 errhint("Choose another key, or replace the object.")));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("object store \"%s\" does not hold what was stored as %s", store->endpoint->server, key),
			 length > content->length ?
			 errdetail("%lld bytes were sent, and more came back.", (long long) content->length) :
			 errdetail("%lld bytes with the SHA-256 %s were sent, %lld bytes with %s came back.",
					   (long long) content->length, content->sha256, (long long) length, sha256),
			 errhint("Another program may store objects under this key. If so, choose another prefix.")));
}
