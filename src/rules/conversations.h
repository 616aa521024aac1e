/*
 * conversations.h
 *		The module of a conversation, and whether models can learn from its
 *		message.
 */
#ifndef TW_CONVERSATIONS_H
#define TW_CONVERSATIONS_H

#include "base/slice.h"

extern TwSlice tw_intent_module(TwSlice intent);
extern TwSlice tw_module_of(TwSlice module_type, TwSlice intent);
extern bool tw_message_is_learnable(TwSlice message_type, TwSlice message);

#endif							/* TW_CONVERSATIONS_H */
