/*
 * redact_pan.h
 *		PAN, and the GSTIN around it.
 */
#ifndef TW_REDACT_PAN_H
#define TW_REDACT_PAN_H

#include "privacy/masking.h"
#include "privacy/digit_groups.h"

extern void tw_mark_pan(TwRedaction *redaction, const TwGroup *group);

#endif							/* TW_REDACT_PAN_H */
