/*
 * log_row.h
 *		A row of conversation_logs as arrays of values.
 */
#ifndef TW_LOG_ROW_H
#define TW_LOG_ROW_H

#include "base/slice.h"
#include "capture/log_columns.h"
#include "executor/tuptable.h"
#include "utils/rel.h"

/* The values of a row, and its table. */
typedef struct LogRow
{
	Oid			schema;
	Datum	   *values;
	bool	   *nulls;
} LogRow;

static inline bool
is_null(const LogRow *row, TwLogColumn column)
{
	return row->nulls[column - 1];
}

static inline Datum
get(const LogRow *row, TwLogColumn column)
{
	return row->values[column - 1];
}

static inline TwSlice
get_text(const LogRow *row, TwLogColumn column)
{
	return tw_text_slice(get(row, column), is_null(row, column));
}

static inline void
set(LogRow *row, TwLogColumn column, Datum value)
{
	row->values[column - 1] = value;
	row->nulls[column - 1] = false;
}

static inline void
set_null(LogRow *row, TwLogColumn column)
{
	row->values[column - 1] = (Datum) 0;
	row->nulls[column - 1] = true;
}

/* The slot's own values: valid as long as the slot holds the row. */
static inline LogRow
tw_take_apart(Relation rel, TupleTableSlot *slot)
{
	LogRow		row;

	slot_getallattrs(slot);
	row.schema = RelationGetNamespace(rel);
	row.values = slot->tts_values;
	row.nulls = slot->tts_isnull;
	return row;
}

#endif							/* TW_LOG_ROW_H */
