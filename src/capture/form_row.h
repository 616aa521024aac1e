/*
 * form_row.h
 *		A row of conversation_logs whose first columns are as they were.
 */
#ifndef TW_FORM_ROW_H
#define TW_FORM_ROW_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "capture/log_row.h"

extern HeapTuple tw_form_row(TupleDesc desc, HeapTuple old, TupleTableSlot *slot, const LogRow *row);

#endif							/* TW_FORM_ROW_H */
