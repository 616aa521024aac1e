/*
 * import_lines.h
 *		Labelled texts to import, read from data of one of several formats.
 */
#ifndef TW_IMPORT_LINES_H
#define TW_IMPORT_LINES_H

#include "exchange/import_keys.h"
#include "utils/jsonb.h"

typedef struct TwImportLine
{
	int64		number;			/* line number in the data, from 1 */
	const char *review_status;	/* set by the importer; NULL = not stored */
	NullableDatum values[TW_IMPORT_KEYS];	/* in the column's type; text and entities as stored in samples */
} TwImportLine;

/* A line of the data that does not become a sample, and why. */
typedef struct TwImportSkipped
{
	int64		number;
	const char *reason;
} TwImportSkipped;

typedef struct TwImportLines
{
	TwImportLine *lines;
	int64		count;
	TwImportSkipped *skipped;
	int64		skipped_count;
} TwImportLines;

/* How the data is read. */
typedef struct TwImportOptions
{
	const char *format;			/* "auto", or a format's name */
	Jsonb	   *columns;		/* the argument of this name; NULL = none */
	bool		ignore_unknown_keys;
	bool		redact;
	bool		redact_locations;	/* where redact is on */
	int			max_bytes;		/* limit for each text and document */
} TwImportOptions;

extern void tw_check_import_options(const TwImportOptions *options);
extern TwImportLines tw_read_import_lines(text *data, const TwImportOptions *options);

#endif							/* TW_IMPORT_LINES_H */
