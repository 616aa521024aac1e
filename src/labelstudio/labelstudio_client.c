/*
 * labelstudio_client.c
 *		Requests to Label Studio: address, token, retries, reply.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/excerpt.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "http/endpoint.h"
#include "http/http.h"
#include "http/json_reply.h"
#include "labelstudio/labelstudio_token.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#define MAX_REPLY ((size_t) 32 * 1024 * 1024)

#define EXCHANGE_PATH "/api/token/refresh/"

#define ARGUMENT_TEXT(n) (PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n)))

/* Percent-encodes all characters except the unreserved ones of RFC 3986. */
static void
append_encoded(StringInfo url, const char *value)
{
	for (; *value != '\0'; value++)
	{
		if ((*value >= 'a' && *value <= 'z') || (*value >= 'A' && *value <= 'Z') || (*value >= '0' && *value <= '9') ||
			strchr("-._~", *value) != NULL)
			appendStringInfoChar(url, *value);
		else
			appendStringInfo(url, "%%%02X", (unsigned char) *value);
	}
}

/* Label Studio decodes the JSON of this parameter once more: within its strings, a % needs a JSON escape. */
static char *
without_percent(const char *json)
{
	StringInfoData result;

	initStringInfo(&result);
	for (; *json != '\0'; json++)
	{
		if (*json == '%')
			appendStringInfoString(&result, "\\u0025");
		else
			appendStringInfoChar(&result, *json);
	}
	return result.data;
}

static void
append_parameters(StringInfo url, ArrayType *parameters)
{
	Datum	   *texts;
	bool	   *nulls;
	int			count;

	deconstruct_array(parameters, TEXTOID, -1, false, TYPALIGN_INT, &texts, &nulls, &count);
	if (count % 2 != 0 || array_contains_nulls(parameters))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameters must be names and values in turn, none of them NULL")));
	for (int i = 0; i < count; i += 2)
	{
		char	   *name = TextDatumGetCString(texts[i]);
		char	   *value = TextDatumGetCString(texts[i + 1]);

		appendStringInfoChar(url, i == 0 ? '?' : '&');
		append_encoded(url, name);
		appendStringInfoChar(url, '=');
		append_encoded(url, strcmp(name, "query") == 0 ? without_percent(value) : value);
	}
}

static void
check_target(const char *method, const char *path)
{
	static const char *const methods[] = {"GET", "POST", "PATCH", "PUT", "DELETE"};
	bool		is_known = false;

	for (size_t i = 0; i < lengthof(methods); i++)
		is_known |= strcmp(method, methods[i]) == 0;
	if (!is_known)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no method \"%s\"", tw_excerpt(method)),
				 errhint("The methods are GET, POST, PATCH, PUT and DELETE.")));
	for (const char *at = path; at == path || *at != '\0'; at++)
	{
		if (path[0] != '/' || *at <= 0x20 || *at > 0x7e || strchr("?#%\\", *at) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the path must begin with a slash, and have no query and no character that needs encoding"),
					 errhint("Pass the query in parameters.")));
	}
}

static void
init_request(TwHttpRequest *request, const TwEndpoint *endpoint, const char *method, const char *path)
{
	memset(request, 0, sizeof(*request));
	request->server = endpoint->server;
	request->what = psprintf("%s %s", method, tw_excerpt(path));
	request->method = method;
	request->connect_timeout = tw_endpoint_seconds(endpoint, "connect_timeout", TW_CONNECT_TIMEOUT);
	request->timeout = tw_endpoint_seconds(endpoint, "timeout", TW_TIMEOUT);
	request->max_reply = MAX_REPLY;
	request->verify_tls = tw_endpoint_bool(endpoint, "verify_tls", true);
	request->ca_file = tw_endpoint_text(endpoint, "ca_file");
}

/* Gets an access token for a personal one, and caches it; NULL when the server refuses, with its status in *status. */
static char *
exchange_token(const TwEndpoint *endpoint, const char *token, TwHttpResponse *response)
{
	static const char *const headers[] = {"Content-Type: application/json", "Accept: application/json", NULL};
	TwHttpRequest request;
	StringInfoData body;
	char	   *access_token;

	tw_forget_access_token(endpoint->server_id);
	init_request(&request, endpoint, "POST", EXCHANGE_PATH);
	request.url = psprintf("%s" EXCHANGE_PATH, tw_endpoint_url(endpoint, "url"));
	request.headers = headers;
	initStringInfo(&body);
	appendStringInfoString(&body, "{\"refresh\":");
	escape_json(&body, token);
	appendStringInfoChar(&body, '}');
	request.body = body.data;
	request.body_length = body.len;
	tw_http_perform_repeatedly(&request, response);
	if (response->status == 401 || response->status == 403)
		return NULL;

	access_token = response->status == 200 ? tw_access_token_of_reply(response->body, response->length) : NULL;
	if (access_token == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("server \"%s\" did not exchange the token: it answered HTTP %d", endpoint->server,
						response->status),
				 errdetail("The request was %s.", request.what),
				 errhint("Check that the option url of the server leads to Label Studio, and that Label Studio "
						 "works.")));
	tw_keep_access_token(endpoint->server_id, token, access_token);
	return access_token;
}

