/*
 * iso_timestamp.c
 *		Reads times in the format ISO 8601.
 *
 * PostgreSQL's input function accepts much more ("tomorrow", "03/04/2026"), in
 * part depending on DateStyle, and raises an error instead of returning false.
 */
#include "postgres.h"

#include "exchange/iso_timestamp.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

/* Reads exactly `count` digits. */
static bool
read_digits(const char **at, int count, int *number)
{
	*number = 0;
	for (; count > 0; count--, (*at)++)
	{
		if (**at < '0' || **at > '9')
			return false;
		*number = *number * 10 + (**at - '0');
	}
	return true;
}

static bool
read_char(const char **at, const char *choices)
{
	if (**at == '\0' || strchr(choices, **at) == NULL)
		return false;
	(*at)++;
	return true;
}

/* YYYY-MM-DD, a date of the calendar. */
static bool
read_date(const char **at)
{
	int			year;
	int			month;
	int			day;

	return read_digits(at, 4, &year) && read_char(at, "-") && read_digits(at, 2, &month) && read_char(at, "-") &&
		read_digits(at, 2, &day) &&
		year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= day_tab[isleap(year)][month - 1];
}

/* HH:MM, optionally :SS, optionally a fraction of up to nine digits. */
static bool
read_time(const char **at)
{
	int			hour;
	int			minute;
	int			second;
	int			digit;

	if (!read_digits(at, 2, &hour) || !read_char(at, ":") || !read_digits(at, 2, &minute) || hour > 23 || minute > 59)
		return false;
	if (!read_char(at, ":"))
		return true;
	if (!read_digits(at, 2, &second) || second > 59)
		return false;
	if (!read_char(at, "."))
		return true;
	if (!read_digits(at, 1, &digit))
		return false;
	for (int places = 1; places < 9 && **at >= '0' && **at <= '9'; places++)
		(*at)++;
	return true;
}

/* Z, +HH, +HHMM or +HH:MM, or the same with a minus. */
static bool
read_zone(const char **at)
{
	int			hours;
	int			minutes = 0;

	if (read_char(at, "Zz"))
		return true;
	if (!read_char(at, "+-") || !read_digits(at, 2, &hours))
		return false;
	if ((read_char(at, ":") || **at != '\0') && !read_digits(at, 2, &minutes))
		return false;
	return hours < 16 && minutes < 60;
}

/*
 * Reads a date, or a date and a time with or without a zone. Without one, the
 * session's zone applies, as in PostgreSQL. False for anything else.
 */
bool
tw_read_iso_timestamp(const char *value, TimestampTz *result)
{
	const char *at = value;

	if (!read_date(&at))
		return false;
	if (read_char(&at, "Tt "))
	{
		if (!read_time(&at) || (*at != '\0' && !read_zone(&at)))
			return false;
	}
	if (*at != '\0')
		return false;
	*result = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(value),
													  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	return true;
}
