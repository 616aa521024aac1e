/*
 * job_lock.h
 *		The lock of a running job.
 */
#ifndef TW_JOB_LOCK_H
#define TW_JOB_LOCK_H

/* Job numbers are below this. */
#define TW_MAX_JOBS 32

extern void tw_job_lock_init(void);

#endif							/* TW_JOB_LOCK_H */
