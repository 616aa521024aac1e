/*
 * import_objects.c
 *		Objects that are a sample: with the keys of jsonl, or with those that
 *		datasets, chat messages, spaCy and Prodigy have in their place.
 */
#include "postgres.h"

#include <math.h>

#include "base/compat.h"
#include "base/excerpt.h"
#include "exchange/import_objects.h"
#include "utils/builtins.h"

#define LINE(reader) ((long long) (reader)->place.number)

/* Keys of other tools. */
static const char *const foreign_keys[] = {
	[TW_LABEL] = "label",
	[TW_LABELS] = "labels",
	[TW_LABEL_TEXT] = "label_text",
	[TW_LABEL_NAME] = "label_name",
	[TW_CATS] = "cats",
	[TW_MESSAGES] = "messages",
	[TW_TOKENS] = "tokens",
	[TW_SPANS] = "spans",
	[TW_ENTS] = "ents",
	[TW_ACCEPT] = "accept",
	[TW_ANSWER] = "answer",
	[TW_OPTIONS] = "options"
};

pg_noreturn static void
refuse_key(const TwImportReader *reader, const char *name)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int key = 0; key < TW_IMPORT_KEYS; key++)
		appendStringInfo(&names, "%s%s", key == 0 ? "" : ", ", tw_import_keys[key].name);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("line %lld: there is no key \"%s\"", LINE(reader), tw_excerpt(name)),
			 errdetail("The keys are: %s.", names.data),
			 errhint("Say which key it is, with columns => '{\"intent\": \"...\"}', or pass ignore_unknown_keys => "
					 "true to leave all other keys out. " TW_NOTHING_STAYS)));
}

/* Raises an error about a key whose value is not what it should be. */
void
tw_import_refuse_foreign(const TwImportReader *reader, const char *name, const char *wanted, const json_t *value)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("line %lld: \"%s\" must be %s", LINE(reader), name, wanted),
			 value != NULL ? errdetail("It is %s.", tw_import_describe(value)) : 0,
			 errhint("Correct the line. " TW_NOTHING_STAYS)));
}

static int
find_foreign(const char *name)
{
	for (int key = 0; key < TW_FOREIGN_KEYS; key++)
	{
		if (strcmp(foreign_keys[key], name) == 0)
			return key;
	}
	return -1;
}

/* Gives the sample the values that the argument columns has for all of them. */
void
tw_import_read_constants(TwImportReader *reader, TwImportLine *line)
{
	if (!reader->columns.is_given)
		return;
	for (int key = 0; key < TW_IMPORT_KEYS; key++)
	{
		const char *value = reader->columns.keys[key].value;

		if (value != NULL)
			tw_import_put_slice(reader, line, key, tw_import_keys[key].name, TW_CSTRING_SLICE(value));
	}
}

/* An intent: a name, or the number of one; a list of one of these counts, too. */
static void
put_label(TwImportReader *reader, TwImportLine *line, const char *name, const json_t *value)
{
	TwObject   *object = reader->object;

	if (json_is_array(value) && json_array_size(value) == 1)
		value = json_array_get(value, 0);
	if (json_is_integer(value))
	{
		const char *label = tw_import_name_of(&reader->columns.keys[TW_IMPORT_INTENT], json_integer_value(value));

		if (label == NULL && json_is_string(object->values[TW_LABEL_TEXT]))
			label = json_string_value(object->values[TW_LABEL_TEXT]);
		if (label == NULL && json_is_string(object->values[TW_LABEL_NAME]))
			label = json_string_value(object->values[TW_LABEL_NAME]);
		if (label == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("line %lld: nothing says which intent the number %lld is", LINE(reader),
							(long long) json_integer_value(value)),
					 errdetail("It is the value of \"%s\".", tw_excerpt(name)),
					 errhint("List the names in the order of their numbers: columns => '{\"intent\": {\"column\": "
							 "\"%s\", \"names\": [\"greet\", \"bye\"]}}'. " TW_NOTHING_STAYS, tw_excerpt(name))));
		tw_import_put_slice(reader, line, TW_IMPORT_INTENT, name, TW_CSTRING_SLICE(label));
		return;
	}
	tw_import_put(reader, line, TW_IMPORT_INTENT, name, value);
}

/* The one category that spaCy's cats give the value 1. */
static void
put_category(TwImportReader *reader, TwImportLine *line, json_t *cats)
{
	const char *name;
	const char *found = NULL;
	json_t	   *value;
	int			count = 0;

	if (json_is_object(cats))
	{
		json_object_foreach(cats, name, value)
		{
			if (json_is_true(value) || (json_is_number(value) && json_number_value(value) == 1))
			{
				count++;
				found = name;
			}
		}
	}
	if (count != 1)
		tw_import_refuse_foreign(reader, "cats", "an object in which one category has the value 1", NULL);
	tw_import_put_slice(reader, line, TW_IMPORT_INTENT, "cats", TW_CSTRING_SLICE(found));
}

