/*
 * fleet.h
 *		What a database does depends on whether it is on its own, the hub of a
 *		fleet, or a node of one.
 */
#ifndef TW_FLEET_H
#define TW_FLEET_H

extern bool tw_is_replicated(void);

#endif							/* TW_FLEET_H */
