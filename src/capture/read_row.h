/*
 * read_row.h
 *		The values of a row of conversation_logs, read as far as they are needed.
 */
#ifndef TW_READ_ROW_H
#define TW_READ_ROW_H

#include "access/htup.h"
#include "capture/log_row.h"

/* A row that is read from its first column on. */
typedef struct TwRowReader
{
	Relation	rel;
	HeapTupleHeader header;
	int			columns;		/* how many have been read */
	Size		bytes;			/* from the first column to the end of the last that was read */
	LogRow		row;
} TwRowReader;

extern void tw_make_row_reader(TwRowReader *reader, Relation rel);
extern void tw_begin_row(TwRowReader *reader, HeapTupleHeader header);
extern void tw_read_columns(TwRowReader *reader, int until);

#endif							/* TW_READ_ROW_H */
