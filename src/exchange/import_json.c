/*
 * import_json.c
 *		Finds objects of JSON in the data and parses them: one a line, the elements of
 *		an array, or one behind the other over several lines.
 *
 * The parser is Jansson. Its memory comes from malloc, which an ereport() does
 * not free: the reader holds the trees, and the format's end() frees them.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/excerpt.h"
#include "exchange/import_reader.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"

#define EXAMPLE "{\"text\": \"hello\", \"intent\": \"intent.general.greeting\"}"
#define LINE(reader) ((long long) (reader)->place.number)

/* How the objects stand in the data. */
typedef enum Layout
{
	LINES = 1,
	ARRAY,
	STREAM,						/* one behind the other */
	ARRAY_ENDED
} Layout;

typedef struct Objects
{
	Layout		layout;
	bool		has_element;	/* an array: whether there was one already */
} Objects;

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
refuse_json(const TwImportReader *reader, json_error_t *error)
{
	enum json_error_code code = json_error_code(error);
	bool		has_nul = code == json_error_null_character || code == json_error_null_byte_in_key;
	long long	number = LINE(reader) + Max(error->line, 1) - 1;

	if (code == json_error_out_of_memory || error->text[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed while parsing line %lld of the data.", number)));
	if (code == json_error_stack_overflow)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("line %lld, column %d: the JSON is nested too deep", number, error->column),
				 errhint("Arrays and objects may have 2048 levels. " TW_NOTHING_STAYS)));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("line %lld, column %d: this is not JSON that can be imported", number, error->column),
			 has_nul ? errdetail("The character \\u0000 cannot be stored in a text.") :
			 errdetail("%s", parser_says(error)),
			 errhint("Each line holds one JSON object, such as " EXAMPLE ". " TW_NOTHING_STAYS)));
}

/* Gives Jansson the JSON in pieces. An interrupt ends the input early, so that a long text can be cancelled. */
static size_t
next_piece(void *buffer, size_t size, void *arg)
{
	TwSlice    *rest = arg;

	if (tw_import_is_interrupted())
		return 0;
	size = Min(size, (size_t) rest->length);
	memcpy(buffer, rest->data, size);
	rest->data += size;
	rest->length -= (int) size;
	return size;
}

/* Parses JSON; NULL if it is none. What it returns has to be freed, after errors of the caller too. */
json_t *
tw_import_parse_json(TwImportReader *reader, TwSlice json, json_error_t *error)
{
	TwSlice		rest;
	size_t		flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
	json_t	   *tree = NULL;
	bool		again;

	do
	{
		json_decref(tree);
		tree = NULL;
		CHECK_FOR_INTERRUPTS();
		rest = json;
		tree = json_load_callback(next_piece, &rest, flags, error);
		/* Parses again after an interrupt that did not cancel the query. */
		again = rest.length > 0 && tw_import_is_interrupted();
		/* Entities may hold whole numbers of more than 64 bits, of which jsonb reads all digits. */
		if (!again && tree == NULL && (flags & JSON_DECODE_INT_AS_REAL) == 0 &&
			json_error_code(error) == json_error_numeric_overflow)
		{
			flags |= JSON_DECODE_INT_AS_REAL;
			again = true;
		}
	} while (again);
	return tree;
}

/* Parses the current record into reader->root, an object. */
void
tw_import_parse_object(TwImportReader *reader)
{
	json_error_t error;

	tw_import_free_object(reader);
	reader->root = tw_import_parse_json(reader, reader->place.line, &error);
	if (reader->root == NULL)
		refuse_json(reader, &error);
	if (!json_is_object(reader->root))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("line %lld is not a JSON object", LINE(reader)),
				 errdetail("It is %s.", tw_import_describe(reader->root)),
				 errhint("Each line holds one object, such as " EXAMPLE ". " TW_NOTHING_STAYS)));
}

