/*
 * null_argument.c
 *		Arguments that must not be NULL, of functions that are not STRICT.
 */
#include "postgres.h"

#include "base/null_argument.h"

void
tw_refuse_null(FunctionCallInfo fcinfo, int argument, const char *name, const char *hint)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be NULL", name),
				 errhint("%s", hint)));
}
