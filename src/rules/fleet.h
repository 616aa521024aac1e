/*
 * fleet.h
 *		What a database does depends on whether it is on its own, the hub of a
 *		fleet, or a node of one.
 */
#ifndef TW_FLEET_H
#define TW_FLEET_H

#include "postgres_ext.h"

extern bool tw_is_replicated(void);
extern bool tw_decides_here(Oid schema);

#endif							/* TW_FLEET_H */
