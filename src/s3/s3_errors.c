/*
 * s3_errors.c
 *		The meaning of a store's refusal, and advice.
 *
 * Only the code and message of the reply are quoted: some stores repeat the request in it.
 */
#include "postgres.h"

#include "s3/s3_client.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define MAX_CODE 64
#define MAX_MESSAGE 200

/* From this difference on, in seconds, stores refuse because of the clock. */
#define MAX_SKEW (15 * 60)

typedef struct Explanation
{
	const char *code;
	int			sqlerrcode;
	const char *hint;
} Explanation;

static const Explanation explanations[] = {
	{"InvalidAccessKeyId", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	"The store does not know the access key: check access_key_id of the user mapping."},
	{"SignatureDoesNotMatch", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
		"Check secret_access_key of the user mapping: it has to belong to its access_key_id. A proxy that changes the "
	"header Host has the same effect."},
	{"ExpiredToken", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	"The access key of the user mapping is a temporary one: use a permanent one."},
	{"InvalidTokenId", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	"The access key of the user mapping is a temporary one: use a permanent one."},
	{"AuthorizationHeaderMalformed", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	"Set the option region of the server to that of the bucket."},
	{"AccessDenied", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	"The access key of the user mapping may not do this: see the policies of its user and of the bucket."},
	{"RequestTimeTooSkewed", ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	"Set the clocks of both machines, preferably with NTP."},
	{"NoSuchBucket", ERRCODE_UNDEFINED_OBJECT,
	"Create the bucket, or name the right one in the option bucket of the server."},
	{"NoSuchKey", ERRCODE_UNDEFINED_OBJECT,
	"It was deleted, or the options bucket and prefix of the server are not those of the time when it was stored."},
	{"SlowDown", ERRCODE_INSUFFICIENT_RESOURCES, "The store is overloaded. The next run tries again."},
	{"SlowDownWrite", ERRCODE_INSUFFICIENT_RESOURCES, "The store is overloaded. The next run tries again."},
	{"SlowDownRead", ERRCODE_INSUFFICIENT_RESOURCES, "The store is overloaded. The next run tries again."},
	{"ServiceUnavailable", ERRCODE_INSUFFICIENT_RESOURCES,
	"The store is overloaded or starting. The next run tries again."},
	{"EntityTooLarge", ERRCODE_PROGRAM_LIMIT_EXCEEDED,
	"The store, or a proxy before it, has a limit on the size of one upload."},
	{"XMinioStorageFull", ERRCODE_DISK_FULL, "The store's disks are full."},
	{"XMinioAdminBucketQuotaExceeded", ERRCODE_DISK_FULL, "The bucket's quota is used up."},
	{"QuotaExceeded", ERRCODE_DISK_FULL, "The bucket's quota is used up."},
	{"PermanentRedirect", ERRCODE_PROTOCOL_VIOLATION,
	"Redirects are not followed: set the options endpoint and region of the server to those of the bucket."},
	{"TemporaryRedirect", ERRCODE_PROTOCOL_VIOLATION,
	"Redirects are not followed: set the options endpoint and region of the server to those of the bucket."},
	{"XAmzContentSHA256Mismatch", ERRCODE_PROTOCOL_VIOLATION,
	"The bytes that arrived are not those that were sent: look for a proxy that changes them."},
	{"BadDigest", ERRCODE_PROTOCOL_VIOLATION,
	"The bytes that arrived are not those that were sent: look for a proxy that changes them."},
};

