/*
 * redact_numbers.h
 *		Phone, card and Aadhaar numbers, and PAN.
 */
#ifndef TW_REDACT_NUMBERS_H
#define TW_REDACT_NUMBERS_H

#include "privacy/masking.h"

extern void tw_mark_numbers(TwRedaction *redaction);

#endif							/* TW_REDACT_NUMBERS_H */
