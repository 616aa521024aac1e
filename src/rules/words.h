/*
 * words.h
 *		What a word is, to models and to near-twins: letters of ASCII, digits, the
 *		apostrophe, and everything beyond ASCII.
 */
#ifndef TW_WORDS_H
#define TW_WORDS_H

/* The byte as words hold it, letters lowered and digits alike; 0 for what is not part of a word. */
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
