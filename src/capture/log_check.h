/*
 * log_check.h
 *		The CHECK of conversation_logs, ready to be evaluated.
 */
#ifndef TW_LOG_CHECK_H
#define TW_LOG_CHECK_H

#include "utils/rel.h"

extern void tw_log_check_init(void);
extern void tw_keep_log_check(Relation logs);

#endif							/* TW_LOG_CHECK_H */
