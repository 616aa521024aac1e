/*
 * jansson.h
 *		Jansson together with PostgreSQL's JSON functions.
 *
 * PostgreSQL also has functions json_typeof, which becomes a macro here, and json_object, which we must not call.
 */
#ifndef TW_JANSSON_H
#define TW_JANSSON_H

#include "utils/fmgrprotos.h"

#define json_object jansson_json_object
#include <jansson.h>
#undef json_object

#endif							/* TW_JANSSON_H */
