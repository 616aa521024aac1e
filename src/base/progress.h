/*
 * progress.h
 *		How far the long work of a session is, for other sessions to see.
 */
#ifndef TW_PROGRESS_H
#define TW_PROGRESS_H

/* What a session works on. progress.c has their names. */
typedef enum TwWork
{
	TW_WORK_TRAINING = 1,
	TW_WORK_IMPORT,
	TW_WORK_EXPORT,
	TW_WORK_ERASURE
} TwWork;

/* Of a total that is not known. */
#define TW_UNKNOWN_TOTAL (-1)

extern void tw_note_progress(TwWork work, int64 item, int64 done, int64 total);
extern void tw_end_progress(void);

#endif							/* TW_PROGRESS_H */
