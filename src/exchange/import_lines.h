/*
 * import_lines.h
 *		JSONL with labelled texts, line by line.
 */
#ifndef TW_IMPORT_LINES_H
#define TW_IMPORT_LINES_H

#include "exchange/import_keys.h"

typedef struct TwImportLine
{
	int64		number;			/* as an editor counts, from 1 */
	const char *review_status;	/* for the importer to decide; NULL = not to be stored */
	NullableDatum values[TW_IMPORT_KEYS];	/* of the column's type; text and entities as samples hold them */
} TwImportLine;

typedef struct TwImportLines
{
	TwImportLine *lines;
	int64		count;
} TwImportLines;

extern TwImportLines tw_read_import_lines(text *data, bool ignore_unknown_keys, bool redact, int max_bytes);

#endif							/* TW_IMPORT_LINES_H */
