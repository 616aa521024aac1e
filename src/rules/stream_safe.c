/*
 * stream_safe.c
 *		NFKC of texts of any length and content, in linear time.
 *
 * NFKC puts the marks (non-starters) that follow a character in order, and the
 * server does that by exchanging neighbours: quadratic in the number of marks,
 * and without a check for interrupts. Words have a handful of marks, but a
 * message may have thousands. So runs of marks are broken up beforehand by the
 * Stream-Safe Text Process of UAX #15: after 30 marks comes U+034F COMBINING
 * GRAPHEME JOINER, which is invisible and counts as a character. A text
 * without such a run is left as it is.
 *
 * Which characters are marks is asked of the server's own tables, through the
 * functions that it exports: there is no second table that could differ.
 */
#include "postgres.h"

#include "common/unicode_norm.h"
#include "miscadmin.h"
#include "rules/stream_safe.h"
#include "utils/memutils.h"

/* Most marks in a row: UAX #15, UAX15-D3. */
#define MOST_MARKS 30
#define GRAPHEME_JOINER 0x034F

/* The mark with the highest combining class of all, 240: any other mark moves in front of it. */
#define LAST_MARK 0x0345

/* No character below has a mark in its decomposition, or is one. */
#define FIRST_WITH_MARKS 0xC0

/*
 * A run that is too long has at least this many code points which are marks
 * through and through: of its 31 marks the character before them can bring no
 * more than three (U+1F82), and a mark is decomposed into two at most (U+0344).
 */
#define SHORTEST_LONG_RUN ((MOST_MARKS + 1 - 3) / 2)

/* Code points that are normalised at once, between two checks for interrupts. */
#define CODE_POINTS_AT_ONCE 16384

/* The marks at both ends of a character's compatibility decomposition. */
typedef struct Marks
{
	int			leading;
	int			trailing;
	bool		only;			/* there is nothing else */
} Marks;

static bool
is_mark(pg_wchar c)
{
	pg_wchar	pair[3] = {LAST_MARK, c, 0};
	pg_wchar   *ordered;
	bool		moved;

	if (c == LAST_MARK)
		return true;
	ordered = unicode_normalize(UNICODE_NFD, pair);
	moved = ordered[0] != LAST_MARK;
	pfree(ordered);
	return moved;
}

static Marks
marks_of(pg_wchar c)
{
	Marks		marks = {0, 0, false};
	pg_wchar	single[2] = {c, 0};
	pg_wchar   *parts;
	int			count = 0;

	if (c < FIRST_WITH_MARKS)
		return marks;
	parts = unicode_normalize(UNICODE_NFKD, single);
	while (parts[count] != 0)
		count++;
	while (marks.leading < count && is_mark(parts[marks.leading]))
		marks.leading++;
	marks.only = marks.leading == count;
	while (marks.trailing < count && is_mark(parts[count - 1 - marks.trailing]))
		marks.trailing++;
	pfree(parts);
	return marks;
}

/*
 * Whether there may be a run of more than MOST_MARKS marks. Every such run
 * meets one of the code points that are looked at: a text without one costs
 * one question in SHORTEST_LONG_RUN characters.
 */
static bool
may_have_long_run(CodePoints points)
{
	for (int i = SHORTEST_LONG_RUN - 1; i < points.count; i += SHORTEST_LONG_RUN)
	{
		int			start = i;
		int			end = i;

		if (i % CODE_POINTS_AT_ONCE < SHORTEST_LONG_RUN)
			CHECK_FOR_INTERRUPTS();
		while (end < points.count && end - start < SHORTEST_LONG_RUN && marks_of(points.at[end]).only)
			end++;
		while (end > i && start > 0 && end - start < SHORTEST_LONG_RUN && marks_of(points.at[start - 1]).only)
			start--;
		if (end - start >= SHORTEST_LONG_RUN)
			return true;
	}
	return false;
}

/* The Stream-Safe Text Process, UAX15-D4. */
CodePoints
tw_bound_marks(CodePoints points)
{
	CodePoints	result;
	int			in_a_row = 0;

	if (!may_have_long_run(points))
		return points;

	/* Two marks at most come from one code point, so that a joiner follows 15 of them or more. */
	result.at = palloc_extended(sizeof(pg_wchar) * ((Size) points.count + points.count / (MOST_MARKS / 2) + 2),
								MCXT_ALLOC_HUGE);
	result.count = 0;
	for (int i = 0; i < points.count; i++)
	{
		Marks		marks = marks_of(points.at[i]);

		if (i % CODE_POINTS_AT_ONCE == 0)
			CHECK_FOR_INTERRUPTS();
		if (in_a_row + marks.leading > MOST_MARKS)
		{
			result.at[result.count++] = GRAPHEME_JOINER;
			in_a_row = 0;
		}
		result.at[result.count++] = points.at[i];
		in_a_row = marks.only ? in_a_row + marks.leading : marks.trailing;
	}
	return result;
}

/* Whether a text may be divided before this character: what it begins with never composes with what comes before. */
static bool
is_boundary(pg_wchar c)
{
	pg_wchar	first[2] = {c, 0};
	pg_wchar   *parts;

	if (c < FIRST_WITH_MARKS)
		return true;
	parts = unicode_normalize(UNICODE_NFKD, first);
	first[0] = parts[0];
	pfree(parts);
	return unicode_is_normalized_quickcheck(UNICODE_NFC, first) == UNICODE_NORM_QC_YES && !is_mark(first[0]);
}

/* Raises an error where the normal form does not fit into a text: a character may become 18 of them (U+FDFA). */
void
tw_check_normal_length(Size length)
{
	if (length > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the normal form of the text is too long"),
				 errdetail("A text has at most 1 GB."),
				 errhint("Shorten the text.")));
}

/* Adds a piece to the text; "room" is what there is space for. */
static void
append(CodePoints *points, Size *room, const pg_wchar *piece, int length)
{
	Size		wanted = (Size) points->count + length + 1;

	tw_check_normal_length(wanted);
	if (wanted > *room)
	{
		*room = wanted * 2;
		points->at = points->at ? repalloc_huge(points->at, *room * sizeof(pg_wchar))
			: palloc_extended(*room * sizeof(pg_wchar), MCXT_ALLOC_HUGE);
	}
	memcpy(points->at + points->count, piece, length * sizeof(pg_wchar));
	points->count += length;
}

/* NFKC of a text whose runs of marks are bounded, piece by piece. */
CodePoints
tw_nfkc(CodePoints points)
{
	CodePoints	result = {NULL, 0};
	Size		room = 0;
	int			start = 0;

	do
	{
		int			end = Min(start + CODE_POINTS_AT_ONCE, points.count);
		pg_wchar	after;
		pg_wchar   *piece;
		int			length = 0;

		CHECK_FOR_INTERRUPTS();
		while (end < points.count && !is_boundary(points.at[end]))
			end++;
		after = points.at[end];
		points.at[end] = 0;
		piece = unicode_normalize(UNICODE_NFKC, points.at + start);
		points.at[end] = after;
		while (piece[length] != 0)
			length++;

		if (start == 0 && end == points.count)
			return (CodePoints) {piece, length};
		append(&result, &room, piece, length);
		pfree(piece);
		start = end;
	} while (start < points.count);
	return result;
}
