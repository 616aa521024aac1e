/*
 * export_samples.h
 *		Export of training samples: arguments, columns of a sample, and formats.
 */
#ifndef TW_EXPORT_SAMPLES_H
#define TW_EXPORT_SAMPLES_H

#include "base/slice.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/jsonb.h"

/* The columns of the query, in the order of the table's columns. */
typedef enum TwExportColumn
{
	TW_EXPORT_ID,
	TW_EXPORT_CONVERSATION_LOG_ID,
	TW_EXPORT_TEXT,
	TW_EXPORT_INTENT,
	TW_EXPORT_MODULE_ID,
	TW_EXPORT_MODULE_TYPE,
	TW_EXPORT_ENTITIES,
	TW_EXPORT_LANGUAGE,
	TW_EXPORT_EXPECTED_SERVICE,
	TW_EXPORT_REVIEW_STATUS,
	TW_EXPORT_LABEL_SOURCE,
	TW_EXPORT_REVIEWED_BY,
	TW_EXPORT_REVIEWED_AT,
	TW_EXPORT_SOURCE,
	TW_EXPORT_SPLIT,
	TW_EXPORT_SELECTION_PROBABILITY,
	TW_EXPORT_QUALITY_SCORE,
	TW_EXPORT_MODEL_VERSION_TARGET,
	TW_EXPORT_CREATED_AT,
	TW_EXPORT_UPDATED_AT,
	TW_EXPORT_PENDING_REASON,
	TW_EXPORT_SPANS				/* not in the table: tw_entity_spans(), for formats with wants_spans */
} TwExportColumn;

#define TW_EXPORT_TABLE_COLUMNS TW_EXPORT_SPANS
#define TW_EXPORT_COLUMNS (TW_EXPORT_SPANS + 1)

typedef struct TwExportColumnDefinition
{
	const char *name;
	Oid			type;
} TwExportColumnDefinition;

extern const TwExportColumnDefinition tw_export_columns[TW_EXPORT_TABLE_COLUMNS];

typedef struct TwExport TwExport;

/* A format. Its functions write lines, each ended with tw_export_end_line(). */
typedef struct TwExportFormat
{
	const char *name;
	bool		by_intent;		/* order: by intent, then id; else by id */
	bool		wants_spans;
	bool		wants_attributes;	/* value, role and group of the spans */
	void		(*begin) (TwExport *export);	/* may be NULL */
	void		(*sample) (TwExport *export);
	void		(*end) (TwExport *export);	/* may be NULL */
} TwExportFormat;

extern const TwExportFormat tw_export_jsonl;
extern const TwExportFormat tw_export_csv;
extern const TwExportFormat tw_export_fasttext;
extern const TwExportFormat tw_export_rasa;
extern const TwExportFormat tw_export_huggingface;
extern const TwExportFormat tw_export_openai;
extern const TwExportFormat tw_export_spacy;

/* The state of a running export. */
struct TwExport
{
	const TwExportFormat *format;
	bool		redact;
	bool		redact_locations;	/* where redact is on */
	/* receives each line, without its line feed */
	void		(*put_line) (TwExport *export, const char *line, int length);
	/* the current sample, in a memory context that is reset after it */
	NullableDatum sample[TW_EXPORT_COLUMNS];
	StringInfoData line;
	int64		rows;			/* samples written so far */
	int64		expected;		/* how many it will be, at most */
	int64		skipped;		/* samples left out because they are too long */
	/* rasa: the open block */
	StringInfoData intent;
	bool		block_has_lines;
};

extern void tw_export_end_line(TwExport *export);
extern bool tw_export_has(const TwExport *export, TwExportColumn column);
extern TwSlice tw_export_text(TwExport *export, TwExportColumn column);
extern char *tw_export_cstring(TwExport *export, TwExportColumn column);
extern Jsonb *tw_export_entities(TwExport *export);
extern void tw_export_append_plain(TwExport *export, TwExportColumn column);
extern bool tw_export_is_iso_time(Datum value);
extern const char *tw_export_check_word(const char *what, const char *word, const char *const *words);
extern ArrayType *tw_export_statuses(text *review_status);
extern Datum tw_export_training_samples(PG_FUNCTION_ARGS);
extern void tw_export_check(FunctionCallInfo fcinfo);
extern void tw_export_run(TwExport *export, Oid schema, FunctionCallInfo fcinfo);

#endif							/* TW_EXPORT_SAMPLES_H */
