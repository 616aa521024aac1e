/*
 * drop_guard.h
 *		Refuses to drop tables whose data cannot be recovered.
 */
#ifndef TW_DROP_GUARD_H
#define TW_DROP_GUARD_H

extern void tw_drop_guard_init(void);

#endif							/* TW_DROP_GUARD_H */
