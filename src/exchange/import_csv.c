/*
 * import_csv.c
 *		Reads csv: RFC 4180 with a header, separated by commas, semicolons or tabs.
 */
#include "postgres.h"

#include "base/excerpt.h"
#include "exchange/import_reader.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* Columns of export_training_samples(format => 'csv') that no import reads. */
static const char *const exported[] = {
	"id", "conversation_log_id", "review_status", "reviewed_by", "reviewed_at", "source", "selection_probability",
	"model_version_target", "updated_at", "pending_reason"
};

#define REVIEW_STATUS 2			/* of these */

/* What a column is for: a TwImportKey, or one of these. */
#define IGNORED (-1)
#define STATUS (-3)

typedef struct Field
{
	TwSlice		value;
	bool		is_quoted;
} Field;

typedef struct Csv
{
	char		separator;
	/* the current record */
	Field	   *fields;
	int			count;
	int			room;
	const char *fault;			/* what is wrong with it; NULL = nothing */
	MemoryContext unquoted;		/* its fields with doubled quotes */
	/* the header */
	int		   *keys;			/* what each column is for */
	char	  **names;
	int			columns;
	bool		is_export;		/* our own export */
} Csv;

/* Finds the end of a quoted field and its value; the field begins behind the quote at reader->at. */
static TwSlice
read_quoted(TwImportReader *reader, Csv *csv)
{
	const char *begin = reader->at;
	const char *quote;
	int			doubled = 0;
	char	   *value;
	int			length = 0;

	for (;; doubled++, reader->at = quote + 2)
	{
		quote = memchr(reader->at, '"', reader->end - reader->at);
		CHECK_FOR_INTERRUPTS();
		if (quote == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					 errmsg("line %lld: a field begins with a quote and has no end", (long long) reader->place.number),
					 errhint("Close the field, and double quotes within it: \"say \"\"hello\"\"\". "
							 TW_NOTHING_STAYS)));
		if (quote + 1 == reader->end || quote[1] != '"')
			break;
	}
	reader->at = quote + 1;
	for (const char *at = begin; (at = memchr(at, '\n', quote - at)) != NULL; at++)
		reader->next_number++;
	if (doubled == 0)
		return (TwSlice) {begin, (int) (quote - begin)};
	value = MemoryContextAlloc(csv->unquoted, quote - begin);
	for (const char *at = begin; at < quote; at++)
	{
		value[length++] = *at;
		if (*at == '"')
			at++;
	}
	return (TwSlice) {value, length};
}

static void
read_field(TwImportReader *reader, Csv *csv)
{
	Field		field = {.is_quoted = reader->at < reader->end && *reader->at == '"'};
	const char *begin;

	if (field.is_quoted)
	{
		reader->at++;
		field.value = read_quoted(reader, csv);
	}
	begin = reader->at;
	while (reader->at < reader->end && *reader->at != csv->separator && *reader->at != '\n' && *reader->at != '\r')
		reader->at++;
	if (!field.is_quoted)
		field.value = (TwSlice) {begin, (int) (reader->at - begin)};
	else if (reader->at > begin)
		csv->fault = "Something stands between a closing quote and the next separator.";
	if (csv->count == csv->room)
	{
		csv->room *= 2;
		csv->fields = repalloc_huge(csv->fields, sizeof(Field) * csv->room);
	}
	csv->fields[csv->count++] = field;
}

/* Reads the fields of the next record; false at the end of the data. Blank lines are skipped. */
static bool
next_record(TwImportReader *reader, Csv *csv)
{
	MemoryContextReset(csv->unquoted);
	csv->fault = NULL;
	do
	{
		if (reader->at == reader->end)
			return false;
		csv->count = 0;
		reader->place.number = reader->next_number++;
		for (;;)
		{
			read_field(reader, csv);
			if (reader->at == reader->end || *reader->at != csv->separator)
				break;
			reader->at++;
		}
		if (reader->at < reader->end && *reader->at == '\r')
			reader->at++;
		if (reader->at < reader->end && *reader->at == '\n')
			reader->at++;
	} while (csv->count == 1 && !csv->fields[0].is_quoted && tw_slice_is_blank(csv->fields[0].value));
	return true;
}

static Csv *
make_csv(char separator)
{
	Csv		   *csv = palloc0(sizeof(Csv));

	csv->separator = separator;
	csv->room = 32;
	csv->fields = palloc(sizeof(Field) * csv->room);
	csv->unquoted = AllocSetContextCreate(CurrentMemoryContext, "fields of CSV", ALLOCSET_DEFAULT_SIZES);
	return csv;
}

static int
exported_column(TwSlice name)
{
	for (size_t i = 0; i < lengthof(exported); i++)
	{
		if (tw_slice_equals_ascii_ci(name, (TwSlice) {exported[i], (int) strlen(exported[i])}))
			return (int) i;
	}
	return -1;
}

