/*
 * characters.c
 *		Which characters are digits, letters, or neither.
 */
#include "postgres.h"

#include "privacy/characters.h"

/*
 * The list has the non-letters beyond ASCII: punctuation, symbols, spaces,
 * emoji. All other characters count as letters: marks, which make up much of a
 * word in Indian scripts, and future characters.
 */
TwCharKind
tw_char_kind(pg_wchar c)
{
	static const pg_wchar others[][2] = {
		{0x0080, 0x00A9}, {0x00AB, 0x00B4}, {0x00B6, 0x00B9}, {0x00BB, 0x00BF}, {0x00D7, 0x00D7},
		{0x00F7, 0x00F7}, {0x0589, 0x058F}, {0x0600, 0x060F}, {0x061B, 0x061F}, {0x066A, 0x066D},
		{0x06D4, 0x06D4}, {0x0964, 0x0965}, {0x0970, 0x0970}, {0x2000, 0x206F}, {0x20A0, 0x20CF},
		{0x2190, 0x2BFF}, {0x2E00, 0x2E7F}, {0x3000, 0x3004}, {0x3008, 0x3020}, {0xE000, 0xF8FF},
		{0xFE00, 0xFE1F}, {0xFE30, 0xFE6F}, {0xFEFF, 0xFEFF}, {0xFF01, 0xFF20}, {0xFF3B, 0xFF40},
		{0xFF5B, 0xFF65}, {0xFFE0, 0xFFFF}, {0x1F000, 0x1FAFF}, {0xE0000, 0x10FFFF}
	};

	if (tw_digit_value(c) >= 0)
		return TW_DIGIT;
	if (c < 0x80)
		return (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? TW_LETTER : TW_OTHER;
	if (c == 0x200C || c == 0x200D)
		return TW_JOINER;
	for (size_t i = 0; i < lengthof(others) && c >= others[i][0]; i++)
	{
		if (c <= others[i][1])
			return TW_OTHER;
	}
	return TW_LETTER;
}
