/*
 * phone_digits.c
 *		Phone numbers compared by their digits, however they are written.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "privacy/characters.h"

PG_FUNCTION_INFO_V1(tw_phone_digits);

/* phone_digits(phone_number): its digits in ASCII, without a leading 00. */
Datum
tw_phone_digits(PG_FUNCTION_ARGS)
{
	text	   *given = PG_GETARG_TEXT_PP(0);
	const uint8 *at = (const uint8 *) VARDATA_ANY(given);
	const uint8 *end = at + VARSIZE_ANY_EXHDR(given);
	text	   *result = palloc(VARHDRSZ + (end - at));
	char	   *digits = VARDATA(result);
	int			count = 0;

	while (at < end)
	{
		int			length;
		int			digit = tw_digit_value(tw_char_at(at, end, &length));

		CHECK_FOR_INTERRUPTS();
		if (digit >= 0)
			digits[count++] = (char) ('0' + digit);
		at += length;
	}
	if (count >= 2 && digits[0] == '0' && digits[1] == '0')
	{
		count -= 2;
		memmove(digits, digits + 2, count);
	}
	SET_VARSIZE(result, VARHDRSZ + count);
	PG_FREE_IF_COPY(given, 0);
	PG_RETURN_TEXT_P(result);
}
