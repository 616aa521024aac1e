/*
 * import_reader.c
 *		Reads labelled texts of any format: chooses the format, calls its
 *		functions, and has the functions that they all use.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/excerpt.h"
#include "exchange/import_reader.h"
#include "miscadmin.h"
#include "privacy/long_text.h"
#include "privacy/redact.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#define LINE(reader) ((long long) (reader)->place.number)

pg_noreturn static void
refuse_value(const TwImportReader *reader, int key, const char *name, const char *what)
{
	bool		required = key == TW_IMPORT_TEXT || key == TW_IMPORT_INTENT;

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("line %lld: \"%s\" must be %s", LINE(reader), tw_excerpt(name), tw_import_keys[key].wanted),
			 errdetail("It is %s.", what),
			 required ? errhint("Correct the line. " TW_NOTHING_STAYS) :
			 errhint("Correct the line, or leave \"%s\" out of it. " TW_NOTHING_STAYS, tw_excerpt(name))));
}

/* Refuses a value longer than max_message_bytes: no export would write the sample. */
static void
check_size(const TwImportReader *reader, int key, const char *name, const NullableDatum *value)
{
	bool		is_text = key == TW_IMPORT_TEXT || key == TW_IMPORT_INTENT || key == TW_IMPORT_LANGUAGE ||
		key == TW_IMPORT_MODULE_TYPE || key == TW_IMPORT_EXPECTED_SERVICE;

	if (is_text ? tw_text_exceeds(value->value, value->isnull, reader->place.max_bytes) :
		key == TW_IMPORT_ENTITIES && tw_json_exceeds(value->value, value->isnull, reader->place.max_bytes))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("line %lld: \"%s\" is too long", LINE(reader), tw_excerpt(name)),
				 errdetail("It has more than max_message_bytes, which is %d.", reader->place.max_bytes),
				 errhint("Shorten it, or have the setting max_message_bytes raised. " TW_NOTHING_STAYS)));
}

/* A new sample, which begins in the current line. */
TwImportLine *
tw_import_add_line(TwImportReader *reader)
{
	return tw_add_import_line(&reader->result, reader->place.number);
}

/* Records that the current record becomes no sample, though nothing is wrong with it. */
void
tw_import_skip(TwImportReader *reader, const char *reason)
{
	tw_skip_import_line(&reader->result, reader->place.number, reason);
}

/* Gives the sample a value, which stands under this name in the data; raises an error unless it is valid. */
void
tw_import_put(TwImportReader *reader, TwImportLine *line, int key, const char *name, const json_t *value)
{
	reader->place.name = name;
	if (!tw_import_keys[key].read(&reader->place, value, &line->values[key]))
		refuse_value(reader, key, name, tw_import_describe(value));
	check_size(reader, key, name, &line->values[key]);
}

/* The same for a value of a format in which everything is text. */
void
tw_import_put_slice(TwImportReader *reader, TwImportLine *line, int key, const char *name, TwSlice value)
{
	json_t	   *json = NULL;
	bool		is_valid;

	if (key == TW_IMPORT_TEXT || key == TW_IMPORT_INTENT)
		is_valid = tw_import_read_slice(&reader->place, key, value, &line->values[key]);
	else if (key == TW_IMPORT_ENTITIES && value.data[strspn(value.data, " \t\r\n")] != '{' &&
			 value.data[strspn(value.data, " \t\r\n")] != '[')
		is_valid = false;
	else if (key == TW_IMPORT_ENTITIES)
	{
		tw_import_put_entities(reader, line, value);
		return;
	}
	else
	{
		if (key == TW_IMPORT_MODULE_ID || key == TW_IMPORT_QUALITY_SCORE)
			json = json_loadb(value.data, value.length, JSON_DECODE_ANY, NULL);
		if (json == NULL)
			json = json_stringn(value.data, value.length);
		if (json == NULL)
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
		reader->place.name = name;
		is_valid = tw_import_keys[key].read(&reader->place, json, &line->values[key]);
		json_decref(json);
	}
	if (!is_valid)
		refuse_value(reader, key, name, value.length == 0 ? "empty" :
					 psprintf("the string \"%s\"", tw_excerpt_of(value.data, value.length)));
	check_size(reader, key, name, &line->values[key]);
}

/* Gives the sample entities, which are JSON as text. */
void
tw_import_put_entities(TwImportReader *reader, TwImportLine *line, TwSlice json)
{
	NullableDatum *result = &line->values[TW_IMPORT_ENTITIES];

	if (!tw_import_read_entities(&reader->place, json, result))
		refuse_value(reader, TW_IMPORT_ENTITIES, tw_import_keys[TW_IMPORT_ENTITIES].name, "something else");
	check_size(reader, TW_IMPORT_ENTITIES, tw_import_keys[TW_IMPORT_ENTITIES].name, result);
}

