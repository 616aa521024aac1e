/*
 * digit_groups.h
 *		Groups of digits, and what their digits may be.
 */
#ifndef TW_DIGIT_GROUPS_H
#define TW_DIGIT_GROUPS_H

/* No rule reads more digits of a group or more groups: the longest phone number has 15 digits. */
#define TW_MAX_DIGITS 19
#define TW_MAX_GROUPS 16

typedef struct TwGroup
{
	const uint8 *start;
	const uint8 *end;
	int			count;			/* all of its digits */
	uint8		digit[TW_MAX_DIGITS];
	char		joint;			/* before it: ' ', '-', '.', '/', '(', or '\0' for the first of a chain */
	bool		loose;			/* the joint has several spaces, a tab, a line break or a slash */
	bool		line_break;		/* the joint has a line break */
	bool		plus;			/* an international prefix "+" before it */
	bool		parenthesis;	/* an opening parenthesis before it */
	bool		identifier;		/* it begins an identifier such as ORD-9876543210 */
	bool		fraction;		/* it looks like the digits after a decimal point */
} TwGroup;

extern bool tw_is_round(const TwGroup *group);
extern bool tw_is_year(const TwGroup *group);
extern bool tw_luhn_holds(const TwGroup *groups, int count);

#endif							/* TW_DIGIT_GROUPS_H */
