/*
 * locks.h
 *		The register of our advisory locks.
 *
 * All of them are of classes (objsubid in pg_locks) that no SQL function
 * takes: pg_advisory_lock() has class 1, with two keys 2.  Nobody who may
 * merely connect can hold one and so keep us waiting.  Their first key
 * (classid) is the OID of conversation_logs, which stands for the
 * installation, the second (objid) the object where a kind has several.
 */
#ifndef TW_LOCKS_H
#define TW_LOCKS_H

#include "storage/lock.h"

/*
 * Whoever takes several takes them in this order: SIDES, JOB_QUEUE, REGISTRY.
 * TRAINING and MODEL_TYPE are only tried by those who hold others.
 */
typedef enum TwLockKind
{
	TW_LOCK_JOB = 3,			/* a job of tw_jobs() runs, by its number; the session's, see runs/job_lock.c */
	TW_LOCK_SIDES = 7,			/* sides of texts are decided, or samples imported */
	TW_LOCK_POLICIES = 8,		/* review_policies changes; its first key is the OID of that table */
	TW_LOCK_REGISTRY = 9,		/* a version changes its state */
	TW_LOCK_JOB_QUEUE = 10,		/* a training job begins or ends */
	TW_LOCK_PROJECTS = 11,		/* a Label Studio project is made */
	TW_LOCK_IMPORTS = 12,		/* conversations are imported */
	TW_LOCK_TRAINING = 13,		/* a backend trains, by the id of the training job */
	TW_LOCK_MODEL_TYPE = 14		/* a job of a model type begins, by the hash of its name */
} TwLockKind;

/* How long a call by hand waits, in milliseconds, for what only a forgotten session holds for longer ... */
#define TW_PATIENCE_MS 5000

/*
 * ... and for what a training or an import by hand may hold: its caller learns
 * whose it is rather than waits for all of it.
 */
#define TW_LONG_PATIENCE_MS 10000

extern void tw_lock_tag(LOCKTAG *tag, TwLockKind kind, Oid installation, uint32 object);
extern void tw_lock_transaction(TwLockKind kind, Oid installation, uint32 object);
extern Oid	tw_installation(Oid schema);
extern int	tw_begin_bounded_wait(int milliseconds);
extern void tw_end_bounded_wait(int nest_level);

#endif							/* TW_LOCKS_H */
