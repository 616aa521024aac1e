/*
 * catalog.h
 *		Lookup of the extension's objects in the schema that it is installed
 *		in.
 */
#ifndef TW_CATALOG_H
#define TW_CATALOG_H

#include "fmgr.h"

extern Oid	tw_schema_of_function(FunctionCallInfo fcinfo);
extern Oid	tw_kept_schema_of_function(FunctionCallInfo fcinfo);
extern bool tw_is_function(Oid function, PGFunction own);
extern char *tw_schema_name(Oid schema);

#endif							/* TW_CATALOG_H */
