/*
 * import_phrases.c
 *		Training phrases of Dialogflow: what its export calls usersays, phrases of an
 *		intent, and training phrases of its API.
 *
 * A phrase is a list of pieces of text, some of them with a parameter: the
 * entity. The files usersays do not say their intent, their names do: it comes
 * from a key "intent" or "name" around the phrases, or from the argument columns.
 */
#include "postgres.h"

#include "base/excerpt.h"
#include "exchange/import_reader.h"
#include "mb/pg_wchar.h"

#define LINE(reader) ((long long) (reader)->place.number)

static const char *const lists[] = {"userSays", "usersays", "trainingPhrases"};
static const char *const names[] = {"intent", "displayName", "name"};

/* The pieces of a phrase; NULL = the object is none. */
static json_t *
pieces_of(const json_t *phrase)
{
	json_t	   *pieces = json_object_get(phrase, "data");

	if (!json_is_array(pieces))
		pieces = json_object_get(phrase, "parts");
	return json_is_array(pieces) ? pieces : NULL;
}

/* The phrases of an intent; NULL = the object is none. */
static json_t *
phrases_of(const json_t *intent)
{
	for (size_t i = 0; i < lengthof(lists); i++)
	{
		json_t	   *phrases = json_object_get(intent, lists[i]);

		if (json_is_array(phrases))
			return phrases;
	}
	return NULL;
}

/* Whether the object is a phrase, or an intent with its phrases. */
bool
tw_import_is_phrases(const json_t *object)
{
	return pieces_of(object) != NULL || phrases_of(object) != NULL;
}

static const json_t *
string_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_string(value) && json_string_length(value) > 0 ? value : NULL;
}

/* The parameter of a piece, or else its type without @; a null slice = it has none. */
static TwSlice
label_of(const json_t *piece)
{
	const json_t *label = string_of(piece, "alias");
	const json_t *type = string_of(piece, "meta");

	if (type == NULL)
		type = string_of(piece, "entityType");
	if (type != NULL && strcmp(json_string_value(type), "@sys.ignore") == 0)
		return TW_NULL_SLICE;
	if (label == NULL)
		label = type;
	if (label == NULL)
		return TW_NULL_SLICE;
	if (label == type && json_string_value(label)[0] == '@' && json_string_length(label) > 1)
		return (TwSlice) {json_string_value(label) + 1, (int) json_string_length(label) - 1};
	return tw_json_slice(label);
}

static void
read_phrase(TwImportReader *reader, const json_t *phrase, const json_t *intent)
{
	TwImportLine *line = tw_import_add_line(reader);
	json_t	   *pieces = pieces_of(phrase);
	const json_t *language = string_of(phrase, "lang");
	StringInfoData words;
	StringInfoData entities;
	int			position = 0;
	size_t		i;
	json_t	   *piece;

	tw_import_read_constants(reader, line);
	initStringInfo(&words);
	initStringInfo(&entities);
	json_array_foreach(pieces, i, piece)
	{
		const json_t *value = json_object_get(piece, "text");
		TwSlice		label = label_of(piece);
		int			length;

		if (!json_is_string(value))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("line %lld: a piece of a phrase has no text", LINE(reader)),
					 errhint("Correct it: {\"data\": [{\"text\": \"to \"}, {\"text\": \"Pune\", \"alias\": "
							 "\"city\"}]}. " TW_NOTHING_STAYS)));
		appendBinaryStringInfo(&words, json_string_value(value), (int) json_string_length(value));
		length = pg_mbstrlen_with_len(json_string_value(value), (int) json_string_length(value));
		if (label.data != NULL && length > 0)
			tw_import_add_span(&entities, position, position + length, label, tw_json_slice(value));
		position += length;
	}
	tw_import_put_slice(reader, line, TW_IMPORT_TEXT, "text", (TwSlice) {words.data, words.len});
	if (intent != NULL)
		tw_import_put(reader, line, TW_IMPORT_INTENT, "intent", intent);
	if (language != NULL)
		tw_import_put(reader, line, TW_IMPORT_LANGUAGE, "lang", language);
	tw_import_end_spans(reader, line, &entities);
	if (line->values[TW_IMPORT_INTENT].isnull)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("line %lld: the phrase does not say its intent", LINE(reader)),
				 errdetail("Dialogflow writes the intent into the name of the file usersays."),
				 errhint("Name it: columns => '{\"intent\": {\"value\": \"...\"}}', or give the objects a key "
						 "\"intent\". " TW_NOTHING_STAYS)));
	tw_import_finish(reader, line);
}

/* Makes samples of the current record: one of a phrase, or one of each phrase of an intent. */
void
tw_import_read_phrases(TwImportReader *reader)
{
	json_t	   *phrases = phrases_of(reader->root);
	const json_t *intent = NULL;
	size_t		i;
	json_t	   *phrase;

	for (size_t n = 0; n < lengthof(names) && intent == NULL; n++)
		intent = string_of(reader->root, names[n]);
	if (phrases == NULL)
	{
		read_phrase(reader, reader->root, intent);
		return;
	}
	json_array_foreach(phrases, i, phrase)
	{
		if (pieces_of(phrase) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("line %lld: phrase %lld of the intent has no pieces", LINE(reader), (long long) i + 1),
					 errhint("A phrase has \"data\" or \"parts\", an array. " TW_NOTHING_STAYS)));
		read_phrase(reader, phrase, intent);
	}
}

static void
read_dialogflow(TwImportReader *reader)
{
	tw_import_parse_object(reader);
	if (!tw_import_is_phrases(reader->root))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("line %lld is neither a phrase of Dialogflow nor an intent with phrases", LINE(reader)),
				 errdetail("A phrase has \"data\" or \"parts\", an intent has \"userSays\" or \"trainingPhrases\"."),
				 errhint("Import the files usersays of an exported agent. " TW_NOTHING_STAYS)));
	tw_import_read_phrases(reader);
}

const TwImportFormat tw_import_dialogflow = {
	.name = "dialogflow", .has_columns = true, .next = tw_import_next_object, .read = read_dialogflow,
	.end = tw_import_free_object
};
