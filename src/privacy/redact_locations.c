/*
 * redact_locations.c
 *		Redaction of coordinates.
 *
 * Two numbers with four or more decimals, of which one may be a latitude and
 * the other a longitude, are a place. More numbers in a row are places if they
 * come in pairs. A single number is one with a word or a direction beside it.
 * Only the form of a number counts, or the digits before its point if the first
 * of them is not 0: so a masked number, or half of one, makes no new match.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "privacy/characters.h"
#include "privacy/decimals.h"
#include "privacy/map_links.h"
#include "privacy/redact_locations.h"

#define MIN_DECIMALS 4
/* With a word or a direction. */
#define MIN_NAMED_DECIMALS 2

/* Most characters between two coordinates. */
#define MAX_SEPARATOR 12

static bool
is_one_of(pg_wchar c, const char *characters)
{
	return c > 0 && c < 0x80 && strchr(characters, (int) c) != NULL;
}

static bool
is_blank(pg_wchar c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0xA0;
}

/* The code point at `at`, 0 at the end of the text. */
static pg_wchar
char_at(const uint8 *at, const uint8 *end, int *length)
{
	*length = 0;
	return at < end ? tw_char_at(at, end, length) : 0;
}

static const uint8 *
skip_blanks(const uint8 *at, const uint8 *end)
{
	int			length;

	for (int i = 0; i < 3 && is_blank(char_at(at, end, &length)); i++)
		at += length;
	return at;
}

/*
 * Whether a direction, N, S, E or W, stands at `at` for itself. As a part of an
 * address it may be masked, and then is none.
 */
static bool
is_direction(const uint8 *at, const uint8 *end)
{
	int			length;
	pg_wchar	c;

	if (at >= end || !is_one_of(*at, "NSEWnsew"))
		return false;
	c = char_at(at + 1, end, &length);
	if (c == '.')
		return at + 2 >= end || is_blank(at[2]);
	return (c == 0 || tw_char_kind(c) == TW_OTHER) && !is_one_of(c, "@_%+-");
}

/* Where a sign before the number begins, or the number itself. */
static const uint8 *
sign_start(const uint8 *data, const uint8 *number)
{
	int			length;
	pg_wchar	c = tw_char_before(data, number, &length);

	return c == '-' || c == '+' || c == 0x2212 ? number - length : number;
}

/* Whether what stands before a number allows that it is a coordinate: no letter, sign of money or time of day. */
static bool
may_begin(const uint8 *data, const uint8 *number)
{
	const uint8 *at = sign_start(data, number);
	int			length;
	pg_wchar	c = tw_char_before(data, at, &length);

	if (tw_char_kind(c) == TW_LETTER || tw_digit_value(c) >= 0 || c == '.' || c == '$' || c == 0xA3 ||
		(c >= 0x20A0 && c <= 0x20CF))
		return false;
	return c != ':' || tw_digit_value(tw_char_before(data, at - 1, &length)) < 0;
}

/* Whether it has the form of a coordinate, and no unit after it. */
static bool
is_coordinate(const TwDecimal *number, const uint8 *end)
{
	int			length;
	pg_wchar	c = char_at(number->end, end, &length);

	return number->points == 1 && number->whole <= 3 && number->fraction >= MIN_DECIMALS && c != '%' &&
		(tw_char_kind(c) != TW_LETTER || is_direction(number->end, end));
}

/* Whether one may be a latitude and the other a longitude. Both below 1 are rather probabilities. */
static bool
is_place(const TwDecimal *a, const TwDecimal *b)
{
	if (a->leading_zero || b->leading_zero || a->value > 180 || b->value > 180 || (a->value > 90 && b->value > 90))
		return false;
	return a->whole > 1 || b->whole > 1 || a->value > 0 || b->value > 0;
}

/* Reads the next coordinate of a row: after blanks, a direction, and a comma or the like. */
static bool
read_next(const uint8 *at, const uint8 *end, TwDecimal *next)
{
	bool		mark = false;
	int			read = 0;
	int			length;

	for (; at < end && read < MAX_SEPARATOR; at += length, read++)
	{
		pg_wchar	c = tw_char_at(at, end, &length);

		if (tw_digit_value(c) >= 0)
		{
			tw_read_decimal(at, end, next);
			return read > 0 && is_coordinate(next, end);
		}
		if (is_one_of(c, ",;/") && !mark)
			mark = true;
		else if (c == '-' || c == '+' || c == 0x2212)
		{
			int			digit_length;

			if (read == 0 || tw_digit_value(char_at(at + length, end, &digit_length)) < 0)
				return false;
		}
		else if (!is_blank(c) && (mark || (c != TW_DEGREE_SIGN && !is_direction(at, end))))
			return false;
	}
	return false;
}

