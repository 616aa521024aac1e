/*
 * time_argument.h
 *		The check of the argument "at": the time that counts as now.
 */
#ifndef TW_TIME_ARGUMENT_H
#define TW_TIME_ARGUMENT_H

extern void tw_time_argument_init(void);

#endif							/* TW_TIME_ARGUMENT_H */
