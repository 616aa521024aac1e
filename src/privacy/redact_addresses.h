/*
 * redact_addresses.h
 *		E-mail addresses and UPI ids.
 */
#ifndef TW_REDACT_ADDRESSES_H
#define TW_REDACT_ADDRESSES_H

#include "privacy/masking.h"

extern void tw_mark_addresses(TwRedaction *redaction);

#endif							/* TW_REDACT_ADDRESSES_H */