/* A refusal without a known code: a HEAD has no body, and a proxy sends no XML. */
static Explanation
explain_status(int status)
{
	if (status == 401 || status == 403)
		return (Explanation) {NULL, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
			"Check the user mapping, the policies of its access key, and that the option endpoint leads to the store."};
	if (status == 404)
		return (Explanation) {NULL, ERRCODE_UNDEFINED_OBJECT, "Either the object or the bucket does not exist."};
	if (status == 413)
		return (Explanation) {NULL, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
			"A proxy before the store limits the size of uploads."};
	if (status == 429 || status == 503)
		return (Explanation) {NULL, ERRCODE_INSUFFICIENT_RESOURCES,
			"The store is overloaded. The next run tries again."};
	if (status == 507)
		return (Explanation) {NULL, ERRCODE_DISK_FULL, "The store's disks are full."};
	if (status >= 500)
		return (Explanation) {NULL, ERRCODE_CONNECTION_FAILURE, "See the store's own log. The next run tries again."};
	if (status >= 300 && status <= 399)
		return (Explanation) {NULL, ERRCODE_PROTOCOL_VIOLATION,
			"Redirects are not followed: set the option endpoint of the server to the final address, often with "
			"https:// instead of http://, and the option region to its region."};
	return (Explanation) {NULL, ERRCODE_PROTOCOL_VIOLATION,
		"Check that the option endpoint of the server leads to a store that supports S3."};
}

static Explanation
explain(const char *code, int status)
{
	for (size_t i = 0; code != NULL && i < lengthof(explanations); i++)
	{
		if (strcmp(explanations[i].code, code) == 0)
			return explanations[i];
	}
	return explain_status(status);
}

static bool
is_code(const char *code)
{
	for (const char *at = code; *at != '\0'; at++)
	{
		if (!isalnum((unsigned char) *at) && *at != '.')
			return false;
	}
	return code[0] != '\0';
}

/* The difference between the clocks, or NULL where it is too small for a refusal. */
static char *
skew_of(const TwHttpResponse *response)
{
	long		seconds;

	if (!response->has_date)
		return NULL;
	seconds = (long) ((response->date - GetCurrentTimestamp()) / USECS_PER_SEC);
	if (labs(seconds) < MAX_SKEW)
		return NULL;
	return psprintf("The store's clock is %ld h %ld min %ld s %s this machine's.", labs(seconds) / 3600,
					labs(seconds) / 60 % 60, labs(seconds) % 60, seconds > 0 ? "ahead of" : "behind");
}

/* The store's message, unless it contains the key. */
static char *
words_of(const TwS3Store *store, const TwHttpResponse *response)
{
	char	   *words = tw_s3_error_part(response->body, response->length, "Message", MAX_MESSAGE);

	if (words == NULL || words[0] == '\0' || strstr(words, store->signing.secret) != NULL ||
		strstr(words, store->signing.key_id) != NULL)
		return NULL;
	return psprintf("The store says: %s%s", words, strchr(".!?", words[strlen(words) - 1]) == NULL ? "." : "");
}

void
tw_s3_explain(const TwS3Store *store, const TwHttpRequest *request, const TwHttpResponse *response,
			  TwS3Refusal *refusal)
{
	char	   *code = tw_s3_error_part(response->body, response->length, "Code", MAX_CODE);
	char	   *words = words_of(store, response);
	char	   *skew = response->status == 403 || response->status == 400 ? skew_of(response) : NULL;
	Explanation explanation;

	refusal->code = code != NULL && is_code(code) ? code : NULL;
	explanation = explain(refusal->code, response->status);
	refusal->sqlerrcode = explanation.sqlerrcode;
	refusal->message = psprintf("object store \"%s\" refused %s: %s%sHTTP %d%s", store->endpoint->server, request->what,
								refusal->code == NULL ? "" : refusal->code, refusal->code == NULL ? "" : " (",
								response->status, refusal->code == NULL ? "" : ")");
	refusal->detail = words != NULL && skew != NULL ? psprintf("%s %s", skew, words) : skew != NULL ? skew : words;
	refusal->hint = pstrdup(explanation.hint);
}

void
tw_s3_refuse(const TwS3Store *store, const TwHttpRequest *request, const TwHttpResponse *response)
{
	TwS3Refusal refusal;

	tw_s3_explain(store, request, response, &refusal);
	ereport(ERROR,
			(errcode(refusal.sqlerrcode),
			 errmsg("%s", refusal.message),
			 refusal.detail == NULL ? 0 : errdetail("%s", refusal.detail),
			 errhint("%s", refusal.hint)));
}
