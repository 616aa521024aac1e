/*
 * form_row.h
 *		A row of conversation_logs in which the application's columns are as
 *		they came.
 */
#ifndef TW_FORM_ROW_H
#define TW_FORM_ROW_H

#include "access/htup.h"
#include "capture/read_row.h"

/* A row as it came. */
typedef struct TwGivenRow
{
	HeapTuple	tuple;
	/* The columns of the application, and how many bytes they take. */
	Datum		values[TW_LOG_METADATA];
	bool		nulls[TW_LOG_METADATA];
	Size		bytes;
} TwGivenRow;

extern void tw_read_given(TwRowReader *reader, HeapTuple tuple, TwGivenRow *given);
extern HeapTuple tw_form_row(TupleDesc desc, const TwGivenRow *given, const LogRow *row);

#endif							/* TW_FORM_ROW_H */
