/*
 * export_rasa.c
 *		The format rasa: NLU training data in YAML, version 3.1.
 *
 * Samples come grouped by intent. Texts that fit into one line of a literal
 * block of YAML are written there, as people write them ("- text"); the others
 * are quoted strings in a block of their own.
 *
 * Rasa finds entities by a regular expression, [value](label) or
 * [value]{"entity": "label"}, and has no escape for texts that look like that.
 */
#include "postgres.h"

#include "exchange/export_spans.h"
#include "exchange/export_words.h"
#include "utils/json.h"

/*
 * With the check mark the file is not pure ASCII. Rasa decodes a pure ASCII file
 * like Python source, and a "\u" in a text would break the whole file.
 */
#define HEADER "# Rasa NLU training data in UTF-8 \xE2\x9C\x93"

/* Characters that YAML allows unescaped, except line ends and the invisible byte order mark. */
static bool
is_printable(pg_wchar c)
{
	return c == '\t' || (c >= 0x20 && c <= 0x7E) || (c >= 0xA0 && c <= 0xFFFD && c != 0x2028 && c != 0x2029 &&
													 c != 0xFEFF) ||
		c >= 0x10000;
}

static bool
is_one_line(StringInfo text)
{
	const unsigned char *at = (const unsigned char *) text->data;
	const unsigned char *end = at + text->len;

	if (strchr(" \t", at[0]) != NULL || strchr(" \t", end[-1]) != NULL)
		return false;
	for (; at < end; at += pg_utf_mblen(at))
	{
		if (!is_printable(utf8_to_unicode(at)))
			return false;
	}
	return true;
}

/* Appends a double-quoted string. Escapes with \x where it can, since Rasa reads \u wrongly without HEADER. */
static void
append_quoted(StringInfo line, const char *data, int length)
{
	const unsigned char *at = (const unsigned char *) data;
	const unsigned char *end = at + length;

	appendStringInfoChar(line, '"');
	for (; at < end; at += pg_utf_mblen(at))
	{
		pg_wchar	c = utf8_to_unicode(at);

		if (c == '"' || c == '\\')
			appendStringInfo(line, "\\%c", (char) c);
		else if (c == '\n')
			appendStringInfoString(line, "\\n");
		else if (c == '\t')
			appendStringInfoString(line, "\\t");
		else if (is_printable(c))
			appendBinaryStringInfo(line, (const char *) at, pg_utf_mblen(at));
		else if (c <= 0xFF)
			appendStringInfo(line, "\\x%02X", c);
		else
			appendStringInfo(line, "\\u%04X", c);
	}
	appendStringInfoChar(line, '"');
}

/* Whether every version of YAML reads the value without quotes as a string. */
static bool
is_plain_string(TwSlice value)
{
	static const char *const others[] = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"};

	for (int i = 0; i < value.length; i++)
	{
		char		c = value.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			  (i > 0 && c != '\0' && strchr("0123456789_./+-", c) != NULL)))
			return false;
	}
	for (size_t i = 0; i < lengthof(others); i++)
	{
		if (tw_slice_equals_ascii_ci(value, (TwSlice) {others[i], (int) strlen(others[i])}))
			return false;
	}
	return value.length > 0;
}

/* Appends a string of JSON in which nothing ends the entity: Rasa's expression ends at the first brace or bracket. */
static void
append_json(StringInfo line, const char *value)
{
	StringInfoData json;

	initStringInfo(&json);
	escape_json(&json, value);
	for (const char *at = json.data; *at != '\0'; at++)
	{
		if (strchr("[]}", *at) != NULL)
			appendStringInfo(line, "\\u%04x", *at);
		else
			appendStringInfoChar(line, *at);
	}
}

/*
 * Appends (label), or {"entity": "label"} for a label with characters that would end it too early, and for entities
 * with a value that is not what they hold, a role or a group.
 */
