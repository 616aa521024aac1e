/*
 * http_setup.c
 *		The options of a request for libcurl, and its callbacks.
 *
 * libcurl calls them: none of them uses palloc or raises an error.
 */
#include "postgres.h"

#include "base/compat.h"
#include "http/http_transfer.h"

#include <unistd.h>

#define MAX_HEADER_BYTES (64 * 1024)

/* Large bodies are transferred in large pieces. */
#define PIECE (256 * 1024L)

static size_t
receive_body(char *data, size_t size, size_t count, void *arg)
{
	TwHttpTransfer *transfer = arg;
	size_t		more = size * count;
	size_t		max_reply = transfer->request->max_reply;
	long		status = 0;

	if (transfer->request->sink != NULL)
	{
		curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
		/* An error's body is kept for the error message. */
		if (status == 200)
			return transfer->request->sink(transfer->request->sink_arg, data, more) ? more : 0;
	}
	if (more > max_reply - transfer->length)
	{
		transfer->too_large = true;
		return 0;
	}
	if (more > transfer->room - transfer->length)
	{
		size_t		room = Min(2 * transfer->room + more, max_reply);
		char	   *body = realloc(transfer->body, room);

		if (body == NULL)
		{
			transfer->no_memory = true;
			return 0;
		}
		transfer->body = body;
		transfer->room = room;
	}
	memcpy(transfer->body + transfer->length, data, more);
	transfer->length += more;
	return more;
}

/* Keeps the value of the header if it has this name, which ends with a colon. */
static void
keep_header(char *value, const char *name, const char *data, size_t length)
{
	size_t		before = name == NULL ? length : strlen(name);

	if (length <= before || pg_strncasecmp(data, name, before) != 0)
		return;
	while (before < length && (data[before] == ' ' || data[before] == '\t'))
		before++;
	while (length > before && strchr("\r\n \t", data[length - 1]) != NULL)
		length--;
	length = Min(length - before, MAX_HEADER_VALUE - 1);
	memcpy(value, data + before, length);
	value[length] = '\0';
}

static size_t
receive_header(char *data, size_t size, size_t count, void *arg)
{
	TwHttpTransfer *transfer = arg;
	size_t		length = size * count;
	long		status = 0;

	transfer->header_bytes += length;
	if (transfer->header_bytes > MAX_HEADER_BYTES)
	{
		transfer->too_large = true;
		return 0;
	}
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	transfer->is_answered |= status >= 200;
	keep_header(transfer->date, "date:", data, length);
	keep_header(transfer->wanted, transfer->request->wanted_header, data, length);
	return length;
}

/* Gives libcurl the next part of a file. */
static size_t
send_file(char *buffer, size_t size, size_t count, void *arg)
{
	TwHttpTransfer *transfer = arg;
	size_t		wanted = Min(size * count, transfer->request->body_length - transfer->sent);
	ssize_t		got = wanted == 0 ? 0 : pread(transfer->request->body_file, buffer, wanted, transfer->sent);

	if (got < 0)
		transfer->read_errno = errno;
	transfer->is_short = got == 0 && wanted > 0;
	if (got < 0 || transfer->is_short)
		return CURL_READFUNC_ABORT;
	transfer->sent += got;
	return got;
}

/* libcurl sends the body again if a reused connection turns out to be closed. */
static int
seek_file(void *arg, curl_off_t offset, int origin)
{
	TwHttpTransfer *transfer = arg;

	if (origin != SEEK_SET)
		return CURL_SEEKFUNC_CANTSEEK;
	transfer->sent = offset;
	return CURL_SEEKFUNC_OK;
}

void
tw_http_refuse_memory(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory"),
			 errdetail("Failed in libcurl.")));
}