static TwSlice
trimmed(TwSlice name)
{
	while (name.length > 0 && strchr(" \t", name.data[0]) != NULL)
		name = (TwSlice) {name.data + 1, name.length - 1};
	while (name.length > 0 && strchr(" \t", name.data[name.length - 1]) != NULL)
		name.length--;
	return name;
}

/* Finds what each column is for. A column with our name comes before one that is called so elsewhere. */
static void
find_columns(const TwImportReader *reader, Csv *csv)
{
	bool		has[TW_IMPORT_KEYS] = {false};
	int			seen = 0;

	csv->columns = csv->count;
	csv->keys = palloc(sizeof(int) * csv->count);
	csv->names = palloc(sizeof(char *) * csv->count);
	for (int pass = 0; pass < 2; pass++)
	{
		for (int i = 0; i < csv->count; i++)
		{
			TwSlice		name = trimmed(csv->fields[i].value);
			bool		is_own;
			int			key = tw_import_find_column(&reader->columns, name, &is_own);

			if (pass == 0)
			{
				csv->names[i] = pnstrdup(name.data, name.length);
				csv->keys[i] = IGNORED;
				if (exported_column(name) >= 0)
				{
					seen++;
					csv->keys[i] = exported_column(name) == REVIEW_STATUS ? STATUS : IGNORED;
				}
			}
			if (key == TW_IMPORT_LEFT_OUT && csv->keys[i] == IGNORED)
				csv->keys[i] = key;
			if (key >= 0 && is_own == (pass == 0) && !has[key])
			{
				csv->keys[i] = key;
				has[key] = true;
			}
		}
	}
	csv->is_export = seen == lengthof(exported);
}

static bool
has_key(const TwImportReader *reader, const Csv *csv, int key)
{
	for (int i = 0; i < csv->columns; i++)
	{
		if (csv->keys[i] == key)
			return true;
	}
	return reader->columns.keys[key].value != NULL;
}

static bool
is_complete(const TwImportReader *reader, const Csv *csv)
{
	return has_key(reader, csv, TW_IMPORT_TEXT) && has_key(reader, csv, TW_IMPORT_INTENT);
}

/* Reads the header, with the first separator that makes it one; NULL if none does, and fallback is not wanted. */
static Csv *
read_header(TwImportReader *reader, bool wants_fallback)
{
	static const char separators[] = ",;\t";
	TwImportReader begin = *reader;
	Csv		   *widest = NULL;
	TwImportReader after_widest = *reader;

	for (int i = 0; separators[i] != '\0'; i++)
	{
		Csv		   *csv = make_csv(separators[i]);

		*reader = begin;
		if (!next_record(reader, csv))
			return NULL;
		find_columns(reader, csv);
		if (is_complete(reader, csv))
			return csv;
		if (widest == NULL || csv->columns > widest->columns)
		{
			widest = csv;
			after_widest = *reader;
		}
	}
	*reader = wants_fallback ? after_widest : begin;
	return wants_fallback ? widest : NULL;
}

/* Whether the data begins with a header of CSV that has a text and an intent. */
bool
tw_import_is_csv_header(const TwImportReader *reader)
{
	TwImportReader copy = *reader;
	const char *newline = memchr(reader->at, '\n', reader->end - reader->at);

	/* Names of columns are in one line; a quote that is not closed in it begins something else. */
	copy.end = newline == NULL ? reader->end : newline;
	for (const char *at = copy.at; (at = memchr(at, '"', copy.end - at)) != NULL; at++)
	{
		at = memchr(at + 1, '"', copy.end - at - 1);
		if (at == NULL)
			return false;
	}
	return read_header(&copy, false) != NULL;
}

static char *
list_of(char **names, int count)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < count && list.len < TW_EXCERPT_BYTES; i++)
		appendStringInfo(&list, "%s%s", i == 0 ? "" : ", ", tw_excerpt(names[i]));
	return tw_excerpt(list.data);
}

