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

/*
 * Whether fastText would read the word as a label or as the end of the text, or would do so without word joiners in
 * front of it: one more of them is put there, and the import takes one away.
 */
static inline bool
tw_is_fasttext_syntax(const char *at, const char *end)
{
	static const char *const syntax[] = {TW_FASTTEXT_LABEL, TW_FASTTEXT_END};

	while (end - at >= 3 && memcmp(at, TW_WORD_JOINER, 3) == 0)
		at += 3;
	for (int i = 0; i < 2; i++)
	{
		int			length = (int) strlen(syntax[i]);

		/* Whatever ends a line becomes a blank. */
		if (end - at >= length && memcmp(at, syntax[i], length) == 0 &&
			(i == 0 || end - at == length || at[length] == ' ' || at[length] == '\t' ||
			 tw_ends_line(utf8_to_unicode((const unsigned char *) at + length))))
			return true;
	}
	return false;
}

/*
 * Whether what stands behind a ] of a text is, but for word joiners, a bracket with which Rasa would read an entity:
 * one more of them is put there, and the import takes one away. With wants_joiner, there is one already.
 */
static inline bool
tw_is_joined_bracket(const char *at, const char *end, bool wants_joiner)
{
	const char *behind = at;

	while (end - behind >= 3 && memcmp(behind, TW_WORD_JOINER, 3) == 0)
		behind += 3;
	return behind < end && (*behind == '(' || *behind == '{' || *behind == '[') && (behind > at || !wants_joiner);
}

#endif							/* TW_EXPORT_WORDS_H */
