/*
 * redact_rules.c
 *		The rules by which groups of digits are a phone, card or Aadhaar
 *		number. redact.h says what a rule must fulfil.
 */
#include "postgres.h"

#include "privacy/redact_rules.h"
#include "privacy/redact_uneven.h"

/* Digits of the shortest number that a rule matches: one with a country code. */
#define LEAST_DIGITS 8

/* Whether the digits of the group begin with these. */
static bool
begins_with(const TwGroup *group, const char *digits)
{
	for (int i = 0; digits[i] != '\0'; i++)
	{
		if (i >= Min(group->count, TW_MAX_DIGITS) || group->digit[i] != digits[i] - '0')
			return false;
	}
	return true;
}

static int
two_digits(const TwGroup *group, int at)
{
	return group->digit[at] * 10 + group->digit[at + 1];
}

/* A timestamp such as 202611231030, with or without seconds. */
static bool
is_timestamp(const TwGroup *group)
{
	return (group->count == 12 || group->count == 14) &&
		(two_digits(group, 0) == 19 || two_digits(group, 0) == 20) &&
		two_digits(group, 4) >= 1 && two_digits(group, 4) <= 12 &&
		two_digits(group, 6) >= 1 && two_digits(group, 6) <= 31 &&
		two_digits(group, 8) <= 23 && two_digits(group, 10) <= 59;
}

static bool
is_year_or_zero(const TwGroup *group)
{
	return tw_is_year(group) || begins_with(group, "0000");
}

typedef enum Rule
{
	ANY,
	PAIR,
	MOBILE,
	AADHAAR,
	LUHN
} Rule;

typedef struct Shape
{
	int			counts[6];		/* digits of each group, up to 0 */
	Rule		rule;
} Shape;

static const Shape mobiles[] = {
	{{10}, MOBILE},
	{{5, 5}, PAIR},
	{{3, 3, 4}, MOBILE},
	{{3, 4, 3}, MOBILE},
	{{4, 3, 3}, MOBILE},
	{{5, 2, 3}, MOBILE},
	{{5, 3, 2}, MOBILE},
	{{3, 7}, MOBILE},
	{{4, 6}, MOBILE},
};

static const Shape documents[] = {
	{{4, 4, 4, 4}, ANY},
	{{4, 6, 5}, ANY},
	{{4, 6, 4}, ANY},
	{{4, 4, 4, 4, 3}, LUHN},
	{{13}, LUHN},
	{{14}, LUHN},
	{{15}, LUHN},
	{{16}, LUHN},
	{{17}, LUHN},
	{{18}, LUHN},
	{{19}, LUHN},
	{{12}, AADHAAR},
	{{4, 4, 4}, AADHAAR},
};

/*
 * Whether groups with a loose joint could be one number. A list of prices or
 * years is none, nor are numbers one below the other; a date or a bill has
 * slashes, and so only a phone number may.
 */
static bool
may_be_loose(Rule rule, const TwGroup *groups, int fitting, int count)
{
	int			line_breaks = 0;
	bool		slash = false;
	bool		only_round = true;
	bool		only_years = true;

	for (int i = 0; i < fitting; i++)
	{
		line_breaks += i > 0 && groups[i].line_break;
		slash |= i > 0 && groups[i].joint == '/';
		only_round &= tw_is_round(&groups[i]);
		only_years &= tw_is_year(&groups[i]) || tw_is_round(&groups[i]);
	}
	if (only_round || only_years || line_breaks > 1)
		return false;
	if (line_breaks == 1 && (groups[0].line_break || (fitting < count && groups[fitting].line_break &&
													  groups[fitting].count == groups[fitting - 1].count)))
		return false;
	if (rule == PAIR || rule == MOBILE)
		/* 9500 411038 is a price and a pin code. */
		return groups[0].digit[0] >= 6 && !(groups[0].count == 4 && groups[1].count == 6);
	if (rule == ANY && groups[1].count == 6)
		return !slash && groups[0].digit[0] == 3;
	return !slash;
}

/*
 * Whether the digits fulfil the rule; `count` groups are left in the chain,
 * the first `fitting` of them have the shape.
 */
static bool
rule_holds(Rule rule, const TwGroup *groups, int fitting, int count)
{
	const TwGroup *group = &groups[0];
	bool		whole_chain = (group->joint == '\0' || group->loose) && (fitting == count || groups[fitting].loose);

	for (int i = 1; i < fitting; i++)
	{
		if (groups[i].loose && !may_be_loose(rule, groups, fitting, count))
			return false;
	}
	switch (rule)
	{
		case ANY:
			return true;
		case PAIR:
			/* 12345.67890 is a decimal number, 10000-20000 a range of prices. Neither could be a mobile number. */
			if (groups[1].joint == '.')
				return group->digit[0] >= 6;
			return !(whole_chain && groups[1].joint == '-' && group->digit[0] <= 5 &&
					 tw_is_round(group) && tw_is_round(&groups[1]));
		case MOBILE:
			return group->digit[0] >= 6;
		case AADHAAR:
			/* Zeros stand for a year that another rule redacted. */
			if (whole_chain && fitting == 3 && tw_is_year(group) && is_year_or_zero(&groups[1]) &&
				is_year_or_zero(&groups[2]))
				return false;
			return group->digit[0] >= 2 && !group->fraction && !is_timestamp(group);
		case LUHN:

			/*
			 * No bank card begins with 1, but a time in milliseconds does. The checksum over several groups is safe
			 * because all but the last group are masked in either case.
			 */
			return group->digit[0] >= 2 && !group->fraction && !is_timestamp(group) && tw_luhn_holds(groups, fitting);
	}
	return false;
}

