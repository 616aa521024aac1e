/*
 * redact_locations.h
 *		Coordinates, and map links.
 */
#ifndef TW_REDACT_LOCATIONS_H
#define TW_REDACT_LOCATIONS_H

#include "privacy/masking.h"

extern void tw_mark_locations(TwRedaction *redaction);
extern bool tw_is_location_key(const char *key, int length);

#endif							/* TW_REDACT_LOCATIONS_H */