void
tw_import_free_object(TwImportReader *reader)
{
	json_decref(reader->root);
	json_decref(reader->part);
	reader->root = NULL;
	reader->part = NULL;
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

/* Goes to the next character that is no white space, and counts lines; '\0' at the end of the data. */
static char
skip_space(TwImportReader *reader)
{
	for (; reader->at < reader->end; reader->at++)
	{
		if (*reader->at == '\n')
			reader->next_number++;
		else if (*reader->at != ' ' && *reader->at != '\t' && *reader->at != '\r')
			return *reader->at == '\0' ? ' ' : *reader->at;
	}
	return '\0';
}

/* The end of the value that begins here. It may be broken: the parser tells. */
static const char *
end_of_value(const char *at, const char *end)
{
	int64		depth = 0;
	bool		in_string = false;

	for (int64 i = 1; at < end; at++, i++)
	{
		if (i % (1 << 20) == 0)
			CHECK_FOR_INTERRUPTS();
		if (in_string)
		{
			if (*at == '\\' && at + 1 < end)
				at++;
			else if (*at == '"')
				in_string = false;
		}
		else if (*at == '"')
			in_string = true;
		else if (*at == '{' || *at == '[')
			depth++;
		else if (*at == '}' || *at == ']')
		{
			if (depth <= 1)
				return depth == 1 ? at + 1 : at;
			depth--;
		}
		else if (*at == ',' && depth == 0)
			return at;
	}
	return end;
}

/* Makes the value that begins here the current record. */
static bool
take_value(TwImportReader *reader)
{
	const char *end = end_of_value(reader->at, reader->end);

	/* What begins no value is a record as well, of which the parser says so. */
	end = Max(end, reader->at + 1);
	reader->place.line = (TwSlice) {reader->at, (int) (end - reader->at)};
	reader->place.number = reader->next_number;
	for (const char *at = reader->at; (at = memchr(at, '\n', end - at)) != NULL; at++)
		reader->next_number++;
	reader->at = end;
	return true;
}

pg_noreturn static void
refuse_array(TwImportReader *reader, const char *what)
{
	reader->place.number = reader->next_number;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("line %lld: this is not JSON that can be imported", LINE(reader)),
			 errdetail("%s", what),
			 errhint("An array holds objects: [" EXAMPLE ", ...]. " TW_NOTHING_STAYS)));
}

static bool
next_element(TwImportReader *reader, Objects *objects)
{
	char		c = skip_space(reader);

	if (objects->layout == ARRAY_ENDED)
	{
		if (c != '\0')
			refuse_array(reader, "Something stands behind the end of the array.");
		return false;
	}
	if (c == '\0')
		refuse_array(reader, "The array has no end.");
	if (c == ']')
	{
		reader->at++;
		objects->layout = ARRAY_ENDED;
		return next_element(reader, objects);
	}
	if (objects->has_element)
	{
		if (c != ',')
			refuse_array(reader, "A comma stands between the objects of an array.");
		reader->at++;
		c = skip_space(reader);
	}
	if (c == ']' || c == '}' || c == ',' || c == '\0')
		refuse_array(reader, "An object is missing.");
	objects->has_element = true;
	return take_value(reader);
}

/* Whether the object that begins here goes over several lines: its first line is not all of it, but no broken one. */
static bool
is_over_lines(const char *at, const char *end)
{
	const char *newline = memchr(at, '\n', end - at);
	const char *last = newline;

	if (newline == NULL || end_of_value(at, newline) != newline)
		return false;
	/* An object that is whole ends in its line, too. */
	while (last > at && strchr(" \t\r", last[-1]) != NULL)
		last--;
	if (last[-1] == '}')
		return false;
	if (strchr("{[,:", last[-1]) != NULL)
		return true;
	while (newline < end && strchr(" \t\r\n", *newline) != NULL)
		newline++;
	return newline < end && (*newline == '"' || *newline == '}');
}

static Objects *
find_layout(TwImportReader *reader)
{
	Objects    *objects = palloc0(sizeof(Objects));
	TwImportReader begin = *reader;
	char		first = skip_space(reader);

	objects->layout = LINES;
	/* Who says jsonl means lines. */
	if (first == '[' && strcmp(reader->options->format, tw_import_jsonl.name) != 0)
	{
		objects->layout = ARRAY;
		reader->at++;
		return objects;
	}
	if (first == '{' && is_over_lines(reader->at, reader->end))
	{
		objects->layout = STREAM;
		return objects;
	}
	reader->at = begin.at;
	reader->next_number = begin.next_number;
	return objects;
}

/* Makes the next object the current record; false at the end of the data. */
bool
tw_import_next_object(TwImportReader *reader)
{
	Objects    *objects = reader->state;

	if (objects == NULL)
		reader->state = objects = find_layout(reader);
	if (objects->layout == STREAM)
		return skip_space(reader) != '\0' && take_value(reader);
	if (objects->layout != LINES)
		return next_element(reader, objects);
	while (tw_import_next_line(reader))
	{
		if (!is_blank(reader->place.line))
			return true;
		CHECK_FOR_INTERRUPTS();
	}
	return false;
}
