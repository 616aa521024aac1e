/*
 * import_lines.h
 *		JSONL with labelled texts, line by line.
 */
#ifndef TW_IMPORT_LINES_H
#define TW_IMPORT_LINES_H

#include "exchange/import_keys.h"

typedef struct TwImportLine
{
	int64		number;			/* line number in the data, from 1 */
	const char *review_status;	/* set by the importer; NULL = not stored */
	NullableDatum values[TW_IMPORT_KEYS];	/* in the column's type; text and entities as stored in samples */
} TwImportLine;

typedef struct TwImportLines
{
	TwImportLine *lines;
	int64		count;
} TwImportLines;

extern TwImportLines tw_read_import_lines(text *data, bool ignore_unknown_keys, bool redact, bool redact_locations,
										  int max_bytes);

#endif							/* TW_IMPORT_LINES_H */
