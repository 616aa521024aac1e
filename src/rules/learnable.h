/*
 * learnable.h
 *		Which messages can be learned from.
 */
#ifndef TW_LEARNABLE_H
#define TW_LEARNABLE_H

#include "capture/span.h"

extern bool tw_message_is_learnable(TwSpan message_type, TwSpan message);

#endif							/* TW_LEARNABLE_H */
