/*
 * written_once.h
 *		The one change of written-once columns that the extension makes itself.
 */
#ifndef TW_WRITTEN_ONCE_H
#define TW_WRITTEN_ONCE_H

extern void tw_open_written_once(void);
extern void tw_close_written_once(void);

#endif							/* TW_WRITTEN_ONCE_H */
