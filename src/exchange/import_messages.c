/*
 * import_messages.c
 *		Chat messages: what the user says is the text, what the assistant answers the
 *		intent, as a word or as JSON.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/excerpt.h"
#include "exchange/import_objects.h"

#define LINE(reader) ((long long) (reader)->place.number)

pg_noreturn static void
refuse_messages(const TwImportReader *reader, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("line %lld: the messages are none that can be imported", LINE(reader)),
			 errdetail("%s", detail),
			 errhint("A sample has one message of the user and one of the assistant, whose content is the intent, or "
					 "{\"intent\": \"...\"}. " TW_NOTHING_STAYS)));
}

/* The content of a message: a string, or the texts of its parts. */
static TwSlice
content_of(const TwImportReader *reader, const json_t *message)
{
	const json_t *content = json_object_get(message, "content");
	StringInfoData all;
	size_t		i;
	json_t	   *part;

	if (json_is_string(content))
		return tw_json_slice(content);
	if (!json_is_array(content))
		refuse_messages(reader, "A message has no content.");
	initStringInfo(&all);
	json_array_foreach(content, i, part)
	{
		const json_t *words = json_object_get(part, "text");

		if (!json_is_string(words))
			refuse_messages(reader, "A part of a message is no text.");
		appendBinaryStringInfo(&all, json_string_value(words), (int) json_string_length(words));
	}
	return (TwSlice) {all.data, all.len};
}

/* The answer as JSON: an object with the intent and perhaps entities. */
static void
read_answer(TwImportReader *reader, TwImportLine *line, TwSlice answer)
{
	TwSlice		record = reader->place.line;
	json_error_t error;
	json_t	   *intent;
	json_t	   *entities;

	reader->part = tw_import_parse_json(reader, answer, &error);
	if (reader->part == NULL)
		refuse_messages(reader, "The assistant's answer begins with { and is not JSON.");
	intent = json_object_get(reader->part, "intent");
	if (intent == NULL)
		intent = json_object_get(reader->part, "label");
	if (intent == NULL)
		refuse_messages(reader, "The assistant's answer has no \"intent\".");
	tw_import_put(reader, line, TW_IMPORT_INTENT, "intent", intent);
	entities = json_object_get(reader->part, "entities");
	if (entities != NULL && !json_is_null(entities))
	{
		reader->place.line = answer;
		tw_import_put(reader, line, TW_IMPORT_ENTITIES, "entities", entities);
		reader->place.line = record;
	}
}

static TwSlice
trimmed(TwSlice text)
{
	while (text.length > 0 && strchr(" \t\r\n", text.data[0]) != NULL)
		text = (TwSlice) {text.data + 1, text.length - 1};
	while (text.length > 0 && strchr(" \t\r\n", text.data[text.length - 1]) != NULL)
		text.length--;
	return text;
}

/* Puts the text, the intent and the entities of a conversation of one question into the sample. */
void
tw_import_read_messages(TwImportReader *reader, TwImportLine *line, const json_t *messages)
{
	const json_t *question = NULL;
	const json_t *answer = NULL;
	TwSlice		content;
	size_t		i;
	json_t	   *message;

	json_array_foreach(messages, i, message)
	{
		const json_t *role = json_object_get(message, "role");
		const char *who = json_is_string(role) ? json_string_value(role) : "";

		if (strcmp(who, "user") == 0)
		{
			if (question != NULL)
				refuse_messages(reader, "There is more than one message of the user.");
			question = message;
		}
		else if (strcmp(who, "assistant") == 0)
		{
			if (answer != NULL)
				refuse_messages(reader, "There is more than one message of the assistant.");
			answer = message;
		}
		else if (strcmp(who, "system") != 0 && strcmp(who, "developer") != 0)
			refuse_messages(reader, psprintf("There is a message with the role \"%s\".", tw_excerpt(who)));
	}
	if (question == NULL || answer == NULL)
		refuse_messages(reader, "The message of the user or of the assistant is missing.");
	content = content_of(reader, question);
	tw_import_put_slice(reader, line, TW_IMPORT_TEXT, "content", content);
	content = trimmed(content_of(reader, answer));
	if (content.length > 0 && content.data[0] == '{')
		read_answer(reader, line, content);
	else if (memchr(content.data, '\n', content.length) != NULL)
		refuse_messages(reader, "The assistant's answer has several lines, so it is no intent.");
	else
		tw_import_put_slice(reader, line, TW_IMPORT_INTENT, "content", content);
}
