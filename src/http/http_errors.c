/*
 * http_errors.c
 *		Raises the fault of an HTTP request as an error that tells how far the request came.
 *
 * No message contains a body, a header, a secret or a query.
 */
#include "postgres.h"

#include "base/compat.h"
#include "http/http.h"

static const char *
while_doing(TwHttpPhase phase)
{
	switch (phase)
	{
		case TW_HTTP_SENDING:
			return "while sending the request";
		case TW_HTTP_WAITING:
			return "while waiting for the reply";
		default:
			return "while receiving the reply";
	}
}

pg_noreturn static void
raise_not_connected(const TwHttpRequest *request, const TwHttpResponse *response)
{
	const char *why = "the connection failed";
	const char *hint = "Check that it is running, and that the server's address (ALTER SERVER ... OPTIONS) leads to it "
		"from the database's machine.";

	switch (response->fault)
	{
		case TW_HTTP_UNKNOWN_HOST:
			why = "its host name cannot be resolved";
			hint = "Check the host in the address of the server (ALTER SERVER ... OPTIONS), and the name service of "
				"the database's machine.";
			break;
		case TW_HTTP_REFUSED:
			why = "nothing accepts connections there";
			break;
		case TW_HTTP_TIMEOUT:
			why = psprintf("no connection within %g s", Min(request->connect_timeout, request->timeout));
			hint = "Check that it is running and can be reached from the database's machine. The option "
				"connect_timeout sets how long to wait.";
			break;
		case TW_HTTP_TLS:
			why = "the TLS handshake failed";
			hint = "For a certificate of your own authority, set the server's option ca_file to that authority's "
				"certificate. The address of a server without TLS begins with http://.";
			break;
		case TW_HTTP_CA_FILE:
			why = "the file of the option ca_file cannot be used";
			hint = "The file must contain certificates in PEM format, and the database server must be able to read it.";
			break;
		default:
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
			 errmsg("could not connect to server \"%s\": %s", request->server, why),
			 errdetail("The request was %s. libcurl says: %s.", request->what, response->detail),
			 errhint("%s", hint)));
}

pg_noreturn static void
raise_too_large(const TwHttpRequest *request, const TwHttpResponse *response)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("the reply of server \"%s\" is too large", request->server),
			 errdetail("The request was %s. A reply may have %zu MB and 64 kB of headers.",
					   request->what, request->max_reply / (1024 * 1024)),
			 errhint("Check that the address of the server leads to the right service.")));
}

pg_noreturn static void
raise_broken(const TwHttpRequest *request, const TwHttpResponse *response)
{
	const char *doing = while_doing(response->phase);

	if (response->fault == TW_HTTP_TIMEOUT)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg(request->timeout_is_stall ? "server \"%s\" took too long: no data for %g s %s" :
						"server \"%s\" took too long: no end after %g s %s", request->server, request->timeout, doing),
				 errdetail("The request was %s. It may have been carried out all the same.", request->what),
				 errhint("The service may be overloaded. The server's options set how long to wait.")));
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg(response->fault == TW_HTTP_GARBLED ? "server \"%s\" does not speak HTTP: detected %s" :
					"the connection to server \"%s\" broke %s", request->server, doing),
			 errdetail("The request was %s. It may have been carried out all the same. libcurl says: %s.",
					   request->what, response->detail),
			 errhint("See the log of the service, or of a proxy before it.")));
}

void
tw_http_raise(const TwHttpRequest *request, const TwHttpResponse *response)
{
	if (response->fault == TW_HTTP_TOO_LARGE)
		raise_too_large(request, response);
	if (response->phase == TW_HTTP_CONNECTING)
		raise_not_connected(request, response);
	raise_broken(request, response);
}
