/*
 * import_store.h
 *		Stores lines as samples, many of them with one INSERT.
 */
#ifndef TW_IMPORT_STORE_H
#define TW_IMPORT_STORE_H

#include "exchange/import_lines.h"

/* The types of the columns that keys fill. */
extern const Oid tw_import_key_types[TW_IMPORT_KEYS];

extern void tw_store_import_lines(Oid schema, Datum source, TwImportLines *input);

#endif							/* TW_IMPORT_STORE_H */
