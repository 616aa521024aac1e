/*
 * artifact_format.c
 *		The kind of an artifact, from its bytes.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"
#include "model/artifact_format.h"
#include "model/router.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(tw_artifact_format);

/*
 * tw_artifact_format(bytes): "router" for an artifact of the built-in trainer, read to its end; "other" for any other.
 */
Datum
tw_artifact_format(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);

	if (VARSIZE_ANY_EXHDR(bytes) < strlen(TW_ARTIFACT_MAGIC) ||
		memcmp(VARDATA_ANY(bytes), TW_ARTIFACT_MAGIC, strlen(TW_ARTIFACT_MAGIC)) != 0)
		PG_RETURN_TEXT_P(cstring_to_text("other"));
	(void) tw_read_model(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	PG_RETURN_TEXT_P(cstring_to_text("router"));
}
