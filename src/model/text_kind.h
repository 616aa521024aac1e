/*
 * text_kind.h
 *		Texts of numbers alone and of punctuation alone, and the digits of all scripts.
 */
#ifndef TW_TEXT_KIND_H
#define TW_TEXT_KIND_H

typedef enum TwTextKind
{
	TW_TEXT_OF_WORDS,			/* or of nothing */
	TW_TEXT_OF_NUMBERS,			/* digits, and beside them only punctuation and signs such as currencies */
	TW_TEXT_OF_MARKS			/* ASCII punctuation */
} TwTextKind;

extern TwTextKind tw_text_kind(const unsigned char *at, const unsigned char *end);
extern int	tw_digit_bytes(const unsigned char *at, const unsigned char *end);

#endif							/* TW_TEXT_KIND_H */