static void
begin_csv(TwImportReader *reader)
{
	Csv		   *csv = read_header(reader, true);

	reader->state = csv;
	if (csv == NULL)
		return;
	for (int key = 0; key < TW_IMPORT_KEYS; key++)
	{
		const char *named = reader->columns.keys[key].name;

		if (has_key(reader, csv, key) || (key > TW_IMPORT_INTENT && named == NULL))
			continue;
		ereport(ERROR,
				(errcode(named == NULL ? ERRCODE_INVALID_PARAMETER_VALUE : ERRCODE_UNDEFINED_COLUMN),
				 named == NULL ? errmsg("the header has no column for %s", tw_import_keys[key].name) :
				 errmsg("the header has no column \"%s\"", tw_excerpt(named)),
				 errdetail("It has: %s.", list_of(csv->names, csv->columns)),
				 errhint("The first line of csv names the columns. Say which it is: columns => '{\"%s\": \"...\"}'. "
						 TW_NOTHING_STAYS, tw_import_keys[key].name)));
	}
	for (int i = 0; i < csv->columns; i++)
	{
		TwSlice		name = {csv->names[i], (int) strlen(csv->names[i])};

		if (csv->keys[i] == IGNORED && exported_column(name) < 0 && !reader->options->ignore_unknown_keys)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("there is no column \"%s\" to import into", tw_excerpt(csv->names[i])),
					 errdetail("The header has: %s.", list_of(csv->names, csv->columns)),
					 errhint("Say what it is, for example columns => '{\"language\": \"%s\"}', or pass "
							 "ignore_unknown_keys => true to leave all other columns out. " TW_NOTHING_STAYS,
							 tw_excerpt(csv->names[i]))));
	}
}

static bool
next_csv(TwImportReader *reader)
{
	return reader->state != NULL && next_record(reader, reader->state);
}

static void
check_record(const TwImportReader *reader, const Csv *csv)
{
	if (csv->fault == NULL && csv->count == csv->columns)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 csv->fault != NULL ?
			 errmsg("line %lld: this is not a record of csv", (long long) reader->place.number) :
			 errmsg("line %lld has another number of fields than the header", (long long) reader->place.number),
			 csv->fault != NULL ? errdetail("%s", csv->fault) :
			 errdetail("It has %d, and the header has %d.", csv->count, csv->columns),
			 errhint("A field with a separator, a quote or a line break stands in quotes, and quotes within it are "
					 "doubled. " TW_NOTHING_STAYS)));
}

/* Whether our export wrote what no import can read: an infinite time, or entities that are a number or string. */
static bool
is_left_out(const Csv *csv, int key, TwSlice value)
{
	if (!csv->is_export)
		return false;
	if (key == TW_IMPORT_ENTITIES)
		return value.data[0] != '{' && value.data[0] != '[';
	return key == TW_IMPORT_CREATED_AT &&
		(memmem(value.data, value.length, "infinity", 8) != NULL ||
		 memmem(value.data, value.length, " BC", 3) != NULL ||
		 memchr(value.data, '-', value.length) != value.data + 4);
}

/* What a number stands for, where the argument columns says so. */
static TwSlice
name_of_number(const TwImportReader *reader, const TwImportColumn *column, const char *name, TwSlice value)
{
	char	   *end;
	char	   *digits = pnstrdup(value.data, value.length);
	const char *found = tw_import_name_of(column, strtoll(digits, &end, 10));

	if (found == NULL || end == digits || *end != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("line %lld: nothing says what a value stands for", (long long) reader->place.number),
				 errdetail("The column \"%s\" has \"%s\".", tw_excerpt(name), tw_excerpt(digits)),
				 errhint("The names in the argument columns stand for the numbers from 0 to %d. " TW_NOTHING_STAYS,
						 column->names_count - 1)));
	return TW_CSTRING_SLICE(found);
}

static void
put_field(TwImportReader *reader, TwImportLine *line, const Csv *csv, int i)
{
	const Field *field = &csv->fields[i];
	const TwImportColumn *column = &reader->columns.keys[csv->keys[i]];
	TwSlice		value = field->value;

	if (value.length == 0 && (!field->is_quoted || csv->keys[i] > TW_IMPORT_INTENT))
		return;
	if (is_left_out(csv, csv->keys[i], value))
		return;
	if (column->names != NULL)
		value = name_of_number(reader, column, csv->names[i], value);
	tw_import_put_slice(reader, line, csv->keys[i], csv->names[i], value);
}

static void
read_csv(TwImportReader *reader)
{
	Csv		   *csv = reader->state;
	TwImportLine *line;

	check_record(reader, csv);
	for (int i = 0; i < csv->columns; i++)
	{
		TwSlice		status = csv->fields[i].value;

		if (csv->keys[i] == STATUS && csv->is_export && !tw_slice_equals_ascii_ci(status, TW_CSTRING_SLICE("approved")))
		{
			tw_import_skip(reader, "its review_status is another than approved");
			return;
		}
	}
	line = tw_import_add_line(reader);
	tw_import_read_constants(reader, line);
	for (int i = 0; i < csv->columns; i++)
	{
		if (csv->keys[i] >= 0)
			put_field(reader, line, csv, i);
	}
	tw_import_finish(reader, line);
}

const TwImportFormat tw_import_csv = {
	.name = "csv", .has_columns = true, .begin = begin_csv, .next = next_csv, .read = read_csv
};
