/*
 * redact_uneven.h
 *		Numbers in groups that no form has: pairs, single digits, uneven ones.
 */
#ifndef TW_REDACT_UNEVEN_H
#define TW_REDACT_UNEVEN_H

#include "privacy/digit_groups.h"

extern int	tw_match_uneven(const TwGroup *groups, int count);

#endif							/* TW_REDACT_UNEVEN_H */
