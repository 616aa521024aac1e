/*
 * conversations.h
 *		The module of a conversation, and whether it can be learned from.
 */
#ifndef TW_CONVERSATIONS_H
#define TW_CONVERSATIONS_H

#include "base/span.h"

extern TwSpan tw_intent_module(TwSpan intent);
extern TwSpan tw_module_of(TwSpan module_type, TwSpan intent);
extern bool tw_message_is_learnable(TwSpan message_type, TwSpan message);

#endif							/* TW_CONVERSATIONS_H */
