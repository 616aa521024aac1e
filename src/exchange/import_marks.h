/*
 * import_marks.h
 *		Examples of Rasa's, with their entities marked.
 */
#ifndef TW_IMPORT_MARKS_H
#define TW_IMPORT_MARKS_H

#include "exchange/import_reader.h"

extern void tw_import_read_marks(TwImportReader *reader, TwSlice intent, TwSlice example);

#endif							/* TW_IMPORT_MARKS_H */
