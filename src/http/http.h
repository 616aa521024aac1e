/*
 * http.h
 *		One HTTP request at a time, which can be cancelled.
 */
#ifndef TW_HTTP_H
#define TW_HTTP_H

#include "datatype/timestamp.h"

/*
 * Signs the request as S3 wants it, signature version 4. The header x-amz-content-sha256 has to be among the request's.
 */
typedef struct TwHttpSigning
{
	const char *region;
	const char *key_id;
	const char *secret;
} TwHttpSigning;

/*
 * Takes a piece of a body; false ends the transfer. libcurl's frames are below it: it must not allocate or raise
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
	const char *body;			/* NULL = none, or a file's */
	size_t		body_length;
	bool		body_from_file;
	int			body_file;		/* open for reading; its first body_length bytes are the body */
	const TwHttpSigning *signing;	/* NULL = none */

	double		connect_timeout;	/* seconds */
	double		timeout;		/* of the whole, in seconds, */
	bool		timeout_is_stall;	/* or without a byte in either direction */
	size_t		max_reply;		/* bytes of body that are kept */
	size_t		reply_room;		/* bytes to leave free before the body */
	TwHttpSink	sink;			/* where the body of a reply 200 goes instead; NULL = nowhere */
	void	   *sink_arg;
	const char *wanted_header;	/* its value is kept; in small letters and with the colon; NULL = none */
	bool		verify_tls;
	const char *ca_file;		/* NULL = the system's */
} TwHttpRequest;

/* How far a request came. Up to TW_HTTP_CONNECTING, the other side has not seen a byte of it. */
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
	char	   *detail;			/* libcurl's words on the fault, or NULL */

	/* with TW_HTTP_NO_FAULT */
	int			status;
	char	   *body;			/* ends with a NUL that the length does not count */
	size_t		length;
	int64		announced;		/* Content-Length, or -1 */
	char	   *content_type;	/* or NULL */
	char	   *header;			/* that was wanted, or NULL */
	bool		has_date;
	TimestampTz date;			/* the other side's clock */
} TwHttpResponse;

extern void tw_http_try(const TwHttpRequest *request, TwHttpResponse *response);
extern void tw_http_perform(const TwHttpRequest *request, TwHttpResponse *response);
extern void tw_http_raise(const TwHttpRequest *request, const TwHttpResponse *response) pg_attribute_noreturn();
extern bool tw_http_may_pass(const TwHttpResponse *response);
extern void tw_http_try_repeatedly(const TwHttpRequest *request, TwHttpResponse *response);
extern void tw_http_perform_repeatedly(const TwHttpRequest *request, TwHttpResponse *response);

#endif							/* TW_HTTP_H */
