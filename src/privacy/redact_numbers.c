/*
 * redact_numbers.c
 *		Redaction of phone, card and Aadhaar numbers, PAN and GSTIN: the search.
 *
 * Digits form groups, and neighbouring groups form a chain: "+91 98765-43210"
 * is a chain of three. A rule matches some neighbouring groups of a chain; the
 * text around them stays. The rules are in redact_rules.c.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "privacy/characters.h"
#include "privacy/redact_numbers.h"
#include "privacy/redact_pan.h"
#include "privacy/redact_rules.h"

/* Whether the word, in any case, is one of the list. */
static bool
is_one_of(const uint8 *word, int length, const char *const *words, size_t number)
{
	for (size_t i = 0; i < number; i++)
	{
		int			at = 0;

		while (at < length && (word[at] | 0x20) == (uint8) words[i][at])
			at++;
		if (at == length && words[i][at] == '\0')
			return true;
	}
	return false;
}

/* Words that make an attached or hyphenated number a personal one. */
static bool
is_contact_word(const uint8 *word, int length)
{
	static const char *const words[] = {
		"aadhaar", "aadhar", "and", "at", "aur", "call", "card", "cell", "contact", "hai", "is", "ko", "me", "mob",
		"mobile", "no", "num", "number", "on", "par", "pe", "ph", "phn", "phone", "tel", "to", "uid", "visa", "wa",
		"whatsapp"
	};

	return is_one_of(word, length, words, lengthof(words));
}

/* Whether the '#' at `at` follows a word for a phone or a card: "ph#98765 43210" is no ticket. */
static bool
is_contact_sign(const uint8 *data, const uint8 *at)
{
	static const char *const words[] = {
		"aadhaar", "aadhar", "call", "card", "cell", "contact", "mob", "mobile", "ph", "phn", "phone", "tel", "uid",
		"whatsapp"
	};
	const uint8 *word;

	if (at > data && at[-1] == ' ')
		at--;
	for (word = at; word > data && at - word < 16 && tw_is_ascii_letter(word[-1]); word--)
		;
	return is_one_of(word, (int) (at - word), words, lengthof(words));
}

/*
 * Whether a number that begins at `at` is an order, ticket or tracking number:
 * after '#', attached to letters, or after two to five capitals and a hyphen
 * (or underscore). A word of only "x", of any length, counts as one that was
 * masked with an address; otherwise a second redaction would mask the number.
 */
static bool
is_identifier(const uint8 *data, const uint8 *at)
{
	const uint8 *word;
	bool		hyphen;
	bool		capitals = true;
	bool		masked = true;
	int			length;

	if (at == data)
		return false;
	if (at[-1] == '#')
		return !is_contact_sign(data, at - 1);
	hyphen = at[-1] == '-' || at[-1] == '_';
	at -= hyphen;
	for (word = at; word > data && tw_is_ascii_letter(word[-1]); word--)
	{
		CHECK_FOR_INTERRUPTS();
		capitals &= word[-1] <= 'Z';
		masked &= word[-1] == 'x';
	}
	if (word == at)
		return false;
	/* A word after a digit is a part of an identifier. */
	if (is_contact_word(word, (int) Min(at - word, 32)) && tw_digit_value(tw_char_before(data, word, &length)) < 0)
		return false;
	return !hyphen || (at - word >= 2 && (masked || (capitals && at - word <= 5)));
}

/* Reads the digits at `at`; the count is 0 if there are none. */
static void
read_digits(const uint8 *at, const uint8 *end, TwGroup *group)
{
	memset(group, 0, sizeof(TwGroup));
	group->start = at;
	while (at < end)
	{
		int			length;
		int			value = tw_digit_value(tw_char_at(at, end, &length));

		if (value < 0)
			break;
		CHECK_FOR_INTERRUPTS();
		if (group->count < TW_MAX_DIGITS)
			group->digit[group->count] = (uint8) value;
		group->count++;
		at += length;
	}
	group->end = at;
}

/* The text before a chain decides which rules its first group can match. */
static void
read_context(const uint8 *data, TwGroup *group)
{
	const uint8 *at = group->start;
	int			length;

	if (at > data && at[-1] == '(')
	{
		group->parenthesis = true;
		at--;
	}
	if (at > data && at[-1] == '+')
	{
		pg_wchar	before = tw_char_before(data, at - 1, &length);

		/* "500+98765432" is a sum. */
		group->plus = before != '+' && tw_digit_value(before) < 0;
		group->parenthesis |= before == '(';
	}
	else if (!group->parenthesis)
		group->identifier = is_identifier(data, at);
}

static bool
is_space(pg_wchar c)
{
	return c == ' ' || c == 0xA0 || c == 0x2007 || c == 0x2009 || c == 0x202F || c == 0x3000;
}

