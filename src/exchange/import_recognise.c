/*
 * import_recognise.c
 *		The format of data to import: by its name, or from what the data looks like.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/excerpt.h"
#include "exchange/import_reader.h"

static const TwImportFormat *const formats[] = {
	&tw_import_jsonl, &tw_import_csv, &tw_import_fasttext, &tw_import_rasa, &tw_import_huggingface, &tw_import_openai,
	&tw_import_spacy, &tw_import_prodigy, &tw_import_labelstudio, &tw_import_dialogflow
};

/* The format of this name; NULL = auto. Raises 22023 for another name. */
const TwImportFormat *
tw_import_format_of_name(const char *name)
{
	StringInfoData names;

	initStringInfo(&names);
	appendStringInfoString(&names, "auto");
	for (size_t i = 0; i < lengthof(formats); i++)
	{
		if (strcmp(name, formats[i]->name) == 0)
			return formats[i];
		appendStringInfo(&names, ", %s", formats[i]->name);
	}
	if (strcmp(name, "auto") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no format \"%s\" to import", tw_excerpt(name)),
				 errhint("Choose one of: %s.", names.data)));
	return NULL;
}

static bool
begins_with(const char *at, const char *end, const char *what)
{
	return (size_t) (end - at) >= strlen(what) && memcmp(at, what, strlen(what)) == 0;
}

static const char *
skip_space(const char *at, const char *end)
{
	while (at < end && strchr(" \t\r\n", *at) != NULL && *at != '\0')
		at++;
	return at;
}

/* Whether a line of the data begins with a key that only Rasa's training data has at the outermost level. */
static bool
has_rasa_key(const char *at, const char *end)
{
	while (at < end)
	{
		const char *newline = memchr(at, '\n', end - at);

		if (begins_with(at, end, "nlu:") || begins_with(at, end, "\"nlu\":"))
			return true;
		if (newline == NULL)
			return false;
		at = newline + 1;
	}
	return false;
}

pg_noreturn static void
refuse_unknown(const char *at, const char *end)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the format of the data was not recognised"),
			 errdetail("It begins with \"%s\". Looked for: objects or an array of JSON; lines that begin with "
					   "__label__ (fasttext); a line that begins with nlu: (rasa); a header with columns for text and "
					   "intent (csv).", tw_excerpt_of(at, Min(end - at, 60))),
			 errhint("Say what it is, for example format => 'csv' with columns => "
					 "'{\"text\": \"...\", \"intent\": \"...\"}'. " TW_NOTHING_STAYS)));
}

/* The format to read the data with; NULL where there is nothing to read. */
const TwImportFormat *
tw_import_recognise(const TwImportReader *reader)
{
	const TwImportFormat *format = tw_import_format_of_name(reader->options->format);
	const char *first = skip_space(reader->at, reader->end);

	if (format != NULL || first == reader->end)
		return format;
	if (*first == '{' || *first == '[')
		return &tw_import_jsonl;
	if (begins_with(first, reader->end, "__label__"))
		return &tw_import_fasttext;
	if (has_rasa_key(first, reader->end))
		return &tw_import_rasa;
	if (tw_import_is_csv_header(reader))
		return &tw_import_csv;
	/* Cut at the end of the line. */
	refuse_unknown(first, first + strcspn(pnstrdup(first, Min(reader->end - first, 200)), "\r\n"));
}
