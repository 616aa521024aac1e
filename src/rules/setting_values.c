/*
 * setting_values.c
 *		Allowed values of settings. Each function returns the canonical
 *		spelling of a value, or NULL if the value is not allowed.
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "pgtime.h"
#include "rules/setting_values.h"
#include "utils/builtins.h"

char *
tw_canonical_boolean(const char *value)
{
	bool		result;

	return parse_bool(value, &result) ? pstrdup(result ? "on" : "off") : NULL;
}

/* Whether the object exists is not checked: a restore may create it later. */
char *
tw_canonical_name(const char *value)
{
	return value[0] != '\0' && strlen(value) < NAMEDATALEN ? pstrdup(value) : NULL;
}

/* Whether it can be reached is seen when it is written to. */
char *
tw_canonical_report_target(const char *value)
{
	size_t		length = strlen(value);
	bool		is_folder = length == 0 || value[length - 1] == '/';

	if (is_folder || length >= MAXPGPATH || strncmp(value, "s3://", 5) == 0 || strstr(value, "..") != NULL ||
		strspn(value, " \t\r\n") > 0)
		return NULL;
	return pstrdup(value);
}

/* Reads a whole number that fills the text up to `end`; -1 if the text is no such number. */
static int
read_count(const char *start, const char *end)
{
	int64		result = 0;

	if (start == end)
		return -1;
	for (; start < end; start++)
	{
		if (*start < '0' || *start > '9')
			return -1;
		result = result * 10 + (*start - '0');
		if (result > PG_INT32_MAX)
			return -1;
	}
	return (int) result;
}

char *
tw_canonical_count(const char *value)
{
	int			count = read_count(value, value + strlen(value));

	return count >= 1 ? psprintf("%d", count) : NULL;
}

/* Like tw_canonical_count, but 0 is allowed. */
char *
tw_canonical_amount(const char *value)
{
	int			count = read_count(value, value + strlen(value));

	return count >= 0 ? psprintf("%d", count) : NULL;
}

/*
 * Above 16 MB, a conversation as JSON could come near the 1 GB limit of a
 * value: JSON may need six bytes for one. Below 1000 there would be nothing to
 * cut.
 */
char *
tw_canonical_message_bytes(const char *value)
{
	int			count = read_count(value, value + strlen(value));

	return count >= TW_CUT_BYTES && count <= 16 * 1024 * 1024 ? psprintf("%d", count) : NULL;
}

/* Days that something is kept. More than a century is for ever. */
char *
tw_canonical_retention(const char *value)
{
	int			days = read_count(value, value + strlen(value));

	if (strcmp(value, "forever") == 0)
		return pstrdup(value);
	return days >= 1 && days <= 36500 ? psprintf("%d", days) : NULL;
}

/* Sessions in a step of a rollout: fewer than 5 are too few for any comparison. */
char *
tw_canonical_units(const char *value)
{
	int			count = read_count(value, value + strlen(value));

	return count >= 5 ? psprintf("%d", count) : NULL;
}

/* Reads a number that fills the text; false if the text is no number. */
static bool
read_number(const char *value, double *number)
{
	char	   *end;

	errno = 0;
	*number = strtod(value, &end);
	return end != value && *end == '\0' && errno == 0 && isfinite(*number);
}

static char *
write_number(double number)
{
	char	   *result = palloc(DOUBLE_SHORTEST_DECIMAL_LEN);

	/* Not float8out: it depends on the session's extra_float_digits. Adding zero turns -0 into 0. */
	double_to_shortest_decimal_buf(number + 0.0, result);
	return result;
}

char *
tw_canonical_share(const char *value)
{
	double		fraction;

	return read_number(value, &fraction) && fraction >= 0 && fraction <= 1 ? write_number(fraction) : NULL;
}

char *
tw_canonical_positive_share(const char *value)
{
	double		fraction;

	/* Below a hundredth a single label would weigh as much as a hundred others. */
	return read_number(value, &fraction) && fraction >= 0.01 && fraction <= 1 ? write_number(fraction) : NULL;
}

/* Labels that decide about a model: fewer than 10 are too few. */
char *
tw_canonical_labels(const char *value)
{
	int			count = read_count(value, value + strlen(value));

	return count >= 10 ? psprintf("%d", count) : NULL;
}

/* The significance level of a test. */
char *
tw_canonical_level(const char *value)
{
	double		level;

	/* Below 1e-6 no bound can be computed. */
	return read_number(value, &level) && level >= 1e-6 && level <= 0.5 ? write_number(level) : NULL;
}

char *
tw_canonical_margin(const char *value)
{
	double		margin;

	return read_number(value, &margin) && margin >= 0 && margin < 1 ? write_number(margin) : NULL;
}

char *
tw_canonical_ratio(const char *value)
{
	double		ratio;

	return read_number(value, &ratio) && ratio >= 1 ? write_number(ratio) : NULL;
}

char *
tw_canonical_steps(const char *value)
{
	StringInfoData result;
	int			previous = 0;

	if (strcmp(value, "auto") == 0)
		return pstrdup(value);
	initStringInfo(&result);
	for (const char *at = value;; at++)
	{
		const char *start = at + strspn(at, " ");
		const char *end;
		int			step;

		at = start + strcspn(start, ",");
		for (end = at; end > start && end[-1] == ' '; end--)
			;
		step = read_count(start, end);
		if (step < 1 || step > 100 || step < previous || previous == 100)
			return NULL;
		appendStringInfo(&result, "%s%d", previous == 0 ? "" : ",", step);
		previous = step;
		if (*at == '\0')
			break;
	}
	return previous == 100 ? result.data : NULL;
}

/* Whether pg_timezone_names lists this name. Reads the files of all zones. */
static bool
is_listed(const char *name)
{
	pg_tzenum  *list = pg_tzenumerate_start();
	pg_tz	   *zone;
	bool		found = false;

	while (!found && (zone = pg_tzenumerate_next(list)) != NULL)
		found = strcmp(pg_get_timezone_name(zone), name) == 0;
	pg_tzenumerate_end(list);
	return found;
}

/*
 * The time zone of this name, or NULL. pg_tzset() also accepts POSIX
 * specifications: "Kolkata5:30" is five and a half hours west of Greenwich.
 * Their names have a digit and, since it converts them to upper case, no
 * lower-case letter. Few listed names look the same (EST5EDT); those are
 * looked up.
 */
pg_tz *
tw_named_time_zone(const char *value)
{
	pg_tz	   *zone = pg_tzset(value);
	const char *name;

	if (zone == NULL || !pg_tz_acceptable(zone))
		return NULL;
	name = pg_get_timezone_name(zone);
	if (strpbrk(name, "0123456789") != NULL && strpbrk(name, "abcdefghijklmnopqrstuvwxyz") == NULL && !is_listed(name))
		return NULL;
	return zone;
}

char *
tw_canonical_time_zone(const char *value)
{
	pg_tz	   *zone = tw_named_time_zone(value);

	return zone ? pstrdup(pg_get_timezone_name(zone)) : NULL;
}
