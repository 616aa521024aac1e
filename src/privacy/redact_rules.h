/*
 * redact_rules.h
 *		The rules by which groups of digits are a number that is masked.
 */
#ifndef TW_REDACT_RULES_H
#define TW_REDACT_RULES_H

#include "privacy/digit_groups.h"

extern int	tw_match_groups(const TwGroup *groups, int count);

#endif							/* TW_REDACT_RULES_H */
