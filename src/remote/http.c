/*
 * http.c
 *		One HTTP request on libcurl's multi interface.
 *
 * libcurl's memory comes from malloc and its callbacks run within its frames:
 * nothing in them allocates by palloc or raises an error, and PG_FINALLY frees.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "remote/http.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include <curl/curl.h>
#include <signal.h>

/* Cancelling has to be answered within a second. */
#define SLICE_MS 200

#define MAX_HEADER_BYTES (64 * 1024)
#define MAX_DATE 64

/* Not on the stack: what PG_TRY changes, PG_FINALLY reads. */
typedef struct Transfer
{
	CURLM	   *multi;
	CURL	   *easy;
	bool		is_added;
	struct curl_slist *headers;
	char		error[CURL_ERROR_SIZE];

	/* what the callbacks collect; by malloc */
	char	   *body;
	size_t		length;
	size_t		room;
	size_t		max_reply;
	size_t		header_bytes;
	char		date[MAX_DATE];
	bool		too_large;
	bool		no_memory;
} Transfer;

static size_t
receive_body(char *data, size_t size, size_t count, void *arg)
{
	Transfer   *transfer = arg;
	size_t		more = size * count;

	if (more > transfer->max_reply - transfer->length)
	{
		transfer->too_large = true;
		return 0;
	}
	if (more > transfer->room - transfer->length)
	{
		size_t		room = Min(2 * transfer->room + more, transfer->max_reply);
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

static size_t
receive_header(char *data, size_t size, size_t count, void *arg)
{
	static const char name[] = "date:";
	Transfer   *transfer = arg;
	size_t		length = size * count;

	transfer->header_bytes += length;
	if (transfer->header_bytes > MAX_HEADER_BYTES)
	{
		transfer->too_large = true;
		return 0;
	}
	if (length > strlen(name) && pg_strncasecmp(data, name, strlen(name)) == 0)
	{
		size_t		value = Min(length - strlen(name), MAX_DATE - 1);

		memcpy(transfer->date, data + strlen(name), value);
		transfer->date[value] = '\0';
	}
	return length;
}

static void pg_attribute_noreturn()
refuse_memory(void)
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

static void pg_attribute_noreturn()
refuse_option(const char *option)
{
	elog(ERROR, "libcurl does not take %s", option);
}

/* A time-out of 0 would mean none. */
static long
milliseconds(double seconds)
{
	return Max((long) (seconds * 1000), 1L);
}

/* Nothing that the environment says may lead the request elsewhere. */
static void
set_limits(Transfer *transfer, const TwHttpRequest *request)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	SET(transfer, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(transfer, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
	SET(transfer, CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
	SET(transfer, CURLOPT_REDIR_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	/* Otherwise a cancelled request waits for the thread that asks a name server. */
	SET(transfer, CURLOPT_QUICK_EXIT, 1L);
#endif
	SET(transfer, CURLOPT_NOSIGNAL, 1L);
	SET(transfer, CURLOPT_FOLLOWLOCATION, 0L);
	SET(transfer, CURLOPT_PROXY, "");
	SET(transfer, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	SET(transfer, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	SET(transfer, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(request->connect_timeout));
	SET(transfer, CURLOPT_TIMEOUT_MS, milliseconds(request->timeout));
	SET(transfer, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t) request->max_reply);

	SET(transfer, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	SET(transfer, CURLOPT_SSL_VERIFYPEER, request->verify_tls ? 1L : 0L);
	SET(transfer, CURLOPT_SSL_VERIFYHOST, request->verify_tls ? 2L : 0L);
	if (request->ca_file != NULL)
		SET(transfer, CURLOPT_CAINFO, request->ca_file);
}

static void
add_header(Transfer *transfer, const char *header)
{
	struct curl_slist *longer = curl_slist_append(transfer->headers, header);

	if (longer == NULL)
		refuse_memory();
	transfer->headers = longer;
}

static void
set_request(Transfer *transfer, const TwHttpRequest *request)
{
	SET(transfer, CURLOPT_URL, request->url);
	SET(transfer, CURLOPT_USERAGENT, "training_workflow/" TW_VERSION);
	if (request->body != NULL)
	{
		SET(transfer, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_length);
		/* libcurl keeps the pointer. */
		SET(transfer, CURLOPT_POSTFIELDS, request->body);
	}
	if (strcmp(request->method, "HEAD") == 0)
		SET(transfer, CURLOPT_NOBODY, 1L);
	else
		SET(transfer, CURLOPT_CUSTOMREQUEST, request->method);

	for (const char *const *header = request->headers; header != NULL && *header != NULL; header++)
		add_header(transfer, *header);
	/* libcurl would wait for a "100 Continue" before a large body. */
	add_header(transfer, "Expect:");
	SET(transfer, CURLOPT_HTTPHEADER, transfer->headers);
}

static void
set_up(Transfer *transfer, const TwHttpRequest *request)
{
	transfer->max_reply = request->max_reply;
	transfer->multi = curl_multi_init();
	transfer->easy = curl_easy_init();
	if (transfer->multi == NULL || transfer->easy == NULL)
		refuse_memory();
	set_limits(transfer, request);
	set_request(transfer, request);
	SET(transfer, CURLOPT_ERRORBUFFER, transfer->error);
	SET(transfer, CURLOPT_WRITEFUNCTION, receive_body);
	SET(transfer, CURLOPT_WRITEDATA, transfer);
	SET(transfer, CURLOPT_HEADERFUNCTION, receive_header);
	SET(transfer, CURLOPT_HEADERDATA, transfer);
	if (curl_multi_add_handle(transfer->multi, transfer->easy) != CURLM_OK)
		refuse_memory();
	transfer->is_added = true;
}

/*
 * libcurl resolves names in a thread. It inherits the mask of signals: with all
 * of them blocked, no handler of the server's runs in it, where none of them
 * would find what it needs. What a fault of this thread's own raises stays open.
 */
static CURLMcode
perform_without_signals(CURLM *multi, int *running)
{
	sigset_t	blocked;
	sigset_t	before;
	CURLMcode	code;

	sigfillset(&blocked);
	sigdelset(&blocked, SIGABRT);
	sigdelset(&blocked, SIGBUS);
	sigdelset(&blocked, SIGFPE);
	sigdelset(&blocked, SIGILL);
	sigdelset(&blocked, SIGSEGV);
	sigdelset(&blocked, SIGTRAP);
	sigprocmask(SIG_SETMASK, &blocked, &before);
	code = curl_multi_perform(multi, running);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return code;
}

static CURLcode
run(Transfer *transfer)
{
	CURLMsg    *message;
	int			running = 1;
	int			left;

	for (;;)
	{
		CURLMcode	code;

		CHECK_FOR_INTERRUPTS();
		if (!PostmasterIsAlive())
			proc_exit(1);
		code = perform_without_signals(transfer->multi, &running);
		if (code == CURLM_OK && running > 0)
		{
			pgstat_report_wait_start(PG_WAIT_EXTENSION);
			code = curl_multi_poll(transfer->multi, NULL, 0, SLICE_MS, NULL);
			pgstat_report_wait_end();
		}
		if (code == CURLM_OUT_OF_MEMORY)
			refuse_memory();
		if (code != CURLM_OK)
			elog(ERROR, "libcurl: %s", curl_multi_strerror(code));
		if (running == 0)
			break;
	}
	message = curl_multi_info_read(transfer->multi, &left);
	if (message == NULL || message->msg != CURLMSG_DONE)
		elog(ERROR, "libcurl says nothing of the request's result");
	return message->data.result;
}

/* Whether a byte of the request has left tells a connection that failed from one that broke. */
static TwHttpPhase
phase_reached(const Transfer *transfer, const TwHttpRequest *request, CURLcode code)
{
	long		sent = 0;
	curl_off_t	uploaded = 0;

	if (code == CURLE_OK)
		return TW_HTTP_DONE;
	if (transfer->header_bytes > 0)
		return TW_HTTP_RECEIVING;
	curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &sent);
	if (sent == 0)
		return TW_HTTP_CONNECTING;
	curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
	return request->body != NULL && uploaded < (curl_off_t) request->body_length ? TW_HTTP_SENDING : TW_HTTP_WAITING;
}

static TwHttpFault
fault_of(const Transfer *transfer, CURLcode code)
{
	if (transfer->too_large)
		return TW_HTTP_TOO_LARGE;
	switch (code)
	{
		case CURLE_OK:
			return TW_HTTP_NO_FAULT;
		case CURLE_FILESIZE_EXCEEDED:
			return TW_HTTP_TOO_LARGE;
		case CURLE_COULDNT_RESOLVE_HOST:
			return TW_HTTP_UNKNOWN_HOST;
		case CURLE_COULDNT_CONNECT:
			return TW_HTTP_REFUSED;
		case CURLE_OPERATION_TIMEDOUT:
			return TW_HTTP_TIMEOUT;
		case CURLE_SSL_CACERT_BADFILE:
			return TW_HTTP_CA_FILE;
		case CURLE_SSL_CONNECT_ERROR:
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_CIPHER:
		case CURLE_SSL_ISSUER_ERROR:
		case CURLE_SSL_INVALIDCERTSTATUS:
			return TW_HTTP_TLS;
		case CURLE_WEIRD_SERVER_REPLY:
		case CURLE_UNSUPPORTED_PROTOCOL:
		case CURLE_BAD_CONTENT_ENCODING:
			return TW_HTTP_GARBLED;
		default:
			return TW_HTTP_BROKEN;
	}
}

/* libcurl's own words, unless they could hold more than names and numbers. */
static char *
words_of(const Transfer *transfer, CURLcode code)
{
	const char *words = transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code);

	for (const char *at = words; *at != '\0'; at++)
	{
		if (*at == '?' || *at < 0x20 || *at > 0x7e)
			return pstrdup(curl_easy_strerror(code));
	}
	return pstrdup(words);
}

static void
hand_over(Transfer *transfer, TwHttpResponse *response)
{
	long		status = 0;
	char	   *content_type = NULL;
	time_t		date = transfer->date[0] == '\0' ? -1 : curl_getdate(transfer->date, NULL);

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &content_type);
	response->status = (int) status;
	response->content_type = content_type == NULL ? NULL : pstrdup(content_type);
	response->has_date = date != -1;
	response->date = response->has_date ? time_t_to_timestamptz((pg_time_t) date) : 0;
	response->length = transfer->length;
	response->body = palloc(transfer->length + 1);
	if (transfer->length > 0)
		memcpy(response->body, transfer->body, transfer->length);
	response->body[transfer->length] = '\0';
}

static void
tear_down(Transfer *transfer)
{
	if (transfer->is_added)
		curl_multi_remove_handle(transfer->multi, transfer->easy);
	curl_easy_cleanup(transfer->easy);
	curl_multi_cleanup(transfer->multi);
	curl_slist_free_all(transfer->headers);
	free(transfer->body);
}

/* Makes the request. What goes wrong on the way is told by response->fault; only cancelling and the like are errors. */
void
tw_http_try(const TwHttpRequest *request, TwHttpResponse *response)
{
	Transfer   *transfer = palloc0(sizeof(Transfer));

	Assert(request->max_reply < MaxAllocSize);
	memset(response, 0, sizeof(*response));
	PG_TRY();
	{
		CURLcode	code;

		set_up(transfer, request);
		code = run(transfer);
		if (code == CURLE_OUT_OF_MEMORY || transfer->no_memory)
			refuse_memory();
		response->phase = phase_reached(transfer, request, code);
		response->fault = fault_of(transfer, code);
		if (response->fault == TW_HTTP_NO_FAULT)
			hand_over(transfer, response);
		else
			response->detail = words_of(transfer, code);
	}
	PG_FINALLY();
	{
		tear_down(transfer);
	}
	PG_END_TRY();
	pfree(transfer);
}

/* The same; a fault is an error. */
void
tw_http_perform(const TwHttpRequest *request, TwHttpResponse *response)
{
	tw_http_try(request, response);
	if (response->fault != TW_HTTP_NO_FAULT)
		tw_http_raise(request, response);
}

/* Whether the other side saw nothing of the request, for a reason that may be gone a second later. */
bool
tw_http_may_pass(const TwHttpResponse *response)
{
	return response->phase == TW_HTTP_CONNECTING &&
		(response->fault == TW_HTTP_UNKNOWN_HOST || response->fault == TW_HTTP_REFUSED ||
		 response->fault == TW_HTTP_TIMEOUT || response->fault == TW_HTTP_BROKEN);
}
