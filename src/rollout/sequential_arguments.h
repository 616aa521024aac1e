/*
 * sequential_arguments.h
 *		Arrays with an element for each rollout step, as arguments.
 */
#ifndef TW_SEQUENTIAL_ARGUMENTS_H
#define TW_SEQUENTIAL_ARGUMENTS_H

#include "fmgr.h"

extern Datum *tw_step_array(FunctionCallInfo fcinfo, int argument, const char *name, Oid type, int *count);
extern double tw_probability_argument(FunctionCallInfo fcinfo, int argument, const char *name, double greatest,
									  const char *hint);

#endif							/* TW_SEQUENTIAL_ARGUMENTS_H */
