/*
 * import_jsonl.c
 *		Reads JSONL with labelled texts line by line, and reports invalid lines.
 *
 * The parser is Jansson. Its memory comes from malloc, which an ereport() does
 * not free: there is one tree at a time, and PG_FINALLY frees it.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/excerpt.h"
#include "base/slice.h"
#include "exchange/import_lines.h"
#include "exchange/import_values.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "privacy/long_text.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define NOTHING_STAYS "Nothing of the data was imported."
#define EXAMPLE "{\"text\": \"hello\", \"intent\": \"intent.general.greeting\"}"

/* Number of the current line, for messages. */
#define LINE(reader) ((long long) (reader)->place.number)

typedef struct Reader
{
	/* the rest of the input */
	const char *at;
	const char *end;

	/* the current line */
	TwImportPlace place;
	json_t	   *root;

	/* the lines read so far */
	TwImportLines result;
} Reader;

/* The TwImportKey of this name, or -1. */
static int
find_key(const char *name)
{
	for (int key = 0; key < TW_IMPORT_KEYS; key++)
	{
		if (strcmp(tw_import_keys[key].name, name) == 0)
			return key;
	}
	return -1;
}

pg_noreturn static void
refuse_key(const Reader *reader, const char *name)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int key = 0; key < TW_IMPORT_KEYS; key++)
		appendStringInfo(&names, "%s%s", key == 0 ? "" : ", ", tw_import_keys[key].name);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("line %lld: there is no key \"%s\"", LINE(reader), tw_excerpt(name)),
			 errdetail("The keys are: %s.", names.data),
			 errhint("Pass ignore_unknown_keys => true to leave all other keys out. " NOTHING_STAYS)));
}

pg_noreturn static void
refuse_value(const Reader *reader, int key, const json_t *value)
{
	bool		required = key == TW_IMPORT_TEXT || key == TW_IMPORT_INTENT;

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("line %lld: \"%s\" must be %s", LINE(reader), tw_import_keys[key].name,
					tw_import_keys[key].wanted),
			 errdetail("It is %s.", tw_import_describe(value)),
			 required ? errhint("Correct the line. " NOTHING_STAYS) :
			 errhint("Correct the line, or leave \"%s\" out of it. " NOTHING_STAYS, tw_import_keys[key].name)));
}

/* Jansson's message as a sentence. Its excerpts can end in the middle of a character. */
static char *
parser_says(json_error_t *error)
{
	static const char file[] = "end of file";
	size_t		length = strlen(error->text);

	/* What Jansson calls a file is a line here. */
	if (strncmp(error->text, file, strlen(file)) == 0)
		memcpy(error->text + strlen(file) - strlen("file"), "line", strlen("line"));
	if (length >= strlen(file) && strcmp(error->text + length - strlen(file), file) == 0)
		memcpy(error->text + length - strlen("file"), "line", strlen("line"));
	if (!pg_verifymbstr(error->text, (int) length, true))
		return "The parser does not understand it.";
	return psprintf("The parser says: %s.", error->text);
}

pg_noreturn static void
refuse_json(const Reader *reader, json_error_t *error)
{
	enum json_error_code code = json_error_code(error);
	bool		has_nul = code == json_error_null_character || code == json_error_null_byte_in_key;

	if (code == json_error_out_of_memory || error->text[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed while parsing line %lld of the data.", LINE(reader))));
	if (code == json_error_stack_overflow)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("line %lld, column %d: the JSON is nested too deep", LINE(reader), error->column),
				 errhint("Arrays and objects may have 2048 levels. " NOTHING_STAYS)));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("line %lld, column %d: this is not JSON that can be imported", LINE(reader), error->column),
			 has_nul ? errdetail("The character \\u0000 cannot be stored in a text.") :
			 errdetail("%s", parser_says(error)),
			 errhint("Each line holds one JSON object, such as " EXAMPLE ". " NOTHING_STAYS)));
}

static bool
is_interrupted(void)
{
	return INTERRUPTS_PENDING_CONDITION() && INTERRUPTS_CAN_BE_PROCESSED();
}

/* Gives Jansson the line in pieces. An interrupt ends the input early, so that a long line can be cancelled. */
static size_t
next_piece(void *buffer, size_t size, void *arg)
{
	TwSlice    *rest = arg;

	if (is_interrupted())
		return 0;
	size = Min(size, (size_t) rest->length);
	memcpy(buffer, rest->data, size);
	rest->data += size;
	rest->length -= (int) size;
	return size;
}

