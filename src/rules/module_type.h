/*
 * module_type.h
 *		The module of a conversation.
 */
#ifndef TW_MODULE_TYPE_H
#define TW_MODULE_TYPE_H

#include "capture/span.h"

extern TwSpan tw_intent_module(TwSpan intent);
extern TwSpan tw_module_of(TwSpan module_type, TwSpan intent);

#endif							/* TW_MODULE_TYPE_H */
