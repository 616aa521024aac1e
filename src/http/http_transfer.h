/*
 * http_transfer.h
 *		The struct shared by the two parts of the HTTP client: a request in progress.
 */
#ifndef TW_HTTP_TRANSFER_H
#define TW_HTTP_TRANSFER_H

#include "base/compat.h"
#include "http/http.h"

#include <curl/curl.h>

#define MAX_HEADER_VALUE 128

/* Not on the stack: PG_TRY changes it, and PG_FINALLY reads it. */
typedef struct TwHttpTransfer
{
	CURLM	   *multi;
	CURL	   *easy;
	bool		is_added;
	struct curl_slist *headers;
	char		error[CURL_ERROR_SIZE];
	const TwHttpRequest *request;

	/* time of the last progress, and the bytes transferred by then */
	TimestampTz moved_at;
	int64		moved;

	/* start of the window of the minimum speed, and the bytes transferred by then */
	TimestampTz window_at;
	int64		window_moved;

	/* how much of a file has been read */
	size_t		sent;
	int			read_errno;
	bool		is_short;

	/* filled by the callbacks, with malloc */
	char	   *body;
	size_t		length;
	size_t		room;
	size_t		header_bytes;
	bool		is_answered;	/* a reply other than "100 Continue" has begun */
	char		date[MAX_HEADER_VALUE];
	char		wanted[MAX_HEADER_VALUE];
	bool		too_large;
	bool		no_memory;
} TwHttpTransfer;

extern void tw_http_set_up(TwHttpTransfer *transfer, const TwHttpRequest *request);
pg_noreturn extern void tw_http_refuse_memory(void);

#endif							/* TW_HTTP_TRANSFER_H */
