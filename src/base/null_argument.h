/*
 * null_argument.h
 *		Arguments that must not be NULL, of functions that are not STRICT.
 */
#ifndef TW_NULL_ARGUMENT_H
#define TW_NULL_ARGUMENT_H

#include "fmgr.h"

extern void tw_refuse_null(FunctionCallInfo fcinfo, int argument, const char *name, const char *hint);

#endif							/* TW_NULL_ARGUMENT_H */
