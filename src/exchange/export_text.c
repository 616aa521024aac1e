/*
 * export_text.c
 *		Formats without structure: csv, fasttext.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "exchange/export_samples.h"
#include "exchange/export_words.h"

static void
append_quoted(StringInfo line, TwSlice value)
{
	appendStringInfoChar(line, '"');
	for (int i = 0; i < value.length; i++)
	{
		if (value.data[i] == '"')
			appendStringInfoChar(line, '"');
		appendStringInfoChar(line, value.data[i]);
	}
	appendStringInfoChar(line, '"');
}

/* As in COPY, an empty field without quotes is NULL; an empty string has quotes. */
static bool
wants_quotes(TwSlice value)
{
	if (value.length == 0)
		return true;
	for (int i = 0; i < value.length; i++)
	{
		if (strchr("\",\r\n", value.data[i]) != NULL)
			return true;
	}
	return value.data[0] == ' ' || value.data[value.length - 1] == ' ';
}

static void
append_csv_text(StringInfo line, TwSlice value)
{
	if (wants_quotes(value))
		append_quoted(line, value);
	else
		appendBinaryStringInfo(line, value.data, value.length);
}

static void
begin_csv(TwExport *export)
{
	for (int i = 0; i < TW_EXPORT_TABLE_COLUMNS; i++)
		appendStringInfo(&export->line, "%s%s", i == 0 ? "" : ",", tw_export_columns[i].name);
	tw_export_end_line(export);
}

static void
write_csv(TwExport *export)
{
	for (int i = 0; i < TW_EXPORT_TABLE_COLUMNS; i++)
	{
		if (i > 0)
			appendStringInfoChar(&export->line, ',');
		if (!tw_export_has(export, i))
			continue;
		if (tw_export_columns[i].type == TEXTOID)
			append_csv_text(&export->line, tw_export_text(export, i));
		else if (tw_export_columns[i].type == JSONBOID)
		{
			char	   *json = JsonbToCString(NULL, &tw_export_entities(export)->root, 64);

			append_csv_text(&export->line, (TwSlice) {json, strlen(json)});
		}
		else
			tw_export_append_plain(export, i);
	}
	tw_export_end_line(export);
}

/* White space by which fastText separates words. */
static bool
is_separator(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A label must be one word: white space and % in it are encoded as in a URL (%20). */
static void
append_label(StringInfo line, TwSlice intent)
{
	const unsigned char *at = (const unsigned char *) intent.data;
	const unsigned char *end = at + intent.length;

	appendStringInfoString(line, TW_FASTTEXT_LABEL);
	while (at < end)
	{
		int			length = pg_utf_mblen(at);
		pg_wchar	c = utf8_to_unicode(at);
		bool		is_plain = c > 0x20 && c != '%' && c != 0x7F && !tw_is_white_space(c);

		for (; length > 0; length--, at++)
		{
			if (is_plain)
				appendStringInfoChar(line, *at);
			else
				appendStringInfo(line, "%%%02X", *at);
		}
	}
}

/* Appends the text on one line: every character that some reader takes for a line end becomes a blank. */
static void
append_words(StringInfo line, TwSlice text)
{
	const char *at = text.data;
	const char *end = at + text.length;
	bool		begins_word = true;

	while (at < end)
	{
		int			length = pg_utf_mblen((const unsigned char *) at);

		if (begins_word && tw_is_fasttext_syntax(at, end))
			appendStringInfoString(line, TW_WORD_JOINER);
		begins_word = is_separator(*at);
		if (tw_ends_line(utf8_to_unicode((const unsigned char *) at)))
		{
			appendStringInfoChar(line, ' ');
			begins_word = true;
		}
		else
			appendBinaryStringInfo(line, at, length);
		at += length;
	}
}

static void
write_fasttext(TwExport *export)
{
	append_label(&export->line, tw_export_text(export, TW_EXPORT_INTENT));
	appendStringInfoChar(&export->line, ' ');
	append_words(&export->line, tw_export_text(export, TW_EXPORT_TEXT));
	tw_export_end_line(export);
}

const TwExportFormat tw_export_csv = {.name = "csv", .begin = begin_csv, .sample = write_csv};
const TwExportFormat tw_export_fasttext = {.name = "fasttext", .sample = write_fasttext};
