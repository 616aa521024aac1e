/*
 * settings.h
 *		The settings of jobs and triggers (table training_settings).
 */
#ifndef TW_SETTINGS_H
#define TW_SETTINGS_H

#include "pgtime.h"

/* What a database is to the others: see set_fleet_node(). */
typedef enum TwFleetRole
{
	TW_FLEET_SINGLE,
	TW_FLEET_HUB,
	TW_FLEET_NODE
} TwFleetRole;

extern const char *tw_setting(Oid schema, const char *name);
extern pg_tz *tw_setting_time_zone(Oid schema);
extern bool tw_setting_redact(Oid schema);
extern bool tw_setting_redact_locations(Oid schema);
extern int	tw_setting_max_message_bytes(Oid schema);
extern TwFleetRole tw_setting_fleet_role(Oid schema);

#endif							/* TW_SETTINGS_H */
