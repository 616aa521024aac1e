/*
 * locks.h
 *		The advisory locks of the extension.
 *
 * Their classes (objsubid in pg_locks) are used by no SQL function:
 * pg_advisory_lock() has class 1, with two keys class 2. So a role that may
 * only connect cannot hold one and block the extension. The first key
 * (classid) is the OID of conversation_logs and identifies the installation.
 * The second key (objid) is the object, for kinds that have several.
 */
#ifndef TW_LOCKS_H
#define TW_LOCKS_H

#include "storage/lock.h"

/*
 * Several locks are taken in this order: SPLITS, JOB_QUEUE, REGISTRY,
 * AUDIT_TRAIL. A transaction that holds others only tries TRAINING and
 * MODEL_TYPE and does not wait for them.
 */
typedef enum TwLockKind
{
	TW_LOCK_JOB = 3,			/* a job of tw_jobs() runs, by its number; a session lock, see runs/job_lock.c */
	TW_LOCK_SPLITS = 7,			/* splits of texts are decided, or samples imported */
	TW_LOCK_POLICIES = 8,		/* review_policies changes; its first key is the OID of that table */
	TW_LOCK_REGISTRY = 9,		/* a version changes its state */
	TW_LOCK_JOB_QUEUE = 10,		/* a training job begins or ends */
	TW_LOCK_PROJECTS = 11,		/* a Label Studio project is made */
	TW_LOCK_IMPORTS = 12,		/* conversations are imported */
	TW_LOCK_TRAINING = 13,		/* a backend trains, by the id of the training job */
	TW_LOCK_MODEL_TYPE = 14,	/* a job of a model type begins, by the hash of its name */
	TW_LOCK_INTENTS = 15,		/* intents are renamed or merged; taken before any other */
	TW_LOCK_CAPTURE_KEY = 16,	/* a conversation with an idempotency_key is stored, by the key's hash; the only one of
								 * capture. Until the row is stored, and while nothing else is waited for */
	TW_LOCK_AUDIT_TRAIL = 17,	/* entries of audit_chain are written */
	TW_LOCK_ERASURE = 18		/* rows are erased or made anonymous; taken before any other */
} TwLockKind;

/* Longest wait of a manual call, in milliseconds, for a lock that only a forgotten session holds longer. */
#define TW_PATIENCE_MS 5000

/*
 * Longest wait for a lock that a manual training or import may hold. Its
 * caller gets an error that names the holder instead of waiting for the end.
 */
#define TW_LONG_PATIENCE_MS 10000

extern void tw_lock_tag(LOCKTAG *tag, TwLockKind kind, Oid installation, uint32 object);
extern void tw_lock_transaction(TwLockKind kind, Oid installation, uint32 object);
extern Oid	tw_installation(Oid schema);
extern int	tw_begin_bounded_wait(int milliseconds);
extern void tw_end_bounded_wait(int nest_level);

#endif							/* TW_LOCKS_H */
