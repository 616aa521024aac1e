/*
 * http_retry.c
 *		Requests that may be repeated.
 */
#include "postgres.h"

#include "http/http.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

/* Waits before the second and the third attempt, in milliseconds. */
static const long pauses[] = {300, 1000};

/* A single attempt; a fault is an error. */
void
tw_http_perform(const TwHttpRequest *request, TwHttpResponse *response)
{
	tw_http_try(request, response);
	if (response->fault != TW_HTTP_NO_FAULT)
		tw_http_raise(request, response);
}

/* Whether the server received nothing of the request, for a reason that may be temporary. */
bool
tw_http_may_pass(const TwHttpResponse *response)
{
	return response->phase == TW_HTTP_CONNECTING &&
		(response->fault == TW_HTTP_UNKNOWN_HOST || response->fault == TW_HTTP_REFUSED ||
		 response->fault == TW_HTTP_TIMEOUT || response->fault == TW_HTTP_BROKEN);
}

/* Waits if there is another attempt, and returns whether there is. */
static bool
pause_before_next(int tried)
{
	TimestampTz until;

	if (tried >= (int) lengthof(pauses))
		return false;
	until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pauses[tried]);
	for (;;)
	{
		long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);

		CHECK_FOR_INTERRUPTS();
		if (left <= 0)
			return true;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, left, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/*
 * Makes a repeatable request, with up to three attempts. A missing reply is not waited for again: a server that hangs
 * would take three times as long.
 */
void
tw_http_try_repeatedly(const TwHttpRequest *request, TwHttpResponse *response)
{
	for (int tried = 0;; tried++)
	{
		bool		worth_it;

		tw_http_try(request, response);
		worth_it = response->fault == TW_HTTP_NO_FAULT ?
			response->status >= 502 && response->status <= 504 : tw_http_may_pass(response);
		if (!worth_it || !pause_before_next(tried))
			break;
	}
}

/* tw_http_try_repeatedly(); a fault is an error. */
void
tw_http_perform_repeatedly(const TwHttpRequest *request, TwHttpResponse *response)
{
	tw_http_try_repeatedly(request, response);
	if (response->fault != TW_HTTP_NO_FAULT)
		tw_http_raise(request, response);
}
