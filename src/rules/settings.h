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

/* The settings that are asked for with every row. */
typedef struct TwSettings
{
	pg_tz	   *time_zone;		/* of the days in created_on */
	bool		redact;			/* whether personal data is masked where text leaves conversation_logs */
	bool		redact_locations;	/* and coordinates and map links with it */
	int			max_message_bytes;	/* the longest message that becomes a sample */
	TwFleetRole fleet_role;		/* what this database is to the others of its fleet */
} TwSettings;

extern TwSettings tw_settings(Oid schema);
extern const char *tw_setting(Oid schema, const char *name);

#endif							/* TW_SETTINGS_H */
