/*
 * decimals.h
 *		Numbers with a decimal point.
 */
#ifndef TW_DECIMALS_H
#define TW_DECIMALS_H

#include "privacy/masking.h"

typedef struct TwDecimal
{
	const uint8 *start;			/* the first digit */
	const uint8 *end;			/* after the last digit */
	int			points;			/* 2 or more: no number, but a version or an address of a computer */
	int			whole;			/* digits before the point */
	int			fraction;		/* digits after it */
	int			value;			/* of the first three digits before the point */
	bool		leading_zero;	/* two or more digits before the point, the first of them 0 */
} TwDecimal;

extern void tw_read_decimal(const uint8 *at, const uint8 *end, TwDecimal *decimal);
extern void tw_mark_decimals(TwRedaction *redaction, const uint8 *at, const uint8 *end);

#endif							/* TW_DECIMALS_H */
