/*
 * redact_pan.c
 *		Redaction of PAN, the number of an Indian taxpayer, and of GSTIN, the
 *		number of a business, which has the PAN of its owner in it.
 */
#include "postgres.h"

#include "privacy/characters.h"
#include "privacy/redact_pan.h"

static bool
is_alphanumeric(pg_wchar c)
{
	return tw_is_ascii_letter(c) || tw_digit_value(c) >= 0;
}

/* The code point at `*at`, which moves behind it; 0 at the end. */
static pg_wchar
next_char(const uint8 **at, const uint8 *end)
{
	int			length;
	pg_wchar	c;

	if (*at >= end)
		return 0;
	c = tw_char_at(*at, end, &length);
	*at += length;
	return c;
}

/*
 * The start of a GSTIN around the PAN from `start` to `end`, and its end:
 * 27ABCPE1234F1Z5 begins with the two digits of a state, and ends with a
 * letter between two letters or digits. NULL if it is none.
 */
static const uint8 *
gstin_start(const TwRedaction *redaction, const uint8 *start, const uint8 **end)
{
	const uint8 *at = *end;
	const uint8 *after;
	int			length;

	for (int i = 0; i < 2; i++)
	{
		if (tw_digit_value(tw_char_before(redaction->data, start, &length)) < 0)
			return NULL;
		start -= length;
	}
	if (tw_digit_value(tw_char_before(redaction->data, start, &length)) >= 0)
		return NULL;
	if (!is_alphanumeric(next_char(&at, redaction->end)) || !tw_is_ascii_letter(next_char(&at, redaction->end)) ||
		!is_alphanumeric(next_char(&at, redaction->end)))
		return NULL;
	after = at;
	if (is_alphanumeric(next_char(&after, redaction->end)))
		return NULL;
	*end = at;
	return start;
}

/* Marks a PAN around a group of four digits: ABCPE1234F. The fourth letter is the type of its owner. */
void
tw_mark_pan(TwRedaction *redaction, const TwGroup *group)
{
	const uint8 *start = group->start - 5;
	const uint8 *end = group->end + 1;
	const uint8 *after = end;
	const uint8 *whole;
	int			length;

	if (group->count != 4 || group->start - redaction->data < 5 || group->end >= redaction->end)
		return;
	for (int i = 0; i < 5; i++)
	{
		if (!tw_is_ascii_letter(start[i]))
			return;
	}
	if (!tw_is_ascii_letter(*group->end) || strchr("abcfghjlpt", start[3] | 0x20) == NULL)
		return;
	whole = gstin_start(redaction, start, &end);
	if (whole != NULL)
		tw_redaction_mark(redaction, whole, end);
	else if (!is_alphanumeric(tw_char_before(redaction->data, start, &length)) &&
			 !is_alphanumeric(next_char(&after, redaction->end)))
		tw_redaction_mark(redaction, start, end);
}
