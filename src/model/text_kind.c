/*
 * text_kind.c
 *		Texts of numbers alone and of punctuation alone, and the digits of all scripts.
 */
#include "postgres.h"

#include "model/text_kind.h"
#include "privacy/characters.h"

/*
 * The code point at `at`, which is before `end`, and its length; 0 for bytes that are no UTF-8. (The server's functions
 * are not linked into the unit tests.)
 */
static pg_wchar
decode(const unsigned char *at, const unsigned char *end, int *length)
{
	unsigned char lead = *at;
	pg_wchar	c;

	*length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
	if (lead < 0x80)
		return lead;
	if (lead < 0xC0 || *length > end - at)
	{
		*length = 1;
		return 0;
	}
	c = lead & (0xFF >> (*length + 1));
	for (int i = 1; i < *length; i++)
		c = c << 6 | (at[i] & 0x3F);
	return c;
}

/* The length of the digit that begins here; 0 for none. */
int
tw_digit_bytes(const unsigned char *at, const unsigned char *end)
{
	int			length;

	return tw_digit_value(decode(at, end, &length)) >= 0 ? length : 0;
}

/* Signs beyond ASCII that stand beside numbers: punctuation, currencies, arrows, operators, and what makes keycaps. */
static bool
is_sign(pg_wchar c)
{
	return (c >= 0xA1 && c <= 0xBF && c != 0xAA && c != 0xB5 && c != 0xBA) || c == 0xD7 || c == 0xF7 ||
		(c >= 0x066A && c <= 0x066D) || (c >= 0x200B && c <= 0x20FF) || (c >= 0x2190 && c <= 0x22FF) || c == 0xFE0F;
}

TwTextKind
tw_text_kind(const unsigned char *at, const unsigned char *end)
{
	bool		digits = false;
	bool		marks = false;
	bool		signs = false;
	int			length;

	for (; at < end; at += length)
	{
		pg_wchar	c = decode(at, end, &length);

		if (tw_digit_value(c) >= 0)
			digits = true;
		else if (is_sign(c))
			signs = true;
		else if (c >= 0x80 || c == 0 || tw_is_ascii_letter(c))
			return TW_TEXT_OF_WORDS;
		else
			marks = marks || c > ' ';
	}
	if (digits)
		return TW_TEXT_OF_NUMBERS;
	return marks && !signs ? TW_TEXT_OF_MARKS : TW_TEXT_OF_WORDS;
}
