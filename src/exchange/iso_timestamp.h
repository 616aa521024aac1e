/*
 * iso_timestamp.h
 *		Times as ISO 8601 writes them, from data that somebody else made.
 */
#ifndef TW_ISO_TIMESTAMP_H
#define TW_ISO_TIMESTAMP_H

#include "datatype/timestamp.h"

extern bool tw_read_iso_timestamp(const char *value, TimestampTz *result);

#endif							/* TW_ISO_TIMESTAMP_H */
