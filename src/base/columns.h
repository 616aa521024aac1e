/*
 * columns.h
 *		Check that a table of the extension has the columns that the C code
 *		expects.
 */
#ifndef TW_COLUMNS_H
#define TW_COLUMNS_H

#include "utils/rel.h"

typedef struct TwColumn
{
	AttrNumber	attnum;
	Oid			type;
	const char *name;
	bool		is_later;		/* added after the first release: the table may end before it */
} TwColumn;

extern void tw_check_columns(Relation rel, const TwColumn *columns, int count);

#endif							/* TW_COLUMNS_H */
