/*
 * entities.c
 *		The entities that a client sends in the wrapping of its own.
 *
 * An ORM turns the value of a JSON column into JSON itself. Where the
 * application has done so already, a string arrives that holds the JSON, and
 * where it has no entities, the JSON null. Both are valid, so nobody would
 * notice before an export.
 */
#include "postgres.h"

#include "base/subtransaction.h"
#include "capture/entities.h"
#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

typedef struct Unwrapping
{
	char	   *text;
	Datum		value;
} Unwrapping;

/* For tw_try: the text may be no JSON, or have a number that is too large. */
static void
parse(void *arg)
{
	Unwrapping *unwrapping = arg;

	unwrapping->value = DirectFunctionCall1(jsonb_in, CStringGetDatum(unwrapping->text));
}

/*
 * What is longer or nested deeper is left as it came. Parsing it could end at
 * the stack depth limit or at the largest allocation, which tw_try raises
 * again, and the message would be lost.
 */
#define MAX_BYTES (1024 * 1024)
#define MAX_DEPTH 100

/* Whether a string may hold an array or an object: the first character that is not white space says it. */
static bool
may_hold_json(const char *text, int length)
{
	int			depth = 0;
	bool		quoted = false;

	text += strspn(text, " \t\n\r");
	if (length > MAX_BYTES || (*text != '[' && *text != '{'))
		return false;
	for (; *text != '\0'; text++)
	{
		if (*text == '"')
			quoted = !quoted;
		else if (quoted && *text == '\\' && text[1] != '\0')
			text++;
		else if (!quoted && (*text == '[' || *text == '{') && ++depth > MAX_DEPTH)
			return false;
		else if (!quoted && (*text == ']' || *text == '}'))
			depth--;
	}
	return true;
}

/* A JSON null becomes NULL, and a string that holds an array or an object becomes that; all else stays as it came. */
void
tw_unwrap_entities(LogRow *row)
{
	Jsonb	   *jsonb;
	JsonbValue	value;
	Unwrapping	unwrapping;

	if (is_null(row, TW_LOG_NLU_ENTITIES))
		return;
	/* Compressed or toasted: the value of another table's row, not what a client has just sent. */
	if (VARATT_IS_EXTENDED(DatumGetPointer(get(row, TW_LOG_NLU_ENTITIES))) &&
		!VARATT_IS_SHORT(DatumGetPointer(get(row, TW_LOG_NLU_ENTITIES))))
		return;
	jsonb = DatumGetJsonbP(get(row, TW_LOG_NLU_ENTITIES));
	if (!JB_ROOT_IS_SCALAR(jsonb) || !JsonbExtractScalar(&jsonb->root, &value))
		return;
	if (value.type == jbvNull)
	{
		set_null(row, TW_LOG_NLU_ENTITIES);
		return;
	}
	if (value.type != jbvString)
		return;
	unwrapping.text = pnstrdup(value.val.string.val, value.val.string.len);
	if (may_hold_json(unwrapping.text, value.val.string.len) && tw_try(parse, &unwrapping) == NULL)
		set(row, TW_LOG_NLU_ENTITIES, unwrapping.value);
}
