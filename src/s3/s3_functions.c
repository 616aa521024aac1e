/*
 * s3_functions.c
 *		SQL functions over objects in a bucket.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/excerpt.h"
#include "fmgr.h"
#include "funcapi.h"
#include "s3/s3_client.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include <fcntl.h>
#include <sys/stat.h>

/* The largest object that fits into a bytea. */
#define MAX_FETCHED ((size_t) 1000 * 1000 * 1000)

#define ARGUMENT_TEXT(n) text_to_cstring(PG_GETARG_TEXT_PP(n))

static Datum
make_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

static void
set_bytes(TwS3Content *content, bytea *data)
{
	bytea	   *digest = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, PointerGetDatum(data)));

	memset(content, 0, sizeof(*content));
	content->bytes = VARDATA_ANY(data);
	content->length = VARSIZE_ANY_EXHDR(data);
	content->sha256[hex_encode(VARDATA_ANY(digest), VARSIZE_ANY_EXHDR(digest), content->sha256)] = '\0';
}

static void
check_sha256(const char *sha256)
{
	if (strlen(sha256) != TW_SHA256_LENGTH || strspn(sha256, "0123456789abcdef") != TW_SHA256_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a SHA-256 must have 64 hexadecimal digits in lower case")));
}

PG_FUNCTION_INFO_V1(tw_s3_location_sql);
PG_FUNCTION_INFO_V1(tw_s3_put_sql);
PG_FUNCTION_INFO_V1(tw_s3_put_file_sql);
PG_FUNCTION_INFO_V1(tw_s3_get_sql);
PG_FUNCTION_INFO_V1(tw_s3_read_sql);
PG_FUNCTION_INFO_V1(tw_s3_head_sql);
PG_FUNCTION_INFO_V1(tw_s3_delete_sql);
PG_FUNCTION_INFO_V1(tw_s3_ask_sql);

/* tw_s3_location(server, key) */
Datum
tw_s3_location_sql(PG_FUNCTION_ARGS)
{
	TwS3Store  *store = tw_s3_store(ARGUMENT_TEXT(0));

	PG_RETURN_TEXT_P(cstring_to_text(tw_s3_location(store, tw_s3_key(store, ARGUMENT_TEXT(1)))));
}

/* tw_s3_put(server, key, data, OUT location, OUT byte_count, OUT sha256) */
Datum
tw_s3_put_sql(PG_FUNCTION_ARGS)
{
	TwS3Store  *store = tw_s3_store(ARGUMENT_TEXT(0));
	char	   *key = tw_s3_key(store, ARGUMENT_TEXT(1));
	TwS3Content content;
	Datum		values[3];
	bool		nulls[3] = {false};

	set_bytes(&content, PG_GETARG_BYTEA_PP(2));
	content.only_new = PG_GETARG_BOOL(3);
	tw_s3_put(store, key, &content);
	values[0] = CStringGetTextDatum(tw_s3_location(store, key));
	values[1] = Int64GetDatum(content.length);
	values[2] = CStringGetTextDatum(content.sha256);
	PG_RETURN_DATUM(make_row(fcinfo, values, nulls));
}

static int
open_content(const char *path, int64 expected)
{
	int			file = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	struct stat status;

	if (file < 0 || fstat(file, &status) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", tw_excerpt(path))));
	if (!S_ISREG(status.st_mode) || status.st_size != expected)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a file of %lld bytes", tw_excerpt(path), (long long) expected)));
	return file;
}

/* tw_s3_put_file(server, key, path, byte_count, sha256) returns the location */
Datum
tw_s3_put_file_sql(PG_FUNCTION_ARGS)
{
	TwS3Store  *store = tw_s3_store(ARGUMENT_TEXT(0));
	char	   *key = tw_s3_key(store, ARGUMENT_TEXT(1));
	char	   *sha256 = ARGUMENT_TEXT(4);
	TwS3Content content = {.is_file = true, .length = PG_GETARG_INT64(3)};

	check_sha256(sha256);
	strlcpy(content.sha256, sha256, sizeof(content.sha256));
	content.only_new = PG_GETARG_BOOL(5);
	content.file = open_content(ARGUMENT_TEXT(2), content.length);
	tw_s3_put(store, key, &content);
	CloseTransientFile(content.file);
	PG_RETURN_TEXT_P(cstring_to_text(tw_s3_location(store, key)));
}

/* tw_s3_get(server, key, sha256): the object, which must have this checksum. */
Datum
tw_s3_get_sql(PG_FUNCTION_ARGS)
{
	TwS3Store  *store = tw_s3_store(ARGUMENT_TEXT(0));
	char	   *key = tw_s3_key(store, ARGUMENT_TEXT(1));
	char	   *expected = ARGUMENT_TEXT(2);
	TwHttpRequest request;
	TwHttpResponse response;
	TwS3Content content;
	bytea	   *result;

	check_sha256(expected);
	tw_s3_init_request(store, &request, "GET", key);
	request.max_reply = MAX_FETCHED;
	request.reply_room = VARHDRSZ;
	tw_s3_perform(store, &request, NULL, &response);

	result = (bytea *) (response.body - VARHDRSZ);
	SET_VARSIZE(result, VARHDRSZ + response.length);
	set_bytes(&content, result);
	if (strcmp(content.sha256, expected) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("object %s in store \"%s\" was changed or is damaged", tw_excerpt(key),
						store->endpoint->server),
				 errdetail("It has %lld bytes with the SHA-256 %s, not %s.", (long long) content.length, content.sha256,
						   expected),
				 errhint("Restore another version of the object from the bucket, or from a backup.")));
	PG_RETURN_BYTEA_P(result);
}

/* tw_s3_read(server, key, OUT byte_count, OUT sha256): length and checksum, from reading the object to its end. */
Datum
tw_s3_read_sql(PG_FUNCTION_ARGS)
{
	TwS3Store  *store = tw_s3_store(ARGUMENT_TEXT(0));
	char	   *key = tw_s3_key(store, ARGUMENT_TEXT(1));
	char		sha256[TW_SHA256_LENGTH + 1] = "";
	int64		length = tw_s3_read(store, key, TW_S3_MAX_BYTES, sha256);
	Datum		values[2];
	bool		nulls[2] = {false};

	if (length > TW_S3_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("object %s in store \"%s\" has more than 5 GB", key, store->endpoint->server)));
	values[0] = Int64GetDatum(length);
	values[1] = CStringGetTextDatum(sha256);
	PG_RETURN_DATUM(make_row(fcinfo, values, nulls));
}

