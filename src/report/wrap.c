/*
 * wrap.c
 *		Lines of text for a screen of 100 columns.
 *
 * psql puts a space before and a space or a plus sign after each line.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#define WIDTH (100 - 2)

/* Where the first line's text begins, and so all of the later ones. */
#define INDENT 11

/* Seven lines or so: more would push everything else from the screen. */
#define MAX_COLUMNS 700

/* One character, with the columns it takes: two for most of China's and for emoji, none for accents. */
typedef struct Letter
{
	const char *bytes;
	int			length;
	int			columns;
} Letter;

/* Marks that turn the direction of what follows, also of what we write ourselves. */
static bool
is_direction(pg_wchar letter)
{
	return letter == 0x061C || letter == 0x200E || letter == 0x200F || (letter >= 0x202A && letter <= 0x202E) ||
		(letter >= 0x2066 && letter <= 0x2069);
}

/*
 * The letters of a line that has at most so many columns: a space for each run
 * of control characters, and three dots for what is too much. Returns how many.
 */
static int
split_letters(text *line, Letter *letters)
{
	static const Letter space = {" ", 1, 1};
	static const Letter dot = {".", 1, 1};
	const char *at = VARDATA_ANY(line);
	const char *end = at + VARSIZE_ANY_EXHDR(line);
	bool		was_control = false;
	int			columns = 0;
	int			count = 0;
	int			fits = 0;

	for (; at < end && columns <= MAX_COLUMNS; at += pg_utf_mblen((const unsigned char *) at))
	{
		Letter		letter = {at, pg_utf_mblen((const unsigned char *) at), pg_encoding_dsplen(PG_UTF8, at)};
		bool		is_control = letter.columns < 0;

		if (is_direction(utf8_to_unicode((const unsigned char *) at)) || (is_control && was_control))
			continue;
		was_control = is_control;
		letters[count] = is_control ? space : letter;
		columns += letters[count++].columns;
		if (columns <= MAX_COLUMNS - 3)
			fits = count;
	}
	if (columns <= MAX_COLUMNS)
		return count;
	for (count = fits; count < fits + 3; count++)
		letters[count] = dot;
	return count;
}

static void
begin_line(StringInfo lines, int *column)
{
	appendStringInfo(lines, "\n%*s", INDENT, "");
	*column = INDENT;
}

static int
count_columns(const Letter *letters, int from, int to)
{
	int			columns = 0;

	for (int i = from; i < to; i++)
		columns += letters[i].columns;
	return columns;
}

/* Breaks lines between words, unless that would leave one half empty. */
static void
append_lines(StringInfo lines, const Letter *letters, int count)
{
	int			column = 0;
	int			word;
	int			next;

	for (int at = 0; at < count; at = next)
	{
		for (word = at; word < count && letters[word].bytes[0] == ' '; word++)
			;
		if (word == count)
			break;
		for (next = word; next < count && letters[next].bytes[0] != ' '; next++)
			;
		if (column >= WIDTH / 2 && column + count_columns(letters, at, next) > WIDTH)
			begin_line(lines, &column);
		else if (column + word - at <= WIDTH)
		{
			appendStringInfo(lines, "%*s", word - at, "");
			column += word - at;
		}
		for (int i = word; i < next; i++)
		{
			if (column + letters[i].columns > WIDTH)
				begin_line(lines, &column);
			appendBinaryStringInfo(lines, letters[i].bytes, letters[i].length);
			column += letters[i].columns;
		}
	}
}

PG_FUNCTION_INFO_V1(tw_wrap);

/* tw_wrap(line) */
Datum
tw_wrap(PG_FUNCTION_ARGS)
{
	text	   *line = PG_GETARG_TEXT_PP(0);
	Letter	   *letters = palloc((VARSIZE_ANY_EXHDR(line) + 3) * sizeof(Letter));
	StringInfoData lines;

	initStringInfo(&lines);
	append_lines(&lines, letters, split_letters(line, letters));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(lines.data, lines.len));
}
