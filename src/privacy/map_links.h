/*
 * map_links.h
 *		Links to a map.
 */
#ifndef TW_MAP_LINKS_H
#define TW_MAP_LINKS_H

#include "privacy/masking.h"

extern void tw_mark_map_links(TwRedaction *redaction);

#endif							/* TW_MAP_LINKS_H */
