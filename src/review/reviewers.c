/*
 * reviewers.c
 *		Who is asking, and whether a person said anything.
 */
#include "postgres.h"

#include "capture/span.h"
#include "fmgr.h"
#include "miscadmin.h"

PG_FUNCTION_INFO_V1(tw_outer_role_id);

/* tw_outer_role_id(): the role of SET ROLE, or the one that logged in; SECURITY DEFINER does not change it. */
Datum
tw_outer_role_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(GetOuterUserId());
}

PG_FUNCTION_INFO_V1(tw_is_blank);

/* tw_is_blank(text): NULL, empty, or nothing but white space, as capture sees it. */
Datum
tw_is_blank(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(PG_ARGISNULL(0) || tw_span_is_blank(tw_text_span(PG_GETARG_DATUM(0), false)));
}
