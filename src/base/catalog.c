/*
 * catalog.c
 *		Lookup of the extension's objects in the schema that it is installed
 *		in.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "utils/lsyscache.h"

/*
 * The schema of the extension, taken from the called function. It needs no
 * search of the catalog, and is right after a reinstallation into another
 * schema.
 */
Oid
tw_schema_of_function(FunctionCallInfo fcinfo)
{
	Oid			schema = get_func_namespace(fcinfo->flinfo->fn_oid);

	if (!OidIsValid(schema))
		elog(ERROR, "cache lookup failed for function %u", fcinfo->flinfo->fn_oid);
	return schema;
}

/*
 * The same for functions that are called for every row: one lookup for each
 * calling expression, kept in fn_extra.
 */
Oid
tw_kept_schema_of_function(FunctionCallInfo fcinfo)
{
	Oid		   *schema = fcinfo->flinfo->fn_extra;

	if (schema == NULL)
	{
		schema = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(Oid));
		*schema = tw_schema_of_function(fcinfo);
		fcinfo->flinfo->fn_extra = schema;
	}
	return *schema;
}

/* Whether a function runs this function of the library, without settings or rights of its own. */
bool
tw_is_function(Oid function, PGFunction own)
{
	FmgrInfo	info;

	fmgr_info(function, &info);
	return info.fn_addr == own;
}

/* The name of a schema, unquoted, in the current memory context. */
char *
tw_schema_name(Oid schema)
{
	char	   *name = get_namespace_name(schema);

	if (name == NULL)
		elog(ERROR, "cache lookup failed for schema %u", schema);
	return name;
}
