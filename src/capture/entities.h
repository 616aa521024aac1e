/*
 * entities.h
 *		The entities that a client sends in the wrapping of its own.
 */
#ifndef TW_ENTITIES_H
#define TW_ENTITIES_H

#include "capture/log_row.h"

extern void tw_unwrap_entities(LogRow *row);

#endif							/* TW_ENTITIES_H */
