/*
 * http.h
 *		Cancellable HTTP requests, one at a time.
 */
#ifndef TW_HTTP_H
#define TW_HTTP_H

#include "base/compat.h"
#include "datatype/timestamp.h"

/* Signs the request for S3, with signature version 4. The header x-amz-content-sha256 must be among its headers. */
typedef struct TwHttpSigning
{
	const char *region;
	const char *key_id;
	const char *secret;
} TwHttpSigning;

/*
 * Receives a part of a body; false ends the transfer. It is called from libcurl: it must not allocate memory or raise
 * errors.
 */
typedef bool (*TwHttpSink) (void *arg, const char *data, size_t length);

typedef struct TwHttpRequest
{
	/* for messages: the foreign server's name, and the request without a query, such as "GET /api/version/" */
	const char *server;
	const char *what;

	const char *method;
	const char *url;
	const char *const *headers; /* "Name: value" each, NULL at the end */
	const char *body;			/* NULL = none, or in a file */
	size_t		body_length;
	bool		body_from_file;
	int			body_file;		/* open for reading; its first body_length bytes are the body */
	const TwHttpSigning *signing;	/* NULL = none */

	double		connect_timeout;	/* seconds */
	double		timeout;		/* for the whole request, in seconds, */
	bool		timeout_is_stall;	/* or for the time without a byte in either direction */
	size_t		max_reply;		/* largest body that is kept, in bytes */
	size_t		reply_room;		/* bytes to leave free before the body */
	TwHttpSink	sink;			/* receives the body of a reply 200 instead; NULL = none */
	void	   *sink_arg;
	const char *wanted_header;	/* header whose value is kept, in lower case with the colon; NULL = none */
	bool		verify_tls;
	const char *ca_file;		/* NULL = the system's certificates */
} TwHttpRequest;

/* The progress of a request. Up to TW_HTTP_CONNECTING, the server has received no byte of it. */
typedef enum TwHttpPhase
{
	TW_HTTP_CONNECTING,
	TW_HTTP_SENDING,
	TW_HTTP_WAITING,
	TW_HTTP_RECEIVING,
	TW_HTTP_DONE
} TwHttpPhase;

typedef enum TwHttpFault
{
	TW_HTTP_NO_FAULT,
	TW_HTTP_UNKNOWN_HOST,
	TW_HTTP_REFUSED,
	TW_HTTP_TLS,
	TW_HTTP_CA_FILE,
	TW_HTTP_TIMEOUT,
	TW_HTTP_BROKEN,
	TW_HTTP_GARBLED,
	TW_HTTP_TOO_LARGE
} TwHttpFault;

typedef struct TwHttpResponse
{
	TwHttpPhase phase;
	TwHttpFault fault;
	char	   *detail;			/* libcurl's message, or NULL */

	/* with TW_HTTP_NO_FAULT */
	int			status;
	char	   *body;			/* ends with a NUL that is not part of the length */
	size_t		length;
	int64		announced;		/* Content-Length, or -1 */
	char	   *content_type;	/* or NULL */
	char	   *header;			/* the value of wanted_header, or NULL */
	bool		has_date;
	TimestampTz date;			/* the server's clock */
} TwHttpResponse;

extern void tw_http_try(const TwHttpRequest *request, TwHttpResponse *response);
extern void tw_http_perform(const TwHttpRequest *request, TwHttpResponse *response);
pg_noreturn extern void tw_http_raise(const TwHttpRequest *request, const TwHttpResponse *response);
extern bool tw_http_may_pass(const TwHttpResponse *response);
extern void tw_http_try_repeatedly(const TwHttpRequest *request, TwHttpResponse *response);
extern void tw_http_perform_repeatedly(const TwHttpRequest *request, TwHttpResponse *response);

#endif							/* TW_HTTP_H */