/* Puts what the other keys say into the sample. False if it is none: a person rejected or left out the line. */
static bool
put_foreign(TwImportReader *reader, TwImportLine *line)
{
	json_t	  **values = reader->object->values;
	const json_t *answer = values[TW_ANSWER];
	bool		has_intent = !line->values[TW_IMPORT_INTENT].isnull;

	if (answer != NULL && (!json_is_string(answer) || strcmp(json_string_value(answer), "accept") != 0))
	{
		if (!json_is_string(answer))
			tw_import_refuse_foreign(reader, "answer", "\"accept\", \"reject\" or \"ignore\"", answer);
		tw_import_skip(reader, strcmp(json_string_value(answer), "reject") == 0 ? "a person rejected it" :
					   "its answer is another than accept");
		return false;
	}
	if (values[TW_MESSAGES] != NULL)
	{
		tw_import_read_messages(reader, line, values[TW_MESSAGES]);
		has_intent = true;
	}
	if (values[TW_ACCEPT] != NULL && !has_intent)
	{
		if (!json_is_array(values[TW_ACCEPT]) || json_array_size(values[TW_ACCEPT]) != 1)
			tw_import_refuse_foreign(reader, "accept", "an array of one option", values[TW_ACCEPT]);
		put_label(reader, line, "accept", values[TW_ACCEPT]);
		has_intent = true;
	}
	if (values[TW_CATS] != NULL && !has_intent)
	{
		put_category(reader, line, values[TW_CATS]);
		has_intent = true;
	}
	for (int key = TW_LABEL; key <= TW_LABEL_NAME && !has_intent; key++)
	{
		if (values[key] == NULL)
			continue;
		put_label(reader, line, foreign_keys[key], values[key]);
		has_intent = true;
	}
	tw_import_read_spans(reader, line);
	return true;
}

/* Whether the object has the key without which it is not of the format that the caller named. */
static void
check_shape(const TwImportReader *reader)
{
	const TwImportFormat *format = reader->format;
	json_t	  **values = reader->object->values;
	const char *missing = NULL;

	if (format == &tw_import_spacy && values[TW_CATS] == NULL)
		missing = "cats";
	else if (format == &tw_import_openai && values[TW_MESSAGES] == NULL)
		missing = "messages";
	else if (format == &tw_import_huggingface && values[TW_LABEL] == NULL && values[TW_LABELS] == NULL &&
			 !reader->columns.keys[TW_IMPORT_INTENT].is_given)
		missing = "label";
	else if (format == &tw_import_prodigy && values[TW_LABEL] == NULL && values[TW_ACCEPT] == NULL &&
			 values[TW_CATS] == NULL)
		missing = "label";
	if (missing != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("line %lld has no \"%s\"", LINE(reader), missing),
				 errdetail("A line of the format %s has it.", format->name),
				 errhint("Correct the line, or leave format out to have each line read as what it is. "
						 TW_NOTHING_STAYS)));
}

/*
 * Goes through the keys: those of a sample are put into it at once, those of other tools are kept for later. Returns
 * the first key that is neither.
 */
static const char *
collect_keys(TwImportReader *reader, TwImportLine *line)
{
	TwObject   *object = reader->object;
	const char *unknown = NULL;
	const char *name;
	json_t	   *value;

	json_object_foreach(reader->root, name, value)
	{
		int			key = tw_import_find_key(&reader->columns, TW_CSTRING_SLICE(name));
		int			foreign;

		if (key == TW_IMPORT_LEFT_OUT)
			continue;
		if (json_is_null(value))
		{
			if (key < 0 && find_foreign(name) < 0 && unknown == NULL)
				unknown = name;
			continue;
		}
		if (key == TW_IMPORT_INTENT && reader->columns.keys[key].names != NULL)
		{
			put_label(reader, line, name, value);
			continue;
		}
		/* An array of arrays in a line of spaCy's is put together with the text. */
		if (key == TW_IMPORT_ENTITIES && json_is_array(value))
		{
			object->entities = value;
			object->entities_name = name;
			continue;
		}
		if (key >= 0)
		{
			tw_import_put(reader, line, key, name, value);
			continue;
		}
		foreign = find_foreign(name);
		if (foreign >= 0)
			object->values[foreign] = value;
		else if (name[0] == '_')
			object->has_tool_keys = true;
		if (foreign < 0 && unknown == NULL)
			unknown = name;
	}
	return unknown;
}

/* Whether keys that nobody knows are a tool's own: Prodigy and spaCy write many. */
static bool
may_have_more(const TwImportReader *reader)
{
	const TwObject *object = reader->object;

	return reader->options->ignore_unknown_keys || object->values[TW_ANSWER] != NULL ||
		(object->has_tool_keys && (object->values[TW_LABEL] != NULL || object->values[TW_ACCEPT] != NULL)) ||
		object->values[TW_ENTS] != NULL || reader->format == &tw_import_prodigy || reader->format == &tw_import_spacy;
}

/* Reads the current record, an object. */
void
tw_import_read_object(TwImportReader *reader)
{
	TwImportLine *line;
	const char *unknown;
	bool		is_auto;

	tw_import_parse_object(reader);
	is_auto = reader->format == &tw_import_jsonl;
	if (is_auto && tw_import_is_task(reader->root))
	{
		tw_import_read_task(reader);
		return;
	}
	if (is_auto && tw_import_is_phrases(reader->root))
	{
		tw_import_read_phrases(reader);
		return;
	}
	if (reader->object == NULL)
		reader->object = palloc(sizeof(TwObject));
	memset(reader->object, 0, sizeof(TwObject));
	line = tw_import_add_line(reader);
	tw_import_read_constants(reader, line);
	unknown = collect_keys(reader, line);
	if (unknown != NULL && !may_have_more(reader))
		refuse_key(reader, unknown);
	check_shape(reader);
	if (put_foreign(reader, line))
		tw_import_finish(reader, line);
	else
		reader->result.count--;
}

#define OBJECTS(format_name) \
{.name = format_name, .has_columns = true, .next = tw_import_next_object, .read = tw_import_read_object, \
		.end = tw_import_free_object}

const TwImportFormat tw_import_jsonl = OBJECTS("jsonl");
const TwImportFormat tw_import_huggingface = OBJECTS("huggingface");
const TwImportFormat tw_import_openai = OBJECTS("openai");
const TwImportFormat tw_import_spacy = OBJECTS("spacy");
const TwImportFormat tw_import_prodigy = OBJECTS("prodigy");