static void
append_entity(StringInfo line, const TwEntitySpan *span)
{
	static const char *const names[] = {"value", "role", "group"};
	const char *const values[] = {span->value, span->role, span->group};
	bool		has_more = false;

	for (size_t i = 0; i < lengthof(names); i++)
		has_more |= values[i] != NULL;
	if (!has_more && strspn(span->label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
		strlen(span->label))
	{
		appendStringInfo(line, "(%s)", span->label);
		return;
	}
	appendStringInfoString(line, "{\"entity\": ");
	append_json(line, span->label);
	for (size_t i = 0; i < lengthof(names); i++)
	{
		if (values[i] == NULL)
			continue;
		appendStringInfo(line, ", \"%s\": ", names[i]);
		append_json(line, values[i]);
	}
	appendStringInfoChar(line, '}');
}

/* Position of the last [ of the text that no ] follows; -1 = none. */
static int
open_bracket(const char *text, int length)
{
	for (int i = length - 1; i >= 0 && text[i] != ']'; i--)
	{
		if (text[i] == '[')
			return i;
	}
	return -1;
}

/*
 * Appends text outside entities, with a word joiner where Rasa would find an entity in it. Where there is one already,
 * one more is put there, as the import takes one away. What follows the text is looked at up to `end`; an entity that
 * is marked follows with a bracket.
 */
static void
append_outside(StringInfo line, const char *data, int length, const char *end, bool mark_follows)
{
	for (int i = 0; i < length; i++)
	{
		int			bracket = data[i] == ']' ? open_bracket(line->data, line->len) : -1;
		const char *behind = data + i + 1;
		bool		is_joined;
		bool		is_read;

		appendStringInfoChar(line, data[i]);
		if (data[i] != ']')
			continue;
		is_joined = tw_is_joined_bracket(behind, end, true);
		is_read = behind < end ? strchr("({[", *behind) != NULL && *behind != '\0' : mark_follows;
		if (mark_follows && behind < end && !is_joined)
		{
			while (end - behind >= 3 && memcmp(behind, TW_WORD_JOINER, 3) == 0)
				behind += 3;
			is_joined = behind == end;
		}
		if (is_joined || (is_read && bracket >= 0 && bracket < line->len - 2))
			appendStringInfoString(line, TW_WORD_JOINER);
	}
}

/* Whether a [ is open at the end of the line and the text that follows it. */
static bool
is_open(StringInfo line, const char *data, int length)
{
	for (int i = length - 1; i >= 0; i--)
	{
		if (data[i] == ']')
			return false;
		if (data[i] == '[')
			return true;
	}
	return open_bracket(line->data, line->len) >= 0;
}

/* The text with its entities marked, as Rasa reads it. */
static StringInfo
annotated_text(TwExport *export)
{
	TwSlice		text = tw_export_text(export, TW_EXPORT_TEXT);
	const char *end = text.data + text.length;
	StringInfo	line = makeStringInfo();
	TwEntitySpan *spans;
	int			count = tw_export_flat_spans(export, &spans);
	int			at = 0;

	for (int i = 0; i < count; i++)
	{
		const char *first = text.data + spans[i].first_byte;
		int			length = spans[i].end_byte - spans[i].first_byte;

		/* Rasa's expression can match an entity that has no ], and no [ is open before it. */
		if (memchr(first, ']', length) != NULL || is_open(line, text.data + at, spans[i].first_byte - at))
			continue;
		append_outside(line, text.data + at, spans[i].first_byte - at, first, true);
		appendStringInfoChar(line, '[');
		appendBinaryStringInfo(line, first, length);
		appendStringInfoChar(line, ']');
		append_entity(line, &spans[i]);
		at = spans[i].end_byte;
	}
	append_outside(line, text.data + at, text.length - at, end, false);
	return line;
}

/* Begins a new block unless the sample belongs to the open one. */
static void
open_block(TwExport *export, bool has_lines)
{
	TwSlice		intent = tw_export_text(export, TW_EXPORT_INTENT);

	if (export->rows == 0)
	{
		appendStringInfoString(&export->line, "nlu:");
		tw_export_end_line(export);
	}
	else if (has_lines == export->block_has_lines &&
			 tw_slice_compare(intent, (TwSlice) {export->intent.data, export->intent.len}) == 0)
		return;

	appendStringInfoString(&export->line, "- intent: ");
	if (is_plain_string(intent))
		appendBinaryStringInfo(&export->line, intent.data, intent.length);
	else
		append_quoted(&export->line, intent.data, intent.length);
	tw_export_end_line(export);
	appendStringInfoString(&export->line, has_lines ? "  examples: |" : "  examples:");
	tw_export_end_line(export);

	resetStringInfo(&export->intent);
	appendBinaryStringInfo(&export->intent, intent.data, intent.length);
	export->block_has_lines = has_lines;
}

static void
begin_rasa(TwExport *export)
{
	appendStringInfoString(&export->line, HEADER);
	tw_export_end_line(export);
	appendStringInfoString(&export->line, "version: \"3.1\"");
	tw_export_end_line(export);
}

static void
write_rasa(TwExport *export)
{
	StringInfo	text = annotated_text(export);
	bool		is_line = is_one_line(text);

	open_block(export, is_line);
	if (is_line)
	{
		appendStringInfoString(&export->line, "    - ");
		appendBinaryStringInfo(&export->line, text->data, text->len);
	}
	else
	{
		appendStringInfoString(&export->line, "  - text: ");
		append_quoted(&export->line, text->data, text->len);
	}
	tw_export_end_line(export);
}

static void
end_rasa(TwExport *export)
{
	if (export->rows == 0)
	{
		appendStringInfoString(&export->line, "nlu: []");
		tw_export_end_line(export);
	}
}

const TwExportFormat tw_export_rasa = {
	.name = "rasa", .by_intent = true, .wants_spans = true, .wants_attributes = true,
	.begin = begin_rasa, .sample = write_rasa, .end = end_rasa
};