/* Completes a sample; raises an error unless it has what every sample needs, and its entities fit its text. */
void
tw_import_finish(TwImportReader *reader, TwImportLine *line)
{
	for (int key = TW_IMPORT_TEXT; key <= TW_IMPORT_INTENT; key++)
	{
		if (line->values[key].isnull)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("line %lld has no \"%s\"", LINE(reader), tw_import_keys[key].name),
					 errdetail("A sample needs a text and an intent."),
					 reader->format->has_columns ?
					 errhint("Correct the line, or say which column it is: columns => '{\"%s\": \"...\"}'. "
							 TW_NOTHING_STAYS, tw_import_keys[key].name) :
					 errhint("Correct the line. " TW_NOTHING_STAYS)));
	}
	tw_import_fit(&reader->place, &line->values[TW_IMPORT_TEXT], &line->values[TW_IMPORT_ENTITIES]);
}

/* Makes the next line the current record; false at the end of the data. A line ends with a line feed or CR and LF. */
bool
tw_import_next_line(TwImportReader *reader)
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
	reader->place.number = reader->next_number++;
	return true;
}

bool
tw_import_is_interrupted(void)
{
	return INTERRUPTS_PENDING_CONDITION() && INTERRUPTS_CAN_BE_PROCESSED();
}

/* Error context: where the reader is, and as what it reads the data. */
static void
reader_context(void *arg)
{
	const TwImportReader *reader = arg;

	if (reader->place.number > 0)
		errcontext("line %lld of the data, read as %s", LINE(reader), reader->format->name);
	else
		errcontext("data read as %s", reader->format->name);
}

/* Raises 22023 for a format that there is not, and for columns that mean nothing. */
void
tw_check_import_options(const TwImportOptions *options)
{
	(void) tw_import_format_of_name(options->format);
	(void) tw_import_columns(options->columns);
}

static void
read_record(void *reader)
{
	((TwImportReader *) reader)->format->read(reader);
}

static void
read_records(TwImportReader *reader)
{
	if (reader->format->begin != NULL)
		reader->format->begin(reader);
	while (reader->format->next(reader))
	{
		CHECK_FOR_INTERRUPTS();
		tw_try_import_line(&reader->result, reader->place.number, read_record, reader);
	}
}

static void
end_reading(TwImportReader *reader)
{
	if (reader->format->end != NULL)
		reader->format->end(reader);
}

static void
read_all(TwImportReader *reader)
{
	PG_TRY();
	{
		read_records(reader);
	}
	PG_CATCH();
	{
		end_reading(reader);
		PG_RE_THROW();
	}
	PG_END_TRY();
	end_reading(reader);
}

/*
 * Reads the data. The first invalid record is an error, or with skip_bad_lines all
 * of them are collected; what is wrong with the data as a whole is always an error.
 * A byte order mark at the start is skipped.
 */
TwImportLines
tw_read_import_lines(text *data, const TwImportOptions *options)
{
	static const char byte_order_mark[] = "\xEF\xBB\xBF";
	TwImportReader *reader = palloc0(sizeof(TwImportReader));
	ErrorContextCallback context = {.callback = reader_context, .arg = reader, .previous = error_context_stack};

	reader->at = VARDATA_ANY(data);
	reader->end = reader->at + VARSIZE_ANY_EXHDR(data);
	reader->next_number = 1;
	reader->options = options;
	reader->columns = tw_import_columns(options->columns);
	reader->place.redact = options->redact;
	reader->place.redact_locations = options->redact_locations;
	reader->place.max_bytes = options->max_bytes;
	tw_begin_import_lines(&reader->result, options);
	if (reader->end - reader->at >= 3 && memcmp(reader->at, byte_order_mark, 3) == 0)
		reader->at += 3;
	reader->format = tw_import_recognise(reader);
	if (reader->format == NULL)
		return reader->result;
	reader->result.format = reader->format->name;
	if (reader->columns.is_given && !reader->format->has_columns)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("data of the format %s has no columns to choose", reader->format->name),
				 errhint("Leave columns out.")));

	reader->place.scratch = AllocSetContextCreate(CurrentMemoryContext, "entities of an import",
												  ALLOCSET_DEFAULT_SIZES);
	error_context_stack = &context;
	read_all(reader);
	error_context_stack = context.previous;
	MemoryContextDelete(reader->place.scratch);
	return reader->result;
}
