/*
 * decimals.c
 *		Numbers with a decimal point.
 */
#include "postgres.h"

#include <ctype.h>

#include "miscadmin.h"
#include "privacy/characters.h"
#include "privacy/decimals.h"

/* Reads digits and the points between them, from a digit on. */
void
tw_read_decimal(const uint8 *at, const uint8 *end, TwDecimal *decimal)
{
	memset(decimal, 0, sizeof(TwDecimal));
	decimal->start = at;
	while (at < end)
	{
		int			length;
		pg_wchar	c = tw_char_at(at, end, &length);
		int			digit = tw_digit_value(c);

		CHECK_FOR_INTERRUPTS();
		if (digit < 0)
		{
			int			next_length;

			if (c != '.' || at + 1 == end || tw_digit_value(tw_char_at(at + 1, end, &next_length)) < 0)
				break;
			decimal->points++;
		}
		else if (decimal->points > 0)
			decimal->fraction++;
		else
		{
			decimal->leading_zero |= decimal->whole == 1 && decimal->value == 0;
			if (decimal->whole < 3)
				decimal->value = decimal->value * 10 + digit;
			decimal->whole++;
		}
		at += length;
	}
	decimal->end = at;
}

/* Marks the decimal numbers of a part that is known to have coordinates. */
void
tw_mark_decimals(TwRedaction *redaction, const uint8 *at, const uint8 *end)
{
	while (at < end)
	{
		TwDecimal	number;
		int			length;
		pg_wchar	c = tw_char_at(at, end, &length);

		CHECK_FOR_INTERRUPTS();
		if (tw_digit_value(c) < 0)
		{
			/* %20 is a space and no digits. */
			at += c == '%' && end - at > 3 && isxdigit(at[1]) && isxdigit(at[2]) ? 3 : length;
			continue;
		}
		tw_read_decimal(at, end, &number);
		if (number.points == 1 && number.whole <= 3)
			tw_redaction_mark(redaction, number.start, number.end);
		at = number.end;
	}
}
