/*
 * http_transfer.c
 *		One HTTP request on libcurl's multi interface.
 *
 * libcurl uses malloc: PG_FINALLY frees its memory.
 */
#include "postgres.h"

#include "http/http_transfer.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include <signal.h>

/* A cancel takes effect within a second. */
#define SLICE_MS 200

/*
 * libcurl resolves names in a thread, which inherits the signal mask. With all signals blocked, none of the server's
 * handlers runs in it, where it would fail. Signals from faults of this thread itself stay unblocked.
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

/*
 * Whether nothing, or next to nothing, was transferred for too long. libcurl's own check uses the mean of some seconds.
 * A server could otherwise send single bytes for ever: over ten times the time-out, the mean must be 1 kB a second.
 */
static bool
is_stalled(TwHttpTransfer *transfer)
{
	curl_off_t	sent = 0;
	curl_off_t	received = 0;
	TimestampTz now = GetCurrentTimestamp();
	int			timeout = Max((int) (transfer->request->timeout * 1000), 1);

	if (!transfer->request->timeout_is_stall)
		return false;
	curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
	curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
	sent += received + transfer->header_bytes;
	if (transfer->moved != sent || transfer->moved_at == 0)
	{
		transfer->moved = sent;
		transfer->moved_at = now;
	}
	if (transfer->window_at == 0)
		transfer->window_at = now;
	if (TimestampDifferenceExceeds(transfer->window_at, now, Min(timeout, 3600000) * 10))
	{
		if (sent - transfer->window_moved < (int64) timeout * 10)
			return true;
		transfer->window_at = now;
		transfer->window_moved = sent;
	}
	return TimestampDifferenceExceeds(transfer->moved_at, now, timeout);
}

static CURLcode
run(TwHttpTransfer *transfer)
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
			tw_http_refuse_memory();
		if (code != CURLM_OK)
			elog(ERROR, "libcurl: %s", curl_multi_strerror(code));
		if (running == 0)
			break;
		if (is_stalled(transfer))
			return CURLE_OPERATION_TIMEDOUT;
	}
	message = curl_multi_info_read(transfer->multi, &left);
	if (message == NULL || message->msg != CURLMSG_DONE)
		elog(ERROR, "libcurl says nothing of the request's result");
	return message->data.result;
}

/* Whether a byte of the request was sent separates a failed connection from one that broke. */
static TwHttpPhase
phase_reached(const TwHttpTransfer *transfer, CURLcode code)
{
	long		sent = 0;
	curl_off_t	uploaded = 0;

	if (code == CURLE_OK)
		return TW_HTTP_DONE;
	if (transfer->is_answered)
		return TW_HTTP_RECEIVING;
	curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &sent);
	if (sent == 0)
		return TW_HTTP_CONNECTING;
	curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
	return uploaded < (curl_off_t) transfer->request->body_length ? TW_HTTP_SENDING : TW_HTTP_WAITING;
}

static TwHttpFault
fault_of(const TwHttpTransfer *transfer, CURLcode code)
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

/* libcurl's own message, unless it might contain more than names and numbers. */
static char *
words_of(const TwHttpTransfer *transfer, CURLcode code)
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
hand_over(TwHttpTransfer *transfer, TwHttpResponse *response)
{
	long		status = 0;
	curl_off_t	announced = -1;
	size_t		room = transfer->request->reply_room;
	char	   *content_type = NULL;
	time_t		date = transfer->date[0] == '\0' ? -1 : curl_getdate(transfer->date, NULL);

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &content_type);
	curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
	response->status = (int) status;
	response->announced = announced;
	response->header = transfer->wanted[0] == '\0' ? NULL : pstrdup(transfer->wanted);
	response->content_type = content_type == NULL ? NULL : pstrdup(content_type);
	response->has_date = date != -1;
	response->date = response->has_date ? time_t_to_timestamptz((pg_time_t) date) : 0;
	response->length = transfer->length;
	response->body = (char *) palloc(room + transfer->length + 1) + room;
	if (transfer->length > 0)
		memcpy(response->body, transfer->body, transfer->length);
	response->body[transfer->length] = '\0';
}

/* The errors of this computer. */
static void
check_own_part(const TwHttpTransfer *transfer, CURLcode code)
{
	if (code == CURLE_OUT_OF_MEMORY || transfer->no_memory)
		tw_http_refuse_memory();
	if (transfer->read_errno != 0)
	{
		errno = transfer->read_errno;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read the file to send to server \"%s\": %m", transfer->request->server)));
	}
	if (transfer->is_short)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the file to send to server \"%s\" became shorter", transfer->request->server)));
}

static void
tear_down(TwHttpTransfer *transfer)
{
	if (transfer->is_added)
		curl_multi_remove_handle(transfer->multi, transfer->easy);
	curl_easy_cleanup(transfer->easy);
	curl_multi_cleanup(transfer->multi);
	curl_slist_free_all(transfer->headers);
	free(transfer->body);
}

/* Makes the request. Errors of the transfer are in response->fault; only a cancel and the like raise errors. */
void
tw_http_try(const TwHttpRequest *request, TwHttpResponse *response)
{
	TwHttpTransfer *transfer = palloc0(sizeof(TwHttpTransfer));

	Assert(request->max_reply < MaxAllocSize);
	memset(response, 0, sizeof(*response));
	PG_TRY();
	{
		CURLcode	code;

		tw_http_set_up(transfer, request);
		code = run(transfer);
		check_own_part(transfer, code);
		response->phase = phase_reached(transfer, code);
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
