/*
 * table_triggers.h
 *		Trigger functions that several tables share, and the check that every
 *		trigger function begins with.
 */
#ifndef TW_TABLE_TRIGGERS_H
#define TW_TABLE_TRIGGERS_H

#include "commands/trigger.h"
#include "fmgr.h"

/* Kinds of trigger, to be combined; the events are TRIGGER_EVENT_OPMASK's values as bits. */
#define TW_ON_INSERT	(1 << TRIGGER_EVENT_INSERT)
#define TW_ON_DELETE	(1 << TRIGGER_EVENT_DELETE)
#define TW_ON_UPDATE	(1 << TRIGGER_EVENT_UPDATE)
#define TW_ON_TRUNCATE	(1 << TRIGGER_EVENT_TRUNCATE)
#define TW_ROW			(1 << 4)
#define TW_STATEMENT	(1 << 5)
#define TW_BEFORE		(1 << 6)
#define TW_AFTER		(1 << 7)

extern void tw_check_trigger(FunctionCallInfo fcinfo, const char *name, int kinds);
extern void tw_open_append_only(Oid relation, int events);
extern void tw_close_append_only(void);

#endif							/* TW_TABLE_TRIGGERS_H */
