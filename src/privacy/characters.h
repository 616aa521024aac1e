/*
 * characters.h
 *		Characters of UTF-8 text, and their kinds in the redaction rules.
 */
#ifndef TW_CHARACTERS_H
#define TW_CHARACTERS_H

#include "mb/pg_wchar.h"

#define TW_DEGREE_SIGN 0xB0

typedef enum TwCharKind
{
	TW_OTHER,
	TW_DIGIT,
	TW_LETTER,
	TW_JOINER					/* zero-width, inside words of Indian scripts: neither masked nor a boundary */
} TwCharKind;

extern TwCharKind tw_char_kind(pg_wchar c);

/* Whether it is a letter from A to Z, small or not. */
static inline bool
tw_is_ascii_letter(pg_wchar c)
{
	return c < 0x80 && (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* Value of a digit of the scripts used in India and of some neighbouring ones; -1 = no digit. */
static inline int
tw_digit_value(pg_wchar c)
{
	static const pg_wchar zeros[] = {
		0x0660, 0x06F0,			/* Arabic */
		0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x17E0, /* Thai, Lao, Tibetan, Myanmar, Khmer */
		0x1C50, 0xABF0, 0xFF10	/* Ol Chiki, Meetei Mayek, full width */
	};

	if (c < 0x80)
		return c >= '0' && c <= '9' ? (int) (c - '0') : -1;
	/* From Devanagari to Sinhala, each script has its digits at the same offset in its block of 128 code points. */
	if (c >= 0x0900 && c <= 0x0DFF)
		return (c & 0x7F) >= 0x66 && (c & 0x7F) <= 0x6F ? (int) ((c & 0x7F) - 0x66) : -1;
	for (size_t i = 0; i < lengthof(zeros); i++)
	{
		if (c >= zeros[i] && c <= zeros[i] + 9)
			return (int) (c - zeros[i]);
	}
	return -1;
}

/* The code point at `at`, which is before `end`. Each byte of a truncated character counts as 0. */
static inline pg_wchar
tw_char_at(const uint8 *at, const uint8 *end, int *length)
{
	if (*at < 0x80)
	{
		*length = 1;
		return *at;
	}
	*length = pg_utf_mblen(at);
	if (*length > end - at)
	{
		*length = 1;
		return 0;
	}
	return utf8_to_unicode(at);
}

/* The code point that ends at `at`; 0 at the beginning of the text. */
static inline pg_wchar
tw_char_before(const uint8 *data, const uint8 *at, int *length)
{
	const uint8 *start = at;

	*length = 0;
	if (at == data)
		return 0;
	do
		start--;
	while (start > data && at - start < 4 && (*start & 0xC0) == 0x80);
	*length = (int) (at - start);
	if (*length == 1)
		return *start < 0x80 ? *start : 0;
	return pg_utf_mblen(start) == *length ? utf8_to_unicode(start) : 0;
}

#endif							/* TW_CHARACTERS_H */
