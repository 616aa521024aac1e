/*
 * reviewers.c
 *		The role that calls.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

PG_FUNCTION_INFO_V1(tw_calling_role_id);

/* tw_calling_role_id(): the role of SET ROLE, or the one that logged in; SECURITY DEFINER does not change it. */
Datum
tw_calling_role_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(GetOuterUserId());
}