/* Marks the places in the row of coordinates from `first` on; returns its end. */
static const uint8 *
mark_row(TwRedaction *redaction, const TwDecimal *first)
{
	TwDecimal	number = *first;
	TwDecimal	next;
	int			count = 1;
	const uint8 *end;

	while (read_next(number.end, redaction->end, &next))
	{
		CHECK_FOR_INTERRUPTS();
		number = next;
		count++;
	}
	end = number.end;
	number = *first;
	for (int i = 0; count % 2 == 0 && i < count; i += 2)
	{
		CHECK_FOR_INTERRUPTS();
		read_next(number.end, redaction->end, &next);
		if (is_place(&number, &next))
		{
			tw_redaction_mark(redaction, number.start, number.end);
			tw_redaction_mark(redaction, next.start, next.end);
		}
		if (i + 2 < count)
			read_next(next.end, redaction->end, &number);
	}
	return end;
}

/* The words for a coordinate, beside a number or as a key of JSON. */
static bool
is_label(const char *word, int length)
{
	static const char *const labels[] = {"lat", "lng", "lon", "latitude", "longitude"};

	for (size_t i = 0; i < lengthof(labels); i++)
	{
		if ((int) strlen(labels[i]) == length && pg_strncasecmp(word, labels[i], length) == 0)
			return true;
	}
	return false;
}

/* Whether the value of this key in a document is a coordinate, or an array of them. */
bool
tw_is_location_key(const char *key, int length)
{
	return is_label(key, length) || (length == 11 && pg_strncasecmp(key, "coordinates", length) == 0);
}

/* Whether a word such as "lat" stands before the number. */
static bool
has_label(const uint8 *data, const uint8 *number)
{
	const uint8 *at = sign_start(data, number);
	const uint8 *word;

	for (int i = 0; i < 4 && at > data && is_one_of(at[-1], " :=\"'("); i++)
		at--;
	for (word = at; word > data && at - word < 16 && word[-1] < 0x80 && tw_char_kind(word[-1]) == TW_LETTER;)
		word--;
	return is_label((const char *) word, (int) (at - word));
}

/* Reads a part of degrees with its sign, such as 31' or 24.5"; returns the end of the sign, or NULL. */
static const uint8 *
read_part(const uint8 *at, const uint8 *end, bool seconds, const uint8 **digits_end)
{
	TwDecimal	number;
	int			length;
	pg_wchar	c;

	at = skip_blanks(at, end);
	if (tw_digit_value(char_at(at, end, &length)) < 0)
		return NULL;
	tw_read_decimal(at, end, &number);
	if (number.points > 1 || number.whole > 2)
		return NULL;
	at = skip_blanks(number.end, end);
	c = char_at(at, end, &length);
	if (seconds && c == '\'' && at + 1 < end && at[1] == '\'')
		length = 2;
	else if (seconds ? c != '"' && c != 0x2033 && c != 0x201D : c != '\'' && c != 0x2032 && c != 0x2019)
		return NULL;
	*digits_end = number.end;
	return at + length;
}

/* The end of the digits of a number with degrees and a direction, such as 18.5204 degrees N; NULL if it is none. */
static const uint8 *
degrees_end(const TwDecimal *number, const uint8 *end)
{
	const uint8 *digits_end = number->end;
	const uint8 *at = skip_blanks(number->end, end);
	const uint8 *part;
	int			length;

	if (number->points > 1 || number->whole > 3 || char_at(at, end, &length) != TW_DEGREE_SIGN)
		return NULL;
	at += length;
	part = read_part(at, end, false, &digits_end);
	if (part != NULL)
	{
		at = part;
		part = read_part(at, end, true, &digits_end);
		at = part != NULL ? part : at;
	}
	else if (number->fraction < MIN_NAMED_DECIMALS)
		return NULL;
	return is_direction(skip_blanks(at, end), end) ? digits_end : NULL;
}

static bool
has_degrees(const uint8 *at, const uint8 *end)
{
	/* The bytes of the sign in UTF-8. */
	for (; (at = memchr(at, 0xC2, end - at)) != NULL && at + 1 < end; at++)
	{
		CHECK_FOR_INTERRUPTS();
		if (at[1] == TW_DEGREE_SIGN)
			return true;
	}
	return false;
}

/* Marks coordinates, and those of map links. */
void
tw_mark_locations(TwRedaction *redaction)
{
	const uint8 *at = redaction->data;
	const uint8 *row_end = at;

	/* Decimal numbers and hosts have a dot. */
	if (memchr(at, '.', redaction->end - at) == NULL && !has_degrees(at, redaction->end))
		return;
	tw_mark_map_links(redaction);
	while (at < redaction->end)
	{
		TwDecimal	number;
		const uint8 *end;
		int			length;

		CHECK_FOR_INTERRUPTS();
		if (tw_digit_value(tw_char_at(at, redaction->end, &length)) < 0)
		{
			at += length;
			continue;
		}
		tw_read_decimal(at, redaction->end, &number);
		end = degrees_end(&number, redaction->end);
		if (end == NULL && number.points == 1 && number.whole <= 3 && number.fraction >= MIN_NAMED_DECIMALS &&
			number.whole + number.fraction >= TW_MIN_DIGITS && has_label(redaction->data, number.start))
			end = number.end;
		if (end != NULL)
			tw_redaction_mark(redaction, number.start, end);
		if (at >= row_end && is_coordinate(&number, redaction->end) && may_begin(redaction->data, number.start))
			row_end = mark_row(redaction, &number);
		at = number.end;
	}
}
