/*
 * import_recognise.h
 *		The format of data to import.
 */
#ifndef TW_IMPORT_RECOGNISE_H
#define TW_IMPORT_RECOGNISE_H

#include "exchange/import_reader.h"

extern const TwImportFormat *tw_import_format_of_name(const char *name);
extern const TwImportFormat *tw_import_recognise(const TwImportReader *reader);

/* What import_csv.c needs of the first record, to say whether it is a header. */
extern bool tw_import_is_csv_header(const TwImportReader *reader);

#endif							/* TW_IMPORT_RECOGNISE_H */
