/*
 * import_lines.h
 *		JSONL with labelled texts, line by line.
 */
#ifndef TW_IMPORT_LINES_H
#define TW_IMPORT_LINES_H

/* The keys that a line may have: columns of training_samples by name. */
typedef enum TwImportKey
{
	TW_IMPORT_TEXT,
	TW_IMPORT_INTENT,
	TW_IMPORT_LANGUAGE,
	TW_IMPORT_ENTITIES,
	TW_IMPORT_MODULE_ID,
	TW_IMPORT_MODULE_TYPE,
	TW_IMPORT_EXPECTED_SERVICE,
	TW_IMPORT_SPLIT,
	TW_IMPORT_LABEL_SOURCE,
	TW_IMPORT_QUALITY_SCORE,
	TW_IMPORT_CREATED_AT
} TwImportKey;

#define TW_IMPORT_KEYS (TW_IMPORT_CREATED_AT + 1)

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
