/*
 * audit_rate.h
 *		Versions that the audit draws more often than the policies say.
 */
#ifndef TW_AUDIT_RATE_H
#define TW_AUDIT_RATE_H

#include "base/slice.h"

extern double tw_raised_audit_rate(Oid schema, TwSlice version, double rate);

#endif							/* TW_AUDIT_RATE_H */
