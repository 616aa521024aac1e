/*
 * conversations.c
 *		The module of a conversation, and whether models can learn from its
 *		message. The filter and all later steps use them.
 */
#include "postgres.h"

#include "fmgr.h"
#include "rules/conversations.h"
#include "utils/builtins.h"

/* The second part of a dotted intent ("food" of "intent.food.item.search"), or a NULL slice. */
TwSlice
tw_intent_module(TwSlice intent)
{
	TwSlice		module = TW_NULL_SLICE;
	const char *end = intent.data + intent.length;
	const char *dot;

	if (intent.data == NULL)
		return module;
	dot = memchr(intent.data, '.', intent.length);
	if (dot == NULL)
		return module;
	module.data = dot + 1;
	dot = memchr(module.data, '.', end - module.data);
	module.length = (dot ? dot : end) - module.data;
	return module.length > 0 ? module : TW_NULL_SLICE;
}

/* The given module, or the intent's module if that is NULL or empty; may be a NULL slice. */
TwSlice
tw_module_of(TwSlice module_type, TwSlice intent)
{
	if (module_type.data != NULL && module_type.length > 0)
		return module_type;
	return tw_intent_module(intent);
}

PG_FUNCTION_INFO_V1(tw_module_type);

/* tw_module_type(module_type, intent) */
Datum
tw_module_type(PG_FUNCTION_ARGS)
{
	TwSlice		given = tw_text_argument(fcinfo, 0);
	TwSlice		module = tw_module_of(given, tw_text_argument(fcinfo, 1));

	if (module.data == NULL)
		PG_RETURN_NULL();
	if (module.data == given.data)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(module.data, module.length));
}

PG_FUNCTION_INFO_V1(tw_intent_module_type);

/* intent_module_type(intent): the module that an intent names. */
Datum
tw_intent_module_type(PG_FUNCTION_ARGS)
{
	TwSlice		module = tw_intent_module(tw_text_argument(fcinfo, 0));

	if (module.data == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(module.data, module.length));
}

/* Whether it is a text message (a NULL type counts as text) and not blank. */
bool
tw_message_is_learnable(TwSlice message_type, TwSlice message)
{
	static const TwSlice text_type = {"text", 4};

	return (message_type.data == NULL || tw_slice_equals_ascii_ci(message_type, text_type)) &&
		message.data != NULL && !tw_slice_is_blank(message);
}

PG_FUNCTION_INFO_V1(tw_is_learnable);

/* tw_is_learnable(message_type, user_message) */
Datum
tw_is_learnable(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(tw_message_is_learnable(tw_text_argument(fcinfo, 0), tw_text_argument(fcinfo, 1)));
}
