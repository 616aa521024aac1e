/*
 * log_state.h
 *		What the columns of a conversation can say together.
 */
#ifndef TW_LOG_STATE_H
#define TW_LOG_STATE_H

#include "capture/log_row.h"

extern void tw_check_state(const LogRow *row);

#endif							/* TW_LOG_STATE_H */
