/*
 * setting_values.h
 *		Allowed values of settings.
 */
#ifndef TW_SETTING_VALUES_H
#define TW_SETTING_VALUES_H

#include "pgtime.h"

/* How many bytes are shown of a text that is too long; max_message_bytes is not smaller. */
#define TW_CUT_BYTES 1000

extern char *tw_canonical_amount(const char *value);
extern char *tw_canonical_boolean(const char *value);
extern char *tw_canonical_count(const char *value);
extern char *tw_canonical_labels(const char *value);
extern char *tw_canonical_level(const char *value);
extern char *tw_canonical_margin(const char *value);
extern char *tw_canonical_message_bytes(const char *value);
extern char *tw_canonical_name(const char *value);
extern char *tw_canonical_positive_share(const char *value);
extern char *tw_canonical_ratio(const char *value);
extern char *tw_canonical_report_target(const char *value);
extern char *tw_canonical_retention(const char *value);
extern char *tw_canonical_share(const char *value);
extern char *tw_canonical_steps(const char *value);
extern char *tw_canonical_time_zone(const char *value);
extern char *tw_canonical_units(const char *value);
extern pg_tz *tw_named_time_zone(const char *value);

#endif							/* TW_SETTING_VALUES_H */