/* The largest number of groups, from the first on, that match one of the shapes. */
static int
match_shapes(const Shape *shapes, size_t number, const TwGroup *groups, int count)
{
	int			best = 0;

	for (const Shape *shape = shapes; shape < shapes + number; shape++)
	{
		int			fitting = 0;

		while (fitting < count && shape->counts[fitting] == groups[fitting].count &&
			   (fitting == 0 || groups[fitting].joint != '('))
			fitting++;
		if (fitting > best && shape->counts[fitting] == 0 && rule_holds(shape->rule, groups, fitting, count))
			best = fitting;
	}
	return best;
}

/* A mobile number after 0, 91, 091 or 0091, attached or as a separate group (a separate 0 needs no mask). */
static int
match_prefixed(const TwGroup *groups, int count)
{
	static const char *const prefixes[] = {"0091", "091", "91", "0"};

	for (size_t i = 0; i < lengthof(prefixes); i++)
	{
		int			length = (int) strlen(prefixes[i]);
		int			rest = groups[0].count - length;

		if (!begins_with(&groups[0], prefixes[i]))
			continue;
		if (rest == 0 && count > 1 && groups[1].joint != '(' && !groups[1].line_break)
		{
			int			mobile = match_shapes(mobiles, lengthof(mobiles), groups + 1, count - 1);

			if (mobile > 0 && length > 1)
				return mobile + 1;
		}
		else if (rest == 10 && groups[0].digit[length] >= 6)
			return 1;
		else if (rest == 5 && groups[0].digit[length] >= 6 && count > 1 && groups[1].count == 5 &&
				 groups[1].joint != '(' && !groups[1].loose)
			return 2;
	}
	return 0;
}

/* A number with its area code: 11 digits in a row, or after a group of 0 and two to four more digits. */
static int
match_landline(const TwGroup *groups, int count)
{
	const TwGroup *group = &groups[0];
	int			digits = 0;

	if (group->digit[0] != 0 || group->count < 3 || group->digit[1] == 0 || (group->count > 5 && group->count != 11))
		return 0;
	for (int i = 0; i < count && digits < 11 && (i == 0 || groups[i].joint != '('); i++)
	{
		if (i > 0 && groups[i].loose && (groups[i].line_break || groups[i].count < 4))
			break;
		digits += groups[i].count;
		if (digits == 11)
			return i + 1;
	}
	return 0;
}

/*
 * A number with a country code after "+", or after 00 as a separate group: 8
 * to 15 digits. The longest match counts, unless the country fixes the number
 * of digits. A single digit as the last group does not belong to it, nor does
 * what follows a loose joint after enough digits.
 */
static int
match_international(const TwGroup *groups, int count)
{
	const TwGroup *group = &groups[0];
	int			prefix = !group->plus && begins_with(group, "00") && group->count >= 3 && group->count <= 5 ? 2 : 0;
	int			wanted = 0;
	int			digits = -prefix;
	int			best = 0;

	if ((!group->plus && prefix == 0) || group->digit[prefix] == 0)
		return 0;
	if (group->digit[prefix] == 1)
		wanted = 11;
	else if (begins_with(group, prefix ? "0091" : "91"))
		wanted = 12;
	for (int i = 0; i < count; i++)
	{
		if (i > 0 && groups[i].loose && best > 0 && (wanted == 0 || digits >= 10))
			break;
		digits += Min(groups[i].count, TW_MAX_DIGITS);
		if (digits == wanted)
			return i + 1;
		if (digits > 15)
			break;
		if (digits >= LEAST_DIGITS && groups[i].count > 1)
			best = i + 1;
	}
	/* +18.5204303 is a coordinate. */
	if (best > 1 && group->count <= 3 && groups[1].joint == '.' && groups[1].count >= 4 && groups[1].count <= 8)
		return 0;
	return best;
}

/* Whether there are as many digits as the shortest number has. */
static bool
has_enough_digits(const TwGroup *groups, int count)
{
	int			digits = 0;

	for (int i = 0; i < count && digits < LEAST_DIGITS; i++)
		digits += Min(groups[i].count, LEAST_DIGITS);
	return digits >= LEAST_DIGITS;
}

/* Number of groups, from the first on, that have to be masked. */
int
tw_match_groups(const TwGroup *groups, int count)
{
	int			best = 0;

	/* Most numbers in a message are quantities, and match nothing. */
	if (groups[0].identifier || !has_enough_digits(groups, count))
		return 0;
	best = match_shapes(mobiles, lengthof(mobiles), groups, count);
	best = Max(best, match_shapes(documents, lengthof(documents), groups, count));
	best = Max(best, match_prefixed(groups, count));
	best = Max(best, match_landline(groups, count));
	best = Max(best, tw_match_uneven(groups, count));
	return Max(best, match_international(groups, count));
}