#define SET(transfer, option, value) \
	do { \
		if (curl_easy_setopt((transfer)->easy, (option), (value)) != CURLE_OK) \
			refuse_option(#option); \
	} while (0)

pg_noreturn static void
refuse_option(const char *option)
{
	elog(ERROR, "libcurl does not take %s", option);
}

/* At least 1: libcurl takes 0 as no time-out. */
static long
milliseconds(double seconds)
{
	return Max((long) (seconds * 1000), 1L);
}

/* No environment variable may redirect the request. */
static void
set_limits(TwHttpTransfer *transfer, const TwHttpRequest *request)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	SET(transfer, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(transfer, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
	SET(transfer, CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
	SET(transfer, CURLOPT_REDIR_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	/* Otherwise a cancelled request waits for the thread that resolves names. */
	SET(transfer, CURLOPT_QUICK_EXIT, 1L);
#endif
	SET(transfer, CURLOPT_NOSIGNAL, 1L);
	SET(transfer, CURLOPT_FOLLOWLOCATION, 0L);
	SET(transfer, CURLOPT_PROXY, "");
	SET(transfer, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	SET(transfer, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	SET(transfer, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(request->connect_timeout));
	if (!request->timeout_is_stall)
		SET(transfer, CURLOPT_TIMEOUT_MS, milliseconds(request->timeout));
	/* The limit also applies to the length that a HEAD announces. */
	if (request->sink == NULL && strcmp(request->method, "HEAD") != 0)
		SET(transfer, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t) request->max_reply);

	SET(transfer, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	SET(transfer, CURLOPT_SSL_VERIFYPEER, request->verify_tls ? 1L : 0L);
	SET(transfer, CURLOPT_SSL_VERIFYHOST, request->verify_tls ? 2L : 0L);
	if (request->ca_file != NULL)
		SET(transfer, CURLOPT_CAINFO, request->ca_file);
}

static void
add_header(TwHttpTransfer *transfer, const char *header)
{
	struct curl_slist *longer = curl_slist_append(transfer->headers, header);

	if (longer == NULL)
		tw_http_refuse_memory();
	transfer->headers = longer;
}

static void
set_signing(TwHttpTransfer *transfer, const TwHttpSigning *signing)
{
	/* 7.87 is the first version that also signs the headers of S3. */
#if LIBCURL_VERSION_NUM >= 0x075700
	char	   *provider = psprintf("aws:amz:%s:s3", signing->region);

	/* Without CURLOPT_PATH_AS_IS, which newer versions refuse beside it. Keys have no parts of dots to be resolved. */
	SET(transfer, CURLOPT_AWS_SIGV4, provider);
	pfree(provider);
	SET(transfer, CURLOPT_USERNAME, signing->key_id);
	SET(transfer, CURLOPT_PASSWORD, signing->secret);
#else
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("this libcurl cannot sign requests to S3"),
			 errhint("Build the extension with libcurl 7.87 or later.")));
#endif
}

static void
set_request(TwHttpTransfer *transfer, const TwHttpRequest *request)
{
	SET(transfer, CURLOPT_URL, request->url);
	SET(transfer, CURLOPT_USERAGENT, "training_workflow/" TW_VERSION);
	if (request->sink != NULL)
		SET(transfer, CURLOPT_BUFFERSIZE, PIECE);
	if (request->body_from_file)
	{
		SET(transfer, CURLOPT_UPLOAD, 1L);
		SET(transfer, CURLOPT_UPLOAD_BUFFERSIZE, PIECE);
		SET(transfer, CURLOPT_INFILESIZE_LARGE, (curl_off_t) request->body_length);
		SET(transfer, CURLOPT_READFUNCTION, send_file);
		SET(transfer, CURLOPT_READDATA, transfer);
		SET(transfer, CURLOPT_SEEKFUNCTION, seek_file);
		SET(transfer, CURLOPT_SEEKDATA, transfer);
	}
	else if (request->body != NULL)
	{
		SET(transfer, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_length);
		/* libcurl does not copy the body. */
		SET(transfer, CURLOPT_POSTFIELDS, request->body);
	}
	if (strcmp(request->method, "HEAD") == 0)
		SET(transfer, CURLOPT_NOBODY, 1L);
	else
		SET(transfer, CURLOPT_CUSTOMREQUEST, request->method);

	for (const char *const *header = request->headers; header != NULL && *header != NULL; header++)
		add_header(transfer, *header);

	/*
	 * libcurl would wait for a "100 Continue" before a large body. S3 sends it, or refuses before the body; and libcurl
	 * 7.88 would sign this header and then omit it.
	 */
	if (request->signing != NULL)
		set_signing(transfer, request->signing);
	else
		add_header(transfer, "Expect:");
	SET(transfer, CURLOPT_HTTPHEADER, transfer->headers);
}

/* Prepares the transfer of a request. */
void
tw_http_set_up(TwHttpTransfer *transfer, const TwHttpRequest *request)
{
	transfer->request = request;
	transfer->multi = curl_multi_init();
	transfer->easy = curl_easy_init();
	if (transfer->multi == NULL || transfer->easy == NULL)
		tw_http_refuse_memory();
	set_limits(transfer, request);
	set_request(transfer, request);
	SET(transfer, CURLOPT_ERRORBUFFER, transfer->error);
	SET(transfer, CURLOPT_WRITEFUNCTION, receive_body);
	SET(transfer, CURLOPT_WRITEDATA, transfer);
	SET(transfer, CURLOPT_HEADERFUNCTION, receive_header);
	SET(transfer, CURLOPT_HEADERDATA, transfer);
	if (curl_multi_add_handle(transfer->multi, transfer->easy) != CURLM_OK)
		tw_http_refuse_memory();
	transfer->is_added = true;
}
