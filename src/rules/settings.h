/*
 * settings.h
 *		The settings of jobs and triggers (table training_settings).
 */
#ifndef TW_SETTINGS_H
#define TW_SETTINGS_H

#include "pgtime.h"

extern const char *tw_setting(Oid schema, const char *name);
extern pg_tz *tw_setting_time_zone(Oid schema);
extern bool tw_setting_redact(Oid schema);
extern bool tw_setting_redact_locations(Oid schema);
extern int	tw_setting_max_message_bytes(Oid schema);

#endif							/* TW_SETTINGS_H */
