/*
 * map_links.c
 *		Redaction of map links: their coordinates, and all of a short link.
 *
 * A link is known by its host, and reaches to the next space. Its coordinates
 * are the decimal numbers in it, however few digits they have.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "privacy/characters.h"
#include "privacy/decimals.h"
#include "privacy/map_links.h"

typedef struct Host
{
	const char *name;			/* in small letters */
	const char *followed_by;	/* one of these characters; "0" = a digit, "a" = a letter */
	bool		is_short;		/* a short link: its letters and digits are the place */
} Host;

static const Host hosts[] = {
	{"maps.app.goo.gl/", "a0", true},
	{"goo.gl/maps/", "a0", true},
	{"geo:", "0+-", false},
	{"maps.", "a0", false},
	{"/maps", "/?@#", false},
	{"openstreetmap.org", "/?#", false},
	{"osm.org", "/?#", false},
	{"waze.com", "/?#", false},
};

/* The host whose name is at `at`, or NULL. */
static const Host *
find_host(const uint8 *at, const uint8 *end)
{
	if (strchr("GgMmOoWw/", *at) == NULL || *at == '\0')
		return NULL;
	for (const Host *host = hosts; host < hosts + lengthof(hosts); host++)
	{
		size_t		length = strlen(host->name);
		TwCharKind	kind;
		int			unused;

		if ((size_t) (end - at) <= length || (*at | 0x20) != (uint8) (host->name[0] | 0x20) ||
			pg_strncasecmp((const char *) at, host->name, length) != 0)
			continue;
		kind = tw_char_kind(tw_char_at(at + length, end, &unused));
		if ((kind == TW_LETTER && strchr(host->followed_by, 'a') != NULL) ||
			(kind == TW_DIGIT && strchr(host->followed_by, '0') != NULL) ||
			(kind == TW_OTHER && at[length] != '\0' && strchr(host->followed_by, at[length]) != NULL))
			return host;
	}
	return NULL;
}

/* The end of a link, and the number of its digits. */
static const uint8 *
link_end(const uint8 *at, const uint8 *end, int *digits)
{
	*digits = 0;
	while (at < end && *at > ' ' && strchr("\"<>", *at) == NULL)
	{
		int			length;
		pg_wchar	c = tw_char_at(at, end, &length);

		CHECK_FOR_INTERRUPTS();
		if (c == 0xA0 || (c >= 0x2000 && c <= 0x200A) || c == 0x3000)
			break;
		*digits += tw_digit_value(c) >= 0;
		at += length;
	}
	return at;
}

/* Marks the letters and digits of a short link, up to its parameters. */
static void
mark_short_link(TwRedaction *redaction, const uint8 *at, const uint8 *end)
{
	const uint8 *start = at;

	while (at < end)
	{
		int			length;
		pg_wchar	c = tw_char_at(at, end, &length);

		CHECK_FOR_INTERRUPTS();
		if (tw_char_kind(c) == TW_OTHER && c != '-' && c != '_')
			break;
		at += length;
	}
	tw_redaction_mark(redaction, start, at);
}

/*
 * A link may have another one in it, which is masked as it is alone: the name
 * of the first may be masked as a part of an address, and then is none.
 */
void
tw_mark_map_links(TwRedaction *redaction)
{
	const uint8 *done = redaction->data;

	for (const uint8 *at = redaction->data; at < redaction->end; at++)
	{
		const Host *host = find_host(at, redaction->end);
		const uint8 *start;

		CHECK_FOR_INTERRUPTS();
		if (host == NULL)
			continue;
		start = at + strlen(host->name);
		if (host->is_short)
			mark_short_link(redaction, start, redaction->end);
		else if (start >= done)
		{
			int			digits;

			done = link_end(start, redaction->end, &digits);
			if (digits >= TW_MIN_DIGITS)
				tw_mark_decimals(redaction, start, done);
		}
	}
}
