/*
 * table_changes.h
 *		Functions that are called when something about a table changes.
 */
#ifndef TW_TABLE_CHANGES_H
#define TW_TABLE_CHANGES_H

/* `relid` is InvalidOid where any table may have changed. It may be called anywhere: it only notes the change. */
typedef void (*TwTableChange) (Oid relid);

extern void tw_on_table_change(TwTableChange function);

#endif							/* TW_TABLE_CHANGES_H */
