/*
 * import_values.h
 *		The keys that a line to import may have, and their valid values.
 */
#ifndef TW_IMPORT_VALUES_H
#define TW_IMPORT_VALUES_H

#include "base/slice.h"
#include "exchange/import_keys.h"
#include "utils/fmgrprotos.h"

/* PostgreSQL has both names: json_typeof() is Jansson's macro here, and Jansson's json_object() must not be called. */
#define json_object jansson_json_object
#include <jansson.h>
#undef json_object

/* The line that a value stands in, and the options for reading it. */
typedef struct TwImportPlace
{
	int64		number;			/* line number in the data, from 1 */
	TwSlice		line;			/* an object of JSON, where that is what the value stands in */
	const char *name;			/* of the value */
	bool		redact;
	bool		redact_locations;	/* where redact is on */
	int			max_bytes;		/* limit for each text and document */
	bool		has_marks;		/* the text itself marks its entities: their positions are right, whatever the value */
	MemoryContext scratch;		/* for jsonb's parser, which frees little */
} TwImportPlace;

typedef struct TwImportKeyDefinition
{
	const char *name;
	/* Whether the value (never JSON null) is valid; if so, result is what the column gets. */
	bool		(*read) (const TwImportPlace *place, const json_t *value, NullableDatum *result);
	const char *wanted;
} TwImportKeyDefinition;

extern const TwImportKeyDefinition tw_import_keys[TW_IMPORT_KEYS];

extern const char *tw_canonical_label_source(const char *given);
extern char *tw_import_describe(const json_t *value);
extern bool tw_import_read_slice(const TwImportPlace *place, int key, TwSlice value, NullableDatum *result);
extern void tw_import_fit(const TwImportPlace *place, NullableDatum *message, NullableDatum *entities);
extern bool tw_import_read_entities(const TwImportPlace *place, TwSlice json, NullableDatum *result);

#endif							/* TW_IMPORT_VALUES_H */
