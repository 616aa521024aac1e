/*
 * kept_plan.h
 *		Statements of the extension that each backend prepares once.
 */
#ifndef TW_KEPT_PLAN_H
#define TW_KEPT_PLAN_H

#include "executor/spi.h"

/* Zero-initialised, one static variable for each statement. */
typedef struct TwKeptPlan
{
	Oid			schema;
	char	   *schema_name;
	SPIPlanPtr	plan;
} TwKeptPlan;

extern int64 tw_run_insert(TwKeptPlan *kept, Oid schema, const char *command, int nargs, Oid *types, Datum *values,
						   const char *nulls);
extern int	tw_execute(const char *command, const SPIExecuteOptions *options);
extern SPIPlanPtr tw_kept_plan(TwKeptPlan *kept, Oid schema, const char *command, int nargs, Oid *types);

#endif							/* TW_KEPT_PLAN_H */
