/*
 * load_library.c
 *		The default that loads the library.
 */
#include "postgres.h"

#include "fmgr.h"

PG_FUNCTION_INFO_V1(tw_load_library);

/*
 * The default of conversation_logs.created_on, which is NULL. The planner
 * calls it, so the library and with it the hook of privilege_errors.c are
 * there before the first INSERT of a session is checked for privileges.
 */
Datum
tw_load_library(PG_FUNCTION_ARGS)
{
	PG_RETURN_NULL();
}