/* Parses the current line into reader->root, an object. */
static void
parse_line(Reader *reader)
{
	json_error_t error;
	TwSlice		rest;
	size_t		flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
	bool		again;

	do
	{
		CHECK_FOR_INTERRUPTS();
		json_decref(reader->root);
		rest = reader->place.line;
		reader->root = json_load_callback(next_piece, &rest, flags, &error);
		/* Parses again after an interrupt that did not cancel the query. */
		again = rest.length > 0 && is_interrupted();
		/* Entities may hold whole numbers of more than 64 bits, of which jsonb reads all digits. */
		if (!again && reader->root == NULL && (flags & JSON_DECODE_INT_AS_REAL) == 0 &&
			json_error_code(&error) == json_error_numeric_overflow)
		{
			flags |= JSON_DECODE_INT_AS_REAL;
			again = true;
		}
	} while (again);

	if (reader->root == NULL)
		refuse_json(reader, &error);
	if (!json_is_object(reader->root))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("line %lld is not a JSON object", LINE(reader)),
				 errdetail("It is %s.", tw_import_describe(reader->root)),
				 errhint("Each line holds one object, such as " EXAMPLE ". " NOTHING_STAYS)));
}

/* Refuses a value longer than max_message_bytes: no export would write the sample. */
static void
check_size(const Reader *reader, int key, const NullableDatum *value)
{
	bool		is_text = key == TW_IMPORT_TEXT || key == TW_IMPORT_INTENT || key == TW_IMPORT_LANGUAGE ||
		key == TW_IMPORT_MODULE_TYPE || key == TW_IMPORT_EXPECTED_SERVICE;

	if (is_text ? tw_text_exceeds(value->value, value->isnull, reader->place.max_bytes) :
		key == TW_IMPORT_ENTITIES && tw_json_exceeds(value->value, value->isnull, reader->place.max_bytes))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("line %lld: \"%s\" is too long", LINE(reader), tw_import_keys[key].name),
				 errdetail("It has more than max_message_bytes, which is %d.", reader->place.max_bytes),
				 errhint("Shorten it, or have the setting max_message_bytes raised. " NOTHING_STAYS)));
}

static void
read_line(void *arg)
{
	Reader	   *reader = arg;
	TwImportLine *line;
	const char *name;
	json_t	   *value;

	parse_line(reader);
	line = tw_add_import_line(&reader->result, reader->place.number);
	json_object_foreach(reader->root, name, value)
	{
		int			key = find_key(name);

		if (key < 0 && !reader->result.options.ignore_unknown_keys)
			refuse_key(reader, name);
		if (key < 0 || json_is_null(value))
			continue;
		if (!tw_import_keys[key].read(&reader->place, value, &line->values[key]))
			refuse_value(reader, key, value);
		check_size(reader, key, &line->values[key]);
	}
	for (int key = TW_IMPORT_TEXT; key <= TW_IMPORT_INTENT; key++)
	{
		if (line->values[key].isnull)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("line %lld has no \"%s\"", LINE(reader), tw_import_keys[key].name),
					 errdetail("A sample needs a text and an intent."),
					 errhint("Correct the line. " NOTHING_STAYS)));
	}
}

/* Reads the next line; false at the end of the data. A line ends with a line feed or with CR and LF. */
static bool
next_line(Reader *reader)
{
	const char *newline;

	if (reader->at == reader->end)
		return false;
	newline = memchr(reader->at, '\n', reader->end - reader->at);
	if (newline == NULL)
		newline = reader->end;
	reader->place.line = (TwSlice) {reader->at, (int) (newline - reader->at)};
	if (reader->place.line.length > 0 && reader->place.line.data[reader->place.line.length - 1] == '\r')
		reader->place.line.length--;
	reader->at = Min(newline + 1, reader->end);
	reader->place.number++;
	return true;
}

static bool
is_blank(TwSlice line)
{
	for (int i = 0; i < line.length; i++)
	{
		if (strchr(" \t\r", line.data[i]) == NULL)
			return false;
	}
	return true;
}

/*
 * Reads JSONL, one object a line. The first invalid line is an error, or with
 * skip_bad_lines all of them are collected. Blank lines are counted and skipped;
 * so is a byte order mark at the start.
 */
TwImportLines
tw_read_import_lines(text *data, const TwImportOptions *options)
{
	static const char byte_order_mark[] = "\xEF\xBB\xBF";
	Reader	   *reader = palloc0(sizeof(Reader));

	reader->at = VARDATA_ANY(data);
	reader->end = reader->at + VARSIZE_ANY_EXHDR(data);
	reader->place.redact = options->redact;
	reader->place.redact_locations = options->redact_locations;
	reader->place.max_bytes = options->max_bytes;
	reader->place.scratch = AllocSetContextCreate(CurrentMemoryContext, "entities of an import",
												  ALLOCSET_DEFAULT_SIZES);
	tw_begin_import_lines(&reader->result, options);
	if (reader->end - reader->at >= 3 && memcmp(reader->at, byte_order_mark, 3) == 0)
		reader->at += 3;

	PG_TRY();
	{
		while (next_line(reader))
		{
			CHECK_FOR_INTERRUPTS();
			if (!is_blank(reader->place.line))
				tw_try_import_line(&reader->result, reader->place.number, read_line, reader);
		}
	}
	PG_FINALLY();
	{
		json_decref(reader->root);
	}
	PG_END_TRY();
	MemoryContextDelete(reader->place.scratch);
	return reader->result;
}
