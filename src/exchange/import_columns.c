/*
 * import_columns.c
 *		The argument columns of an import: which column of the data fills which
 *		column of a sample. In the words of import_conversations(), and by its
 *		rule for names: case and underscores make no difference.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/excerpt.h"
#include "exchange/import_columns.h"
#include "exchange/import_values.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#define EXAMPLE "{\"intent\": \"category\"}"

/* What a column of ours is called elsewhere: for data without a column of our name. */
typedef struct OtherName
{
	int			key;
	const char *name;
} OtherName;

static const OtherName other_names[] = {
	{TW_IMPORT_TEXT, "utterance"}, {TW_IMPORT_TEXT, "sentence"}, {TW_IMPORT_TEXT, "query"},
	{TW_IMPORT_INTENT, "label"}, {TW_IMPORT_INTENT, "category"}
};

pg_noreturn static void
refuse_columns(const char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message),
			 errhint("%s", hint)));
}

static char *
string_of(const JsonbValue *value)
{
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static JsonbValue *
field_of(JsonbContainer *object, const char *name)
{
	return getKeyJsonValueFromContainer(object, name, (int) strlen(name), NULL);
}

static void
read_names(TwImportColumn *column, JsonbContainer *array, const char *target)
{
	column->names_count = JsonContainerSize(array);
	column->names = palloc(sizeof(char *) * Max(column->names_count, 1));
	for (int i = 0; i < column->names_count; i++)
	{
		JsonbValue *name = getIthJsonbValueFromContainer(array, i);

		if (name->type != jbvString)
			refuse_columns(psprintf("the names for \"%s\" must be strings", target),
						   "List what the numbers 0, 1, ... stand for: {\"names\": [\"greet\", \"bye\"]}.");
		column->names[i] = string_of(name);
	}
}

/* {"column": ..., "names": [...]} or {"value": ...} */
static void
read_details(TwImportColumn *column, JsonbContainer *object, const char *target)
{
	JsonbValue *name = field_of(object, "column");
	JsonbValue *value = field_of(object, "value");
	JsonbValue *names = field_of(object, "names");
	int			known = (name != NULL) + (value != NULL) + (names != NULL);

	if (!JsonContainerIsObject(object) || (int) JsonContainerSize(object) != known || known == 0 ||
		(name != NULL && name->type != jbvString) || (value != NULL && (value->type != jbvString || known > 1)) ||
		(names != NULL && (names->type != jbvBinary || !JsonContainerIsArray(names->val.binary.data))))
		refuse_columns(psprintf("the column for \"%s\" is none that can be understood", target),
					   "Pass a name, or null, or {\"value\": \"...\"} for what all samples get, or {\"column\": "
					   "\"...\", \"names\": [\"...\"]} where its values are numbers.");
	if (name != NULL)
		column->name = string_of(name);
	if (value != NULL)
		column->value = string_of(value);
	if (names != NULL)
		read_names(column, names->val.binary.data, target);
	/* Without a name the column is found by its name. */
	column->is_given = name != NULL || value != NULL;
}

static int
key_of_name(const char *name)
{
	for (int key = 0; key < TW_IMPORT_KEYS; key++)
	{
		if (strcmp(tw_import_keys[key].name, name) == 0)
			return key;
	}
	return -1;
}

static TwImportColumn *
column_of_target(TwImportColumns *columns, const char *target)
{
	StringInfoData names;
	int			key = key_of_name(target);

	if (key >= 0)
		return &columns->keys[key];
	initStringInfo(&names);
	for (key = 0; key < TW_IMPORT_KEYS; key++)
		appendStringInfo(&names, "%s%s", key == 0 ? "" : ", ", tw_import_keys[key].name);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no column \"%s\" to import into", tw_excerpt(target)),
			 errdetail("These can be filled: %s.", names.data),
			 errhint("Each key is a column of training_samples, its value a column of the data: " EXAMPLE ".")));
}

