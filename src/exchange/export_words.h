/*
 * export_words.h
 *		What formats of lines and words have in common.
 */
#ifndef TW_EXPORT_WORDS_H
#define TW_EXPORT_WORDS_H

#include "mb/pg_wchar.h"

/* fastText's prefix of labels, and its mark for the end of a line. */
#define TW_FASTTEXT_LABEL "__label__"
#define TW_FASTTEXT_END "</s>"

/*
 * U+2060, which nobody sees and normalize_text() drops: put where a tool that
 * has no escapes would take a text for its own syntax.
 */
#define TW_WORD_JOINER "\xE2\x81\xA0"

/* Whether some reader takes the character for a line end; the list is that of Python's splitlines(). */
static inline bool
tw_ends_line(pg_wchar c)
{
	return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

#endif							/* TW_EXPORT_WORDS_H */
