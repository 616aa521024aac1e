/*
 * audit_rate.h
 *		Raised audit rates of versions.
 */
#ifndef TW_AUDIT_RATE_H
#define TW_AUDIT_RATE_H

#include "base/slice.h"

extern double tw_raised_audit_rate(Oid schema, TwSlice version, double rate);

#endif							/* TW_AUDIT_RATE_H */