static bool
is_dash(pg_wchar c)
{
	return c == '-' || (c >= 0x2010 && c <= 0x2013) || c == 0x2212 || c == 0xFF0D;
}

/* Zero-width marks, which are copied with numbers from an address book. */
static bool
is_invisible(pg_wchar c)
{
	return c == 0xAD || (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
		(c >= 0x2060 && c <= 0x2069) || c == 0xFEFF;
}

/*
 * Reads the separator of two groups, whose parts come in this order: the
 * closing parenthesis of the group before, spaces, a dash, a slash or (without
 * spaces) a dot, spaces after the dash or slash, an opening parenthesis. Spaces
 * include at most one line break. Returns the start of the next group, or NULL.
 */
static const uint8 *
read_joint(const uint8 *at, const uint8 *end, bool parenthesis, TwGroup *next)
{
	int			place = 0;
	int			length;

	for (; at < end; at += length)
	{
		pg_wchar	c = tw_char_at(at, end, &length);
		bool		blank = is_space(c) || c == '\t' || c == '\r' || c == '\n';

		CHECK_FOR_INTERRUPTS();
		if (tw_digit_value(c) >= 0)
			return next->joint != '\0' ? at : NULL;
		if (c == ')' && parenthesis && place < 1)
			place = 1;
		else if (blank && (place <= 2 || (place <= 4 && next->joint != '.')))
		{
			if (c == '\n' && next->line_break)
				return NULL;
			next->line_break |= c == '\n';
			next->loose |= !is_space(c) || place == 2 || place == 4;
			place = place <= 2 ? 2 : 4;
		}
		else if (((is_dash(c) || c == '/') && place < 3) || (c == '.' && place < 2))
			place = 3;
		else if (c == '(' && place < 5)
			place = 5;
		else if (!is_invisible(c))
			return NULL;
		if (place == 5)
			next->joint = '(';
		else if (place == 3 && !is_invisible(c))
			next->joint = c == '.' || c == '/' ? (char) c : '-';
		else if (next->joint == '\0')
			next->joint = ' ';
		next->loose |= c == '/';
	}
	return NULL;
}

/* Reads the group that follows another in its chain. */
static bool
read_next_group(const TwGroup *group, const uint8 *end, TwGroup *next)
{
	TwGroup		joint = {0};
	const uint8 *start = read_joint(group->end, end, group->parenthesis, &joint);

	if (start == NULL)
		return false;
	read_digits(start, end, next);
	next->joint = joint.joint;
	next->loose = joint.loose;
	next->line_break = joint.line_break;
	/* In the middle of a number, only a short group can be in parentheses: "+44 (0)20 7946 0018". */
	next->parenthesis = next->joint == '(';
	if (next->parenthesis && (next->count > 5 || next->end == end || *next->end != ')'))
		return false;
	if (next->joint == '.')
	{
		next->identifier = group->count == 1 && group->digit[0] == 0;
		next->fraction = group->count == 2 || group->count == 3;
	}
	return true;
}

/* Marks all matches in the chain that begins with this group; returns the end of the chain. */
static const uint8 *
mark_chain(TwRedaction *redaction, const TwGroup *first)
{
	TwGroup		groups[TW_MAX_GROUPS];
	int			count = 1;
	bool		more = true;
	const uint8 *end;

	groups[0] = *first;
	do
	{
		int			matched;

		CHECK_FOR_INTERRUPTS();
		while (more && count < TW_MAX_GROUPS)
		{
			more = read_next_group(&groups[count - 1], redaction->end, &groups[count]);
			count += more;
		}
		matched = tw_match_groups(groups, count);
		if (matched > 0)
			tw_redaction_mark(redaction, groups[0].start, groups[matched - 1].end);
		end = groups[0].end;
		count--;
		memmove(groups, groups + 1, count * sizeof(TwGroup));
	} while (count > 0);
	return end;
}

/* The next digit from `at` on; `end` if there is none. */
static const uint8 *
find_digit(const uint8 *at, const uint8 *end)
{
	while (at < end)
	{
		const uint8 *stop = end - at > TW_INTERRUPT_BYTES ? at + TW_INTERRUPT_BYTES : end;
		int			length;

		CHECK_FOR_INTERRUPTS();
		for (; at < stop; at += length)
		{
			if (tw_digit_value(tw_char_at(at, end, &length)) >= 0)
				return at;
		}
	}
	return end;
}

/* Marks phone, card and Aadhaar numbers, PAN and GSTIN. */
void
tw_mark_numbers(TwRedaction *redaction)
{
	const uint8 *at = redaction->data;

	while ((at = find_digit(at, redaction->end)) < redaction->end)
	{
		TwGroup		group;

		read_digits(at, redaction->end, &group);
		read_context(redaction->data, &group);
		tw_mark_pan(redaction, &group);
		at = mark_chain(redaction, &group);
	}
}
