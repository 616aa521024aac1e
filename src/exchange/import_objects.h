/*
 * import_objects.h
 *		Keys that objects of other tools have, beside those of jsonl.
 */
#ifndef TW_IMPORT_OBJECTS_H
#define TW_IMPORT_OBJECTS_H

#include "base/compat.h"
#include "exchange/import_reader.h"

typedef enum TwForeignKey
{
	TW_LABEL,
	TW_LABELS,
	TW_LABEL_TEXT,
	TW_LABEL_NAME,
	TW_CATS,
	TW_MESSAGES,
	TW_TOKENS,
	TW_SPANS,
	TW_ENTS,
	TW_ACCEPT,
	TW_ANSWER,
	TW_OPTIONS
} TwForeignKey;

#define TW_FOREIGN_KEYS (TW_OPTIONS + 1)

/* What the current object says beside what has been put into the sample already. */
struct TwObject
{
	json_t	   *values[TW_FOREIGN_KEYS];	/* never JSON null */
	json_t	   *entities;		/* an array */
	const char *entities_name;
	bool		has_tool_keys;	/* keys that begin with _ */
};

pg_noreturn extern void tw_import_refuse_foreign(const TwImportReader *reader, const char *name, const char *wanted,
												 const json_t *value);
extern void tw_import_read_messages(TwImportReader *reader, TwImportLine *line, const json_t *messages);
extern void tw_import_read_spans(TwImportReader *reader, TwImportLine *line);

#endif							/* TW_IMPORT_OBJECTS_H */
