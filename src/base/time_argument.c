/*
 * time_argument.c
 *		The check of the argument "at": the time that counts as now.
 *
 * Functions that depend on the clock take the time as an argument "at", so
 * that tests and simulations can run days in seconds. A time in the future is
 * refused unless a simulation allows it: a mistyped year would be stored for
 * good, and jobs that compare with it would wait until then.
 */
#include "postgres.h"

#include "base/time_argument.h"
#include "fmgr.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

static bool allow_future_times = false;

void
tw_time_argument_init(void)
{
	DefineCustomBoolVariable("training_workflow.allow_future_times",
							 "Allows times to be passed that are yet to come.",
							 "For tests and simulations, which play the days to come. Off, so that a mistyped year is "
							 "an error.",
							 &allow_future_times,
							 false,
							 PGC_SUSET,
							 0,
							 NULL, NULL, NULL);
}

PG_FUNCTION_INFO_V1(tw_check_time_argument);

/* tw_check_time_argument(at): NULL = now. */
Datum
tw_check_time_argument(PG_FUNCTION_ARGS)
{
	TimestampTz at;

	if (PG_ARGISNULL(0))
		PG_RETURN_VOID();
	at = PG_GETARG_TIMESTAMPTZ(0);
	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"at\" must be a point in time, not %s", timestamptz_to_str(at)),
				 errhint("Leave \"at\" out: it is the time to count as now in tests and simulations.")));
	if (at > GetCurrentTimestamp() && !allow_future_times)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"at\" must not be in the future: %s", timestamptz_to_str(at)),
				 errdetail("It is %s now.", timestamptz_to_str(GetCurrentTimestamp())),
				 errhint("Leave \"at\" out. It is the time to count as now in tests and simulations, where a superuser "
						 "sets training_workflow.allow_future_times.")));
	PG_RETURN_VOID();
}