/* The argument, which may be NULL. Raises 22023 where it means nothing. */
TwImportColumns
tw_import_columns(Jsonb *columns)
{
	TwImportColumns result = {.is_given = columns != NULL};
	JsonbIterator *iterator;
	JsonbValue	value;
	JsonbIteratorToken token;
	TwImportColumn *column = NULL;
	char	   *target = NULL;

	if (columns == NULL)
		return result;
	if (!JB_ROOT_IS_OBJECT(columns))
		refuse_columns("columns must be a JSON object", "Each key is a column of training_samples, its value a column "
					   "of the data: " EXAMPLE ". The value null leaves the column empty.");
	iterator = JsonbIteratorInit(&columns->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			target = string_of(&value);
			column = column_of_target(&result, target);
			column->is_given = true;
		}
		else if (column == NULL || token != WJB_VALUE)
			continue;
		else if (value.type == jbvString)
			column->name = string_of(&value);
		else if (value.type == jbvBinary)
			read_details(column, value.val.binary.data, target);
		else if (value.type != jbvNull)
			refuse_columns(psprintf("the column for \"%s\" must be a string, an object or null", target),
						   "Name a column of the data, or pass null to leave the column empty.");
	}
	return result;
}

/* Whether some column of a sample is filled by this column of the data, as the argument says; -1 = none. */
static int
find_given(const TwImportColumns *columns, TwSlice name)
{
	for (int key = 0; columns->is_given && key < TW_IMPORT_KEYS; key++)
	{
		const char *given = columns->keys[key].name;

		if (given != NULL && (int) strlen(given) == name.length && memcmp(given, name.data, name.length) == 0)
			return key;
	}
	return -1;
}

/* What a column with the name of a key is for, if the argument says something else about that key. */
static int
key_unless_given(const TwImportColumns *columns, int key)
{
	const TwImportColumn *column = &columns->keys[key];

	if (!column->is_given)
		return key;
	return column->name == NULL && column->value == NULL ? TW_IMPORT_LEFT_OUT : -1;
}

/* The TwImportKey that a key of an object is for, or -1, or TW_IMPORT_LEFT_OUT. */
int
tw_import_find_key(const TwImportColumns *columns, TwSlice name)
{
	int			key = find_given(columns, name);

	if (key >= 0)
		return key;
	for (key = 0; key < TW_IMPORT_KEYS; key++)
	{
		const char *own = tw_import_keys[key].name;

		if (strncmp(own, name.data, name.length) == 0 && own[name.length] == '\0')
			return key_unless_given(columns, key);
	}
	return -1;
}

/* Whether names are the same but for case and underscores. */
static bool
is_same_name(TwSlice name, const char *own)
{
	for (int i = 0; i < name.length; i++)
	{
		if (name.data[i] == '_' || name.data[i] == ' ' || name.data[i] == '-')
			continue;
		while (*own == '_')
			own++;
		if (pg_ascii_tolower((unsigned char) name.data[i]) != (unsigned char) *own)
			return false;
		own++;
	}
	return *own == '\0';
}

/* The same for a column of a table; *is_own is false where it has another name elsewhere. */
int
tw_import_find_column(const TwImportColumns *columns, TwSlice name, bool *is_own)
{
	int			key = find_given(columns, name);

	*is_own = true;
	if (key >= 0)
		return key;
	for (key = 0; key < TW_IMPORT_KEYS; key++)
	{
		if (is_same_name(name, tw_import_keys[key].name))
			return key_unless_given(columns, key);
	}
	*is_own = false;
	for (size_t i = 0; i < lengthof(other_names); i++)
	{
		if (is_same_name(name, other_names[i].name))
			return key_unless_given(columns, other_names[i].key);
	}
	return -1;
}

/* What a number stands for in a column; NULL = nothing says so. */
const char *
tw_import_name_of(const TwImportColumn *column, int64 number)
{
	return number >= 0 && number < column->names_count ? column->names[number] : NULL;
}