/* Performs the request with this value of the header Authorization. */
static void
perform_authorized(TwHttpRequest *request, const char *scheme, const char *token, TwHttpResponse *response)
{
	/* A header without a value makes libcurl omit it. */
	const char *const headers[] = {
		psprintf("Authorization: %s %s", scheme, token),
		"Accept: application/json",
		request->body_length > 0 ? "Content-Type: application/json" : "Content-Type:",
		NULL
	};

	request->headers = headers;
	if (strcmp(request->method, "GET") == 0)
		tw_http_perform_repeatedly(request, response);
	else
		tw_http_perform(request, response);
	request->headers = NULL;
}

/*
 * Performs the request with the mapping's token; false when the token could not be exchanged. After a 401 nothing was
 * done, so any request can be repeated with a new access token.
 */
static bool
perform_with_token(TwHttpRequest *request, const TwEndpoint *endpoint, TwHttpResponse *response)
{
	const char *token = tw_endpoint_secret(endpoint, "token");
	char	   *access_token;

	if (!tw_is_personal_access_token(token))
	{
		perform_authorized(request, "Token", token, response);
		return true;
	}
	access_token = tw_kept_access_token(endpoint->server_id, token);
	if (access_token == NULL)
		access_token = exchange_token(endpoint, token, response);
	if (access_token == NULL)
		return false;
	perform_authorized(request, "Bearer", access_token, response);
	if (response->status != 401)
		return true;
	access_token = exchange_token(endpoint, token, response);
	if (access_token == NULL)
		return false;
	perform_authorized(request, "Bearer", access_token, response);
	return true;
}

pg_noreturn static void
refuse_reply(const TwHttpRequest *request, int status, const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROTOCOL_VIOLATION),
			 errmsg("server \"%s\" answered HTTP %d with %s", request->server, status, what),
			 errdetail("The request was %s.", request->what),
			 errhint("%s", hint)));
}

/* The reply as jsonb; false = there is none. Invalid JSON is an error where the status implies JSON. */
static bool
read_reply(const TwHttpRequest *request, const TwHttpResponse *response, Datum *reply)
{
	int			status = response->status;

	if (status >= 300 && status <= 399)
		refuse_reply(request, status, "a redirect",
					 "Redirects are not followed: set the option url of the server to the final address, often "
					 "with https:// instead of http://.");
	if (status == 204 && response->length == 0)
		return false;
	if (tw_json_reply(response->body, response->length, reply))
		return true;
	if (status >= 200 && status <= 299)
		refuse_reply(request, status, "something that is not JSON, or is nested too deep",
					 "Check that the option url of the server leads to Label Studio itself, not to a proxy's or a "
					 "log-in page.");
	return false;
}

PG_FUNCTION_INFO_V1(tw_labelstudio_request);
PG_FUNCTION_INFO_V1(tw_labelstudio_token_kind);

Datum
tw_labelstudio_request(PG_FUNCTION_ARGS)
{
	char	   *server = ARGUMENT_TEXT(0);
	char	   *method = ARGUMENT_TEXT(1);
	char	   *path = ARGUMENT_TEXT(2);
	char	   *body = ARGUMENT_TEXT(4);
	TwEndpoint *endpoint;
	StringInfoData url;
	TwHttpRequest request;
	TwHttpResponse response;
	TupleDesc	desc;
	Datum		values[3] = {0};
	bool		nulls[3] = {0};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "tw_labelstudio_request() has to return a record");
	if (server == NULL || method == NULL || path == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("server, method and path must not be NULL")));
	check_target(method, path);

	endpoint = tw_endpoint(server, TW_LABELSTUDIO_WRAPPER);
	init_request(&request, endpoint, method, path);
	if (!PG_ARGISNULL(5) && PG_GETARG_BOOL(5))
		request.timeout = tw_endpoint_seconds(endpoint, "import_timeout", TW_IMPORT_TIMEOUT);
	initStringInfo(&url);
	appendStringInfo(&url, "%s%s", tw_endpoint_url(endpoint, "url"), path);
	if (!PG_ARGISNULL(3))
		append_parameters(&url, PG_GETARG_ARRAYTYPE_P(3));
	request.url = url.data;
	/* A server may wait for a missing body, so an empty one is sent. */
	if (body == NULL && strcmp(method, "GET") != 0 && strcmp(method, "DELETE") != 0)
		body = "";
	request.body = body;
	request.body_length = body == NULL ? 0 : strlen(body);

	nulls[1] = !perform_with_token(&request, endpoint, &response) || !read_reply(&request, &response, &values[1]);
	values[0] = Int32GetDatum(response.status);
	values[2] = TimestampTzGetDatum(response.date);
	nulls[2] = !response.has_date;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

Datum
tw_labelstudio_token_kind(PG_FUNCTION_ARGS)
{
	TwEndpoint *endpoint = tw_endpoint(text_to_cstring(PG_GETARG_TEXT_PP(0)), TW_LABELSTUDIO_WRAPPER);
	bool		is_personal = tw_is_personal_access_token(tw_endpoint_secret(endpoint, "token"));

	PG_RETURN_TEXT_P(cstring_to_text(is_personal ? "personal access token" : "legacy token"));
}
