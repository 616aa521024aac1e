/*
 * model_text.c
 *		A text as models see it.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/slice.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "privacy/redact.h"
#include "rules/normalize.h"
#include "samples/model_text.h"
#include "utils/builtins.h"

/*
 * Maximum of bytes that are processed: four times what models read
 * (TW_MODEL_TEXT_BYTES), in case most of the text is white space.
 */
#define MOST_TEXT_BYTES (64 * 1024)

/*
 * A text as models see it. Redacted whatever the setting says: samples usually
 * are, and a model should get texts like those that it was trained on.
 */
text *
tw_text_for_model(text *input)
{
	int			length = VARSIZE_ANY_EXHDR(input);

	if (length > MOST_TEXT_BYTES)
		input = cstring_to_text_with_len(VARDATA_ANY(input), pg_mbcliplen(VARDATA_ANY(input), length, MOST_TEXT_BYTES));
	return tw_normalize(tw_text_slice(PointerGetDatum(tw_redact(input, true)), false));
}

PG_FUNCTION_INFO_V1(tw_model_text);

/* tw_model_text(text) */
Datum
tw_model_text(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(tw_text_for_model(PG_GETARG_TEXT_PP(0)));
}
