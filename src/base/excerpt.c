/*
 * excerpt.c
 *		tw_excerpt() for messages of functions in SQL.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/excerpt.h"
#include "fmgr.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(tw_excerpt_sql);

/* tw_excerpt(value) */
Datum
tw_excerpt_sql(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);

	PG_RETURN_TEXT_P(cstring_to_text(tw_excerpt_of(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value))));
}
