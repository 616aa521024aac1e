/*
 * redact_addresses.c
 *		Redaction of e-mail addresses and UPI ids: the text around an '@'.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "privacy/characters.h"
#include "privacy/redact_addresses.h"

/*
 * Start of the part before the '@' at `at`; `at` itself if there is none. A
 * dot directly before the '@' ends a sentence: "ok.@asha" is a mention.
 */
static const uint8 *
local_part_start(const TwRedaction *redaction, const uint8 *at)
{
	const uint8 *start = at;
	bool		has_name = false;
	int			length;

	if (at > redaction->data && at[-1] == '.')
		return at;
	while (start > redaction->data)
	{
		pg_wchar	c = tw_char_before(redaction->data, start, &length);
		TwCharKind	kind = tw_char_kind(c);

		CHECK_FOR_INTERRUPTS();
		if (kind == TW_OTHER && (c == 0 || c >= 0x80 || strchr("._%+-", (int) c) == NULL))
			break;
		has_name |= kind == TW_DIGIT || kind == TW_LETTER;
		start -= length;
	}
	return has_name ? start : at;
}

/* A part of a host name: letters and digits, with single hyphens between them. */
typedef struct Label
{
	const uint8 *end;
	int			characters;		/* letters and digits in it */
	bool		begins_with_letter;
} Label;

static void
read_label(const uint8 *at, const uint8 *end, Label *label)
{
	bool		after_hyphen = false;

	label->end = at;
	label->characters = 0;
	label->begins_with_letter = false;
	while (at < end)
	{
		int			length;
		pg_wchar	c = tw_char_at(at, end, &length);
		TwCharKind	kind = tw_char_kind(c);

		CHECK_FOR_INTERRUPTS();
		if (c == '-')
		{
			if (after_hyphen || label->characters == 0)
				break;
		}
		else if (kind == TW_OTHER)
			break;
		at += length;
		after_hyphen = c == '-';
		if (kind != TW_DIGIT && kind != TW_LETTER)
			continue;
		if (label->characters == 0)
			label->begins_with_letter = kind == TW_LETTER;
		label->characters++;
		label->end = at;
	}
}

/*
 * End of the host after an '@', or NULL. The host is the handle of a UPI id,
 * or reaches to the last label that could be a top-level domain: it excludes
 * the price in "asha@okbank.500".
 */
static const uint8 *
host_end(const uint8 *at, const uint8 *end)
{
	const uint8 *found = NULL;
	Label		label;

	read_label(at, end, &label);
	if (label.begins_with_letter && label.characters >= 3)
		found = label.end;
	while (label.characters > 0 && label.end < end && *label.end == '.')
	{
		at = label.end + 1;
		read_label(at, end, &label);
		if (label.begins_with_letter && label.characters >= 2)
			found = label.end;
	}
	return found;
}

void
tw_mark_addresses(TwRedaction *redaction)
{
	const uint8 *at = redaction->data;

	while ((at = memchr(at, '@', redaction->end - at)) != NULL)
	{
		const uint8 *start = local_part_start(redaction, at);
		const uint8 *end = start < at ? host_end(at + 1, redaction->end) : NULL;

		CHECK_FOR_INTERRUPTS();
		if (end != NULL)
			tw_redaction_mark(redaction, start, end);
		at++;
	}
}
