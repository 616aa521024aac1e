/*
 * jansson.h
 *		Jansson beside PostgreSQL's functions on JSON.
 *
 * PostgreSQL has functions json_typeof, which becomes a macro here, and
 * json_object, which we must not call.
 */
#ifndef TW_JANSSON_H
#define TW_JANSSON_H

#include "utils/fmgrprotos.h"

#define json_object jansson_json_object
#include <jansson.h>
#undef json_object

#endif							/* TW_JANSSON_H */
