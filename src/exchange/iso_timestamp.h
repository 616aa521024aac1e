/*
 * iso_timestamp.h
 *		Reads times in the format ISO 8601.
 */
#ifndef TW_ISO_TIMESTAMP_H
#define TW_ISO_TIMESTAMP_H

#include "datatype/timestamp.h"

extern bool tw_read_iso_timestamp(const char *value, TimestampTz *result);

#endif							/* TW_ISO_TIMESTAMP_H */
