/*
 * import_lines.h
 *		Lines with labelled texts, read from data of any format.
 */
#ifndef TW_IMPORT_LINES_H
#define TW_IMPORT_LINES_H

#include "exchange/import_keys.h"
#include "utils/jsonb.h"

typedef struct TwImportLine
{
	int64		number;			/* line number in the data, from 1 */
	const char *review_status;	/* set by the importer; NULL = not stored */
	bool		waits;			/* its sample is queued for review */
	bool		wants_id;		/* the report names its sample */
	int64		sample_id;		/* of its sample, if it waits or wants it; 0 = none */
	NullableDatum values[TW_IMPORT_KEYS];	/* in the column's type; text and entities as stored in samples */
} TwImportLine;

/*
 * A line that is not imported: it cannot be, or (with the sqlstate of success) it says itself that it is no sample. The
 * message has nothing of its values: it is stored.
 */
typedef struct TwBadLine
{
	int64		number;
	int			sqlstate;
	const char *message;
} TwBadLine;

/* How data is read. */
typedef struct TwImportOptions
{
	const char *format;			/* "auto", or a format's name */
	Jsonb	   *columns;		/* the argument of this name; NULL = none */
	bool		ignore_unknown_keys;
	bool		skip_bad_lines; /* collect them; otherwise the first one is an error */
	bool		redact;
	bool		redact_locations;	/* where redact is on */
	int			max_bytes;		/* limit for each text and document */
} TwImportOptions;

typedef struct TwImportLines
{
	TwImportOptions options;
	const char *format;			/* that the data has, by its name; NULL = it is empty */
	TwImportLine *lines;
	int64		count;
	int64		room;
	TwBadLine  *bad;
	int64		bad_count;
	int64		bad_room;
} TwImportLines;

/* Reading of one line, in any format. */
typedef void (*TwReadLine) (void *reader);

extern void tw_begin_import_lines(TwImportLines *result, const TwImportOptions *options);
extern TwImportLine *tw_add_import_line(TwImportLines *result, int64 number);
extern void tw_skip_import_line(TwImportLines *result, int64 number, const char *reason);
extern void tw_try_import_line(TwImportLines *result, int64 number, TwReadLine read, void *reader);
extern void tw_check_import_options(const TwImportOptions *options);
extern TwImportLines tw_read_import_lines(text *data, const TwImportOptions *options);

#endif							/* TW_IMPORT_LINES_H */
