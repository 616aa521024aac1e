/*
 * words.h
 *		The characters of words, for models and for near-duplicate detection:
 *		ASCII letters, digits, the apostrophe, and all characters beyond ASCII.
 */
#ifndef TW_WORDS_H
#define TW_WORDS_H

/* The byte as it appears in words: letters lowered, all digits the same; 0 for a byte that is not part of a word. */
static inline unsigned char
tw_word_byte(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c + ('a' - 'A');
	if (c >= '0' && c <= '9')
		return '0';
	return (c >= 'a' && c <= 'z') || c == '\'' || c >= 0x80 ? c : 0;
}

#endif							/* TW_WORDS_H */
