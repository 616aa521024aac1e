/*
 * import_columns.h
 *		Which column of the data fills which column of a sample.
 */
#ifndef TW_IMPORT_COLUMNS_H
#define TW_IMPORT_COLUMNS_H

#include "base/slice.h"
#include "exchange/import_keys.h"
#include "utils/jsonb.h"

/* A column of the data that the argument columns leaves out; beside TwImportKey, and -1 for an unknown one. */
#define TW_IMPORT_LEFT_OUT (-2)

/* What the argument columns says of one column of a sample. */
typedef struct TwImportColumn
{
	bool		is_given;		/* whether it says something */
	char	   *name;			/* the column of the data; NULL = none */
	char	   *value;			/* what every sample gets; NULL = nothing */
	char	  **names;			/* what the numbers 0, 1, ... stand for; NULL = the values are names */
	int			names_count;
} TwImportColumn;

typedef struct TwImportColumns
{
	bool		is_given;
	TwImportColumn keys[TW_IMPORT_KEYS];
} TwImportColumns;

extern TwImportColumns tw_import_columns(Jsonb *columns);
extern int	tw_import_find_key(const TwImportColumns *columns, TwSlice name);
extern int	tw_import_find_column(const TwImportColumns *columns, TwSlice name, bool *is_own);
extern const char *tw_import_name_of(const TwImportColumn *column, int64 number);

#endif							/* TW_IMPORT_COLUMNS_H */
