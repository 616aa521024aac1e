/*
 * import_reader.h
 *		What the readers of all formats have in common.
 */
#ifndef TW_IMPORT_READER_H
#define TW_IMPORT_READER_H

#include "exchange/import_columns.h"
#include "exchange/import_lines.h"
#include "exchange/import_values.h"
#include "lib/stringinfo.h"

#define TW_NOTHING_STAYS "Nothing of the data was imported."

typedef struct TwImportReader TwImportReader;
typedef struct TwObject TwObject;

/*
 * A format. A record is what becomes a sample, or several. Whatever read() raises
 * is the fault of one record; whatever begin() and next() raise, of the data.
 */
typedef struct TwImportFormat
{
	const char *name;
	bool		has_columns;	/* whether the argument columns means something to it */
	void		(*begin) (TwImportReader *reader);	/* may be NULL */
	bool		(*next) (TwImportReader *reader);	/* finds the next record; false at the end of the data */
	void		(*read) (TwImportReader *reader);
	void		(*end) (TwImportReader *reader);	/* frees what malloc() gave, also after an error; may be NULL */
} TwImportFormat;

extern const TwImportFormat tw_import_jsonl;
extern const TwImportFormat tw_import_csv;
extern const TwImportFormat tw_import_fasttext;
extern const TwImportFormat tw_import_rasa;
extern const TwImportFormat tw_import_huggingface;
extern const TwImportFormat tw_import_openai;
extern const TwImportFormat tw_import_spacy;
extern const TwImportFormat tw_import_prodigy;
extern const TwImportFormat tw_import_labelstudio;
extern const TwImportFormat tw_import_dialogflow;

struct TwImportReader
{
	const TwImportFormat *format;
	const TwImportOptions *options;
	TwImportColumns columns;

	/* the rest of the data, and the number of the line that it begins in */
	const char *at;
	const char *end;
	int64		next_number;

	/* the current record */
	TwImportPlace place;
	json_t	   *root;
	json_t	   *part;			/* JSON within the record */
	TwObject   *object;
	void	   *state;			/* the format's own */

	/* what has been read so far */
	TwImportLines result;
};

extern TwImportLine *tw_import_add_line(TwImportReader *reader);
extern void tw_import_skip(TwImportReader *reader, const char *reason);
extern void tw_import_put(TwImportReader *reader, TwImportLine *line, int key, const char *name, const json_t *value);
extern void tw_import_put_slice(TwImportReader *reader, TwImportLine *line, int key, const char *name, TwSlice value);
extern void tw_import_put_entities(TwImportReader *reader, TwImportLine *line, TwSlice json);
extern void tw_import_finish(TwImportReader *reader, TwImportLine *line);
extern bool tw_import_next_line(TwImportReader *reader);
extern bool tw_import_is_interrupted(void);

/* The format of the data, by import_recognise.c; whether it begins with a header of CSV, by import_csv.c. */
extern const TwImportFormat *tw_import_format_of_name(const char *name);
extern const TwImportFormat *tw_import_recognise(const TwImportReader *reader);
extern bool tw_import_is_csv_header(const TwImportReader *reader);

/* Objects of JSON, by import_json.c. */
extern bool tw_import_next_object(TwImportReader *reader);
extern void tw_import_parse_object(TwImportReader *reader);
extern void tw_import_free_object(TwImportReader *reader);
extern json_t *tw_import_parse_json(TwImportReader *reader, TwSlice json, json_error_t *error);

/* Objects with a text, by import_objects.c; a task of Label Studio; phrases of Dialogflow. */
extern void tw_import_read_object(TwImportReader *reader);
extern void tw_import_read_constants(TwImportReader *reader, TwImportLine *line);
extern bool tw_import_is_task(const json_t *object);
extern void tw_import_read_task(TwImportReader *reader);
extern bool tw_import_is_phrases(const json_t *object);
extern void tw_import_read_phrases(TwImportReader *reader);

/* Spans as the entities of a sample, by import_spans.c. */
extern void tw_import_add_span(StringInfo entities, int start, int end, TwSlice label, TwSlice value);
extern void tw_import_add_attribute(StringInfo entities, const char *name, TwSlice value);
extern void tw_import_end_spans(TwImportReader *reader, TwImportLine *line, StringInfo entities);

#define TW_CSTRING_SLICE(string) ((TwSlice) {(string), (int) strlen(string)})

static inline TwSlice
tw_json_slice(const json_t *string)
{
	return (TwSlice) {json_string_value(string), (int) json_string_length(string)};
}

#endif							/* TW_IMPORT_READER_H */
