/*
 * learnable.c
 *		Which messages can be learned from.
 */
#include "postgres.h"

#include "fmgr.h"
#include "rules/learnable.h"

/* A text message, which is what one of no type is, with something to read in it. */
bool
tw_message_is_learnable(TwSpan message_type, TwSpan message)
{
	static const TwSpan text_type = {"text", 4};

	return (message_type.data == NULL || tw_span_equals_ascii_ci(message_type, text_type)) &&
		message.data != NULL && !tw_span_is_blank(message);
}

PG_FUNCTION_INFO_V1(tw_is_learnable);

/* tw_is_learnable(message_type, user_message) */
Datum
tw_is_learnable(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(tw_message_is_learnable(tw_text_argument(fcinfo, 0), tw_text_argument(fcinfo, 1)));
}
