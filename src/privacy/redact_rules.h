/*
 * redact_rules.h
 *		Groups of digits, and the rules that they are held against.
 */
#ifndef TW_REDACT_RULES_H
#define TW_REDACT_RULES_H

/* No rule looks at more digits of a group, nor at more groups: the longest phone number has 15 digits. */
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
	bool		parenthesis;	/* one opens before it */
	bool		identifier;		/* a number begins here that is called something else, such as ORD-9876543210 */
	bool		fraction;		/* the digits after a decimal point, by their look */
} TwGroup;

extern int	tw_match_groups(const TwGroup *groups, int count);

#endif							/* TW_REDACT_RULES_H */
