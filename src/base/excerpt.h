/*
 * excerpt.h
 *		The beginning of a value in a message.
 *
 * A name, path or word from outside may have 1 GB. A message, and with it the
 * server's log, must not. tw_excerpt() in SQL follows the same rule.
 */
#ifndef TW_EXCERPT_H
#define TW_EXCERPT_H

#include "mb/pg_wchar.h"

/* Most bytes of a value in a message. */
#define TW_EXCERPT_BYTES 200

/* The value or, if it is longer, its first 200 bytes, cut at a character boundary, and three dots. */
static inline char *
tw_excerpt_of(const char *value, Size length)
{
	if (length <= TW_EXCERPT_BYTES)
		return pnstrdup(value, length);
	return psprintf("%.*s...", pg_mbcliplen(value, (int) length, TW_EXCERPT_BYTES), value);
}

static inline char *
tw_excerpt(const char *value)
{
	return tw_excerpt_of(value, strlen(value));
}

#endif							/* TW_EXCERPT_H */