/* tw_s3_head(server, key, OUT is_there, OUT byte_count, OUT sha256) */
Datum
tw_s3_head_sql(PG_FUNCTION_ARGS)
{
	TwS3Store  *store = tw_s3_store(ARGUMENT_TEXT(0));
	TwHttpRequest request;
	TwHttpResponse response;
	Datum		values[3] = {0};
	bool		nulls[3] = {false, true, true};

	tw_s3_init_request(store, &request, "HEAD", tw_s3_key(store, ARGUMENT_TEXT(1)));
	request.wanted_header = "x-amz-meta-sha256:";
	tw_s3_try(&request, NULL, &response);
	if (response.fault != TW_HTTP_NO_FAULT)
		tw_http_raise(&request, &response);
	values[0] = BoolGetDatum(response.status == 200);
	if (response.status == 200)
	{
		nulls[1] = response.announced < 0;
		values[1] = Int64GetDatum(response.announced);
		/* A header may contain anything. */
		nulls[2] = response.header == NULL || strlen(response.header) != TW_SHA256_LENGTH ||
			strspn(response.header, "0123456789abcdef") != TW_SHA256_LENGTH;
		values[2] = nulls[2] ? 0 : CStringGetTextDatum(response.header);
	}
	else if (response.status != 404)
		tw_s3_refuse(store, &request, &response);
	PG_RETURN_DATUM(make_row(fcinfo, values, nulls));
}

/*
 * tw_s3_delete(server, key): a missing object is no error. Whether the bucket
 * keeps versions, and has put a mark in the place of the object instead.
 */
Datum
tw_s3_delete_sql(PG_FUNCTION_ARGS)
{
	TwS3Store  *store = tw_s3_store(ARGUMENT_TEXT(0));
	TwHttpRequest request;
	TwHttpResponse response;

	tw_s3_init_request(store, &request, "DELETE", tw_s3_key(store, ARGUMENT_TEXT(1)));
	request.wanted_header = "x-amz-delete-marker:";
	tw_s3_perform(store, &request, NULL, &response);
	PG_RETURN_BOOL(response.header != NULL && strncmp(response.header, "true", 4) == 0);
}

/*
 * tw_s3_ask(server, method, key, data, OUT status, OUT code, OUT problem, OUT server_time, OUT body): one request of
 * s3_check(); a refusal is a result, not an error.
 */
Datum
tw_s3_ask_sql(PG_FUNCTION_ARGS)
{
	TwS3Store  *store = tw_s3_store(ARGUMENT_TEXT(0));
	char	   *method = ARGUMENT_TEXT(1);
	TwHttpRequest request;
	TwHttpResponse response;
	TwS3Content content;
	TwS3Refusal refusal = {0};
	Datum		values[5] = {0};
	bool		nulls[5] = {false, true, true, true, true};

	tw_s3_init_request(store, &request, method, tw_s3_key(store, ARGUMENT_TEXT(2)));
	request.reply_room = VARHDRSZ;
	set_bytes(&content, PG_GETARG_BYTEA_PP(3));
	tw_s3_try(&request, strcmp(method, "PUT") == 0 ? &content : NULL, &response);
	if (response.fault != TW_HTTP_NO_FAULT)
		tw_http_raise(&request, &response);

	values[0] = Int32GetDatum(response.status);
	nulls[3] = !response.has_date;
	values[3] = TimestampTzGetDatum(response.date);
	if (response.status >= 200 && response.status <= 299)
	{
		bytea	   *body = (bytea *) (response.body - VARHDRSZ);

		SET_VARSIZE(body, VARHDRSZ + response.length);
		nulls[4] = false;
		values[4] = PointerGetDatum(body);
	}
	else
	{
		tw_s3_explain(store, &request, &response, &refusal);
		nulls[1] = refusal.code == NULL;
		values[1] = nulls[1] ? 0 : CStringGetTextDatum(refusal.code);
		nulls[2] = false;
		values[2] = CStringGetTextDatum(psprintf("%s. %s%s%s", refusal.message, refusal.detail == NULL ?
												 "" : refusal.detail,
												 refusal.detail == NULL ? "" : " ", refusal.hint));
	}
	PG_RETURN_DATUM(make_row(fcinfo, values, nulls));
}
