/*
 * time_argument.h
 *		The time that a caller wants to be counted as now.
 */
#ifndef TW_TIME_ARGUMENT_H
#define TW_TIME_ARGUMENT_H

extern void tw_time_argument_init(void);

#endif							/* TW_TIME_ARGUMENT_H */
