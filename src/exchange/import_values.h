/*
 * import_values.h
 *		The keys that a line to import may have, and which values fit.
 */
#ifndef TW_IMPORT_VALUES_H
#define TW_IMPORT_VALUES_H

#include "base/slice.h"
#include "exchange/import_keys.h"
#include "utils/fmgrprotos.h"

/* PostgreSQL has functions json_typeof, which becomes a macro here, and json_object, which we must not call. */
#define json_object jansson_json_object
#include <jansson.h>
#undef json_object

/* Where a value stands, and how it is to be read. */
typedef struct TwImportPlace
{
	int64		number;			/* of the line, from 1 */
	TwSlice		line;
	bool		redact;
	int			max_bytes;		/* of each value that is a text or a document */
	MemoryContext scratch;		/* for jsonb's parser, which leaves much behind */
} TwImportPlace;

typedef struct TwImportKeyDefinition
{
	const char *name;
	/* Whether the value, which is not null, fits; if so, what the column gets. */
	bool		(*read) (const TwImportPlace *place, const json_t *value, NullableDatum *result);
	const char *wanted;
} TwImportKeyDefinition;

extern const TwImportKeyDefinition tw_import_keys[TW_IMPORT_KEYS];

extern char *tw_import_describe(const json_t *value);

#endif							/* TW_IMPORT_VALUES_H */
