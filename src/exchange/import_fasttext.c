/*
 * import_fasttext.c
 *		Reads fasttext: lines of "__label__intent text".
 *
 * What export_text.c does to be read right by fastText is undone: %20 and its
 * like in the label, and a word joiner in front of what would be syntax.
 */
#include "postgres.h"

#include "base/excerpt.h"
#include "exchange/export_words.h"
#include "exchange/import_reader.h"
#include "mb/pg_wchar.h"

static bool
next_fasttext(TwImportReader *reader)
{
	while (tw_import_next_line(reader))
	{
		if (!tw_slice_is_blank(reader->place.line))
			return true;
	}
	return false;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The label with %20 and its like decoded; as it is where that would be no text. */
static TwSlice
decode_label(TwSlice label)
{
	char	   *decoded;
	int			length = 0;

	if (memchr(label.data, '%', label.length) == NULL)
		return label;
	decoded = palloc(label.length);
	for (int i = 0; i < label.length; i++)
	{
		int			high = label.data[i] == '%' && i + 2 < label.length ? hex_value(label.data[i + 1]) : -1;
		int			low = high >= 0 ? hex_value(label.data[i + 2]) : -1;

		if (low >= 0)
			i += 2;
		decoded[length++] = low >= 0 ? (char) (high << 4 | low) : label.data[i];
	}
	if (!pg_verifymbstr(decoded, length, true))
		return label;
	return (TwSlice) {decoded, length};
}

static bool
is_separator(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
begins_with(const char *at, const char *end, const char *what)
{
	return (size_t) (end - at) >= strlen(what) && memcmp(at, what, strlen(what)) == 0;
}

/* Copies the text without the word joiners that the export put in; raises an error about a further label. */
static TwSlice
read_words(const TwImportReader *reader, const char *at, const char *end)
{
	char	   *words;
	int			length = 0;
	bool		begins_word = true;

	if (memmem(at, end - at, TW_FASTTEXT_LABEL, strlen(TW_FASTTEXT_LABEL)) == NULL &&
		memmem(at, end - at, TW_FASTTEXT_END, strlen(TW_FASTTEXT_END)) == NULL)
		return (TwSlice) {at, (int) (end - at)};
	words = palloc(end - at);
	while (at < end)
	{
		if (begins_word && begins_with(at, end, TW_WORD_JOINER) && tw_is_fasttext_syntax(at, end))
			at += strlen(TW_WORD_JOINER);
		else if (begins_word && begins_with(at, end, TW_FASTTEXT_LABEL))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("line %lld has more than one label", (long long) reader->place.number),
					 errdetail("A sample has one intent."),
					 errhint("Leave one label in the line. " TW_NOTHING_STAYS)));
		begins_word = is_separator(*at);
		words[length++] = *at++;
	}
	return (TwSlice) {words, length};
}

static void
read_fasttext(TwImportReader *reader)
{
	const char *at = reader->place.line.data;
	const char *end = at + reader->place.line.length;
	const char *label;
	const char *label_end;
	TwImportLine *line;

	while (at < end && is_separator(*at))
		at++;
	if (!begins_with(at, end, TW_FASTTEXT_LABEL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("line %lld does not begin with " TW_FASTTEXT_LABEL, (long long) reader->place.number),
				 errdetail("It begins with \"%s\".", tw_excerpt_of(at, Min(end - at, 60))),
				 errhint("Each line holds a label and a text: " TW_FASTTEXT_LABEL "greet good morning. "
						 TW_NOTHING_STAYS)));
	label = at + strlen(TW_FASTTEXT_LABEL);
	for (label_end = label; label_end < end && !is_separator(*label_end);)
		label_end++;
	line = tw_import_add_line(reader);
	tw_import_put_slice(reader, line, TW_IMPORT_INTENT, "label",
						decode_label((TwSlice) {label, (int) (label_end - label)}));
	tw_import_put_slice(reader, line, TW_IMPORT_TEXT, "text",
						read_words(reader, Min(label_end + 1, end), end));
	tw_import_finish(reader, line);
}

const TwImportFormat tw_import_fasttext = {.name = "fasttext", .next = next_fasttext, .read = read_fasttext};
