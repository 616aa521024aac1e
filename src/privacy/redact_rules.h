/*
 * redact_rules.h
 *		Groups of digits, and the matching of rules.
 */
#ifndef TW_REDACT_RULES_H
#define TW_REDACT_RULES_H

/* No rule reads more digits of a group or more groups: the longest phone number has 15 digits. */
#define TW_MAX_DIGITS 19
#define TW_MAX_GROUPS 16

typedef struct TwGroup
{
	const uint8 *start;
	const uint8 *end;
	int			count;			/* all of its digits */
	uint8		digit[TW_MAX_DIGITS];
	char		joint;			/* before it: ' ', '-', '.', '(', or '\0' for the first of a chain */
	bool		plus;			/* an international prefix "+" before it */
	bool		parenthesis;	/* an opening parenthesis before it */
	bool		identifier;		/* it begins an identifier such as ORD-9876543210 */
	bool		fraction;		/* it looks like the digits after a decimal point */
} TwGroup;

extern int	tw_match_groups(const TwGroup *groups, int count);

#endif							/* TW_REDACT_RULES_H */
