/*
 * http_transfer.h
 *		What the two halves of the HTTP client share: a request on its way through libcurl.
 */
#ifndef TW_HTTP_TRANSFER_H
#define TW_HTTP_TRANSFER_H

#include "http/http.h"

#include <curl/curl.h>

#define MAX_HEADER_VALUE 128

/* Not on the stack: what PG_TRY changes, PG_FINALLY reads. */
typedef struct TwHttpTransfer
{
	CURLM	   *multi;
	CURL	   *easy;
	bool		is_added;
	struct curl_slist *headers;
	char		error[CURL_ERROR_SIZE];
	const TwHttpRequest *request;

	/* when something last moved, and how much had moved by then */
	TimestampTz moved_at;
	int64		moved;

	/* since when a minimum is asked for, and how much had moved by then */
	TimestampTz window_at;
	int64		window_moved;

	/* how much of a file has been read */
	size_t		sent;
	int			read_errno;
	bool		is_short;

	/* what the callbacks collect; by malloc */
	char	   *body;
	size_t		length;
	size_t		room;
	size_t		header_bytes;
	bool		is_answered;	/* more than "100 Continue" has come */
	char		date[MAX_HEADER_VALUE];
	char		wanted[MAX_HEADER_VALUE];
	bool		too_large;
	bool		no_memory;
} TwHttpTransfer;

extern void tw_http_set_up(TwHttpTransfer *transfer, const TwHttpRequest *request);
extern void tw_http_refuse_memory(void) pg_attribute_noreturn();

#endif							/* TW_HTTP_TRANSFER_H */
