/*
 * redact_uneven.c
 *		The rules for phone, card and Aadhaar numbers in unusual groups: pairs,
 *		single digits, and groups of different lengths.
 *
 * The groups must stand alone: nothing but the line's end may follow or go
 * before in the chain. Lists, prices, dates and pin codes are exceptions, and
 * remain so when some of the groups are masked, as redact.h requires.
 */
#include "postgres.h"

#include "privacy/redact_uneven.h"

/* Number of groups that stand alone on their line, from the first on; 0 if something goes before them. */
static int
groups_of_line(const TwGroup *groups, int count)
{
	int			number = 1;

	if (groups[0].joint != '\0' && !groups[0].line_break)
		return 0;
	while (number < count && !groups[number].line_break)
	{
		if (groups[number].joint == '.' || groups[number].joint == '(')
			return 0;
		number++;
	}
	return number < TW_MAX_GROUPS ? number : 0;
}

static int
count_digits(const TwGroup *groups, int count)
{
	int			digits = 0;

	for (int i = 0; i < count; i++)
		digits += Min(groups[i].count, TW_MAX_DIGITS);
	return digits;
}

static int
value_of(const TwGroup *group)
{
	int			value = 0;

	for (int i = 0; i < group->count && i < 8; i++)
		value = value * 10 + group->digit[i];
	return value;
}

/* Whether all are multiples of a number, as prices are. A masked group is a multiple of any. */
static bool
are_multiples(const TwGroup *groups, int count, int divisor)
{
	for (int i = 0; i < count; i++)
	{
		if (groups[i].digit[Min(groups[i].count, TW_MAX_DIGITS) - 1] % divisor != 0)
			return false;
	}
	return true;
}

/* Whether they never fall, as in a list of sizes. A group of zeros says nothing, for it may be masked. */
static bool
are_ascending(const TwGroup *groups, int count)
{
	int			last = 0;

	for (int i = 0; i < count; i++)
	{
		int			value = value_of(&groups[i]);

		if (value == 0)
			continue;
		if (value < last)
			return false;
		last = value;
	}
	return true;
}

/* A date such as 20261123, or zeros, which may stand for one. */
static bool
is_date(const TwGroup *group)
{
	int			value = value_of(group);
	int			century = value / 1000000;

	return group->count == 8 && (value == 0 || ((century == 19 || century == 20) && value / 100 % 100 <= 12 &&
												value % 100 <= 31));
}

/* Two groups of ten digits. A pin code, a quantity or a price may be one of them: only 9 begins no pin code. */
static bool
is_mobile_in_two(const TwGroup *groups)
{
	if (groups[1].loose)
		return false;
	if (groups[0].count == 2)
		return groups[0].digit[0] >= 6 && !is_date(&groups[1]);
	return groups[0].count >= 6 && groups[0].count <= 8 && groups[0].digit[0] == 9 && !tw_is_round(&groups[1]);
}

/* Ten digits of a mobile number in all of these groups. */
static bool
is_mobile(const TwGroup *groups, int count)
{
	bool		slash = false;
	bool		pairs = count == 5;

	if (count < 2 || groups[0].digit[0] < 6 || count_digits(groups, count) != 10)
		return false;
	for (int i = 0; i < count; i++)
	{
		slash |= i > 0 && groups[i].joint == '/';
		pairs &= groups[i].count == 2;
	}
	if (pairs)
		return !are_multiples(groups, count, 5) && !are_ascending(groups, count);
	if (count == 10)
		return !are_ascending(groups, count);
	if (count == 2)
		return is_mobile_in_two(groups);
	for (int i = 0; i < count; i++)
	{
		if (groups[i].count < 2)
			return false;
	}
	return count <= 4 && !slash && !are_multiples(groups, count, 10);
}

/* Number of groups at the beginning that are a prefix of a mobile number: 0, 91, 091 or 0091. */
static int
prefix_groups(const TwGroup *groups, int count)
{
	int			zeros = 0;

	if (count < 3)
		return 0;
	if (groups[0].count == 1)
	{
		if (groups[0].digit[0] == 0)
			return 1;
		return groups[0].digit[0] == 9 && groups[1].count == 1 && groups[1].digit[0] == 1 && count == 12 ? 2 : 0;
	}
	while (zeros < 2 && groups[0].digit[zeros] == 0)
		zeros++;
	return groups[0].count == zeros + 2 && groups[0].digit[zeros] == 9 && groups[0].digit[zeros + 1] == 1 ? 1 : 0;
}

/* An Aadhaar number in groups of 4 and 8 digits. A year, a date and a price are no part of one. */
static bool
is_aadhaar(const TwGroup *groups, int count)
{
	if (count != 2 || groups[0].digit[0] < 2 || groups[1].joint == '/' || tw_is_round(&groups[1]))
		return false;
	if (groups[0].count == 4 && groups[1].count == 8)
		return !tw_is_year(&groups[0]) && !is_date(&groups[1]);
	return groups[0].count == 8 && groups[1].count == 4 && !is_date(&groups[0]) && !tw_is_year(&groups[1]);
}

/* A card number in groups of 4, 8 or 12 digits, with the right checksum. */
static bool
is_card(const TwGroup *groups, int count)
{
	if (count < 2 || count > 3 || groups[0].digit[0] < 2 || count_digits(groups, count) != 16)
		return false;
	for (int i = 0; i < count; i++)
	{
		bool		nonzero = false;

		for (int j = 0; j < Min(groups[i].count, TW_MAX_DIGITS); j++)
			nonzero |= groups[i].digit[j] != 0;
		if (!nonzero || groups[i].count % 4 != 0 || (i > 0 && groups[i].joint == '/'))
			return false;
	}
	return tw_luhn_holds(groups, count);
}

/* Number of groups, from the first on, that are a number in unusual groups. */
int
tw_match_uneven(const TwGroup *groups, int count)
{
	int			number = groups_of_line(groups, count);
	int			prefix;

	if (number < 2)
		return 0;
	prefix = prefix_groups(groups, number);
	if (is_mobile(groups, number) || is_mobile(groups + prefix, number - prefix) || is_aadhaar(groups, number) ||
		is_card(groups, number))
		return number;
	return 0;
}
