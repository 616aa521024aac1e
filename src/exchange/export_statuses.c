/*
 * export_statuses.c
 *		The argument review_status of an export: one status, or several.
 *
 * Clients send an array into a parameter of type text in one of two ways: as an array literal, {approved,pending}, or
 * as JSON, ["approved", "pending"].
 */
#include "postgres.h"

#include "base/excerpt.h"
#include "catalog/pg_type.h"
#include "exchange/export_samples.h"
#include "rules/statuses.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

/* The longest review_status that is looked into, in bytes. */
#define MAX_LENGTH 1000

/* The word, which must be one of these. */
const char *
tw_export_check_word(const char *what, const char *word, const char *const *words)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; words[i] != NULL; i++)
	{
		if (word != NULL && strcmp(word, words[i]) == 0)
			return words[i];
		appendStringInfo(&list, "%s%s", i == 0 ? "" : ", ", words[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no %s \"%s\"", what, word ? tw_excerpt(word) : "NULL"),
			 errhint("Choose one of: %s.", list.data)));
	return NULL;				/* keep compiler quiet */
}

/* The elements of a JSON array of strings; a null is a NULL. */
static ArrayType *
array_of_json(const char *given)
{
	Jsonb	   *json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(given)));
	int			count = JB_ROOT_COUNT(json);
	Datum	   *values = palloc(sizeof(Datum) * Max(count, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(count, 1));
	int			dimension[] = {count};
	int			lower_bound[] = {1};

	for (int i = 0; i < count; i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(&json->root, i);

		if (value->type != jbvString && value->type != jbvNull)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("review_status is a JSON array of something other than strings"),
					 errhint("Pass one status, or an array of them: '{approved,pending}' or '[\"approved\", "
							 "\"pending\"]'.")));
		nulls[i] = value->type == jbvNull;
		if (!nulls[i])
			values[i] = PointerGetDatum(cstring_to_text_with_len(value->val.string.val, value->val.string.len));
	}
	return construct_md_array(values, nulls, count > 0 ? 1 : 0, dimension, lower_bound, TEXTOID, -1, false,
							  TYPALIGN_INT);
}

/* "[0:1]={a,b}" is an array literal, too. */
static bool
is_json(const char *given)
{
	if (*given++ != '[')
		return false;
	given += strspn(given, " \t\r\n");
	return strchr("0123456789+-", *given) == NULL || *given == '\0';
}

/* The statuses that review_status names; raises 22023 for an unknown one, and for an array without any. */
ArrayType *
tw_export_statuses(text *review_status)
{
	char	   *given = text_to_cstring(review_status);
	const char *begin = given + strspn(given, " \t\r\n");
	Datum	   *values;
	bool	   *nulls;
	Datum		one = PointerGetDatum(review_status);
	int			count;
	ArrayType  *statuses;

	/* No list of theirs is so long, and the server's message about a malformed one would repeat it as a whole. */
	if (strlen(given) > MAX_LENGTH)
		(void) tw_export_check_word("review_status", given, tw_status_names(TW_OF_SAMPLES));
	if (is_json(begin))
		statuses = array_of_json(begin);
	else if (*begin == '{' || *begin == '[')
		statuses = DatumGetArrayTypeP(OidInputFunctionCall(F_ARRAY_IN, given, TEXTOID, -1));
	else
		statuses = construct_array(&one, 1, TEXTOID, -1, false, TYPALIGN_INT);

	deconstruct_array(statuses, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("review_status is an empty array"),
				 errhint("Name the statuses to export, or pass NULL for all of them.")));
	for (int i = 0; i < count; i++)
		(void) tw_export_check_word("review_status", nulls[i] ? NULL : TextDatumGetCString(values[i]),
									tw_status_names(TW_OF_SAMPLES));
	return statuses;
}

PG_FUNCTION_INFO_V1(tw_export_statuses_of_text);

/* tw_export_statuses(review_status) */
Datum
tw_export_statuses_of_text(PG_FUNCTION_ARGS)
{
	PG_RETURN_ARRAYTYPE_P(tw_export_statuses(PG_GETARG_TEXT_PP(0)));
}

PG_FUNCTION_INFO_V1(tw_export_training_samples_of_statuses);

/* export_training_samples() with an array of statuses, which becomes its literal. */
Datum
tw_export_training_samples_of_statuses(PG_FUNCTION_ARGS)
{
	if (!PG_ARGISNULL(0))
		fcinfo->args[0].value = CStringGetTextDatum(OidOutputFunctionCall(F_ARRAY_OUT, PG_GETARG_DATUM(0)));
	return tw_export_training_samples(fcinfo);
}
