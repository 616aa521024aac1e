/*
 * digit_groups.c
 *		What the digits of a group may be.
 */
#include "postgres.h"

#include "privacy/digit_groups.h"

/* The Luhn checksum of card numbers. */
bool
tw_luhn_holds(const TwGroup *groups, int count)
{
	int			sum = 0;
	bool		twice = false;

	for (int i = count - 1; i >= 0; i--)
	{
		for (int j = groups[i].count - 1; j >= 0; j--)
		{
			int			digit = groups[i].digit[j] * (twice ? 2 : 1);

			sum += digit > 9 ? digit - 9 : digit;
			twice = !twice;
		}
	}
	return sum % 10 == 0;
}

/* A year such as 2026. */
bool
tw_is_year(const TwGroup *group)
{
	return group->count == 4 && ((group->digit[0] == 1 && group->digit[1] == 9) ||
								 (group->digit[0] == 2 && group->digit[1] == 0));
}

/* Whether it ends with two zeros, as a price does, or is a single 0. */
bool
tw_is_round(const TwGroup *group)
{
	if (group->count < 2 || group->count > TW_MAX_DIGITS)
		return group->count == 1 && group->digit[0] == 0;
	return group->digit[group->count - 2] == 0 && group->digit[group->count - 1] == 0;
}
