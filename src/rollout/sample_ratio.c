/*
 * sample_ratio.c
 *		sample_ratio_check(): whether sessions are split between the arms as planned.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "rollout/sample_ratio.h"
#include "rollout/sequential_arguments.h"

PG_FUNCTION_INFO_V1(tw_sample_ratio_check);

/* For larger counts, log-gamma functions lose the significant digits. */
#define GREATEST_COUNT INT64CONST(1000000000000)
/* JSON has no infinity. */
#define GREATEST_EVIDENCE 1e300

static double
checked_count(Datum element, const char *name, int step)
{
	int64		value = DatumGetInt64(element);

	if (value < 0 || value > GREATEST_COUNT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must have numbers from 0 to " INT64_FORMAT, name, GREATEST_COUNT),
				 errdetail("Element %d is " INT64_FORMAT ".", step + 1, value),
				 errhint("They are numbers of sessions by the arm of their first assignment in the step.")));
	return (double) value;
}

static double
checked_fraction(Datum element, int step)
{
	double		value = DatumGetFloat8(element);

	if (!(value >= 1e-6 && value <= 1 - 1e-6))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("canary_share must have numbers above 0 and below 1"),
				 errdetail("Element %d is %g.", step + 1, value),
				 errhint("It is a fraction of at least one in a million: 0.1 stands for 10 %%. Leave out steps in "
						 "which every session has the same arm.")));
	return value;
}

Datum
tw_sample_ratio_check(PG_FUNCTION_ARGS)
{
	int			count = -1;
	Datum	   *canary = tw_step_array(fcinfo, 0, "canary_units", INT8OID, &count);
	Datum	   *production = tw_step_array(fcinfo, 1, "production_units", INT8OID, &count);
	Datum	   *fractions = tw_step_array(fcinfo, 2, "canary_share", FLOAT8OID, &count);
	double		alpha = tw_probability_argument(fcinfo, 3, "alpha", 0.5,
												"It is the probability of a false alarm that is accepted, such as "
												"0.001.");
	TwSplit    *splits = palloc(sizeof(TwSplit) * Max(count, 1));
	double		units = 0;
	double		expected = 0;
	double		observed = 0;
	double		evidence;
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "sample_ratio_check returns no row");
	for (int i = 0; i < count; i++)
	{
		TwSplit    *split = &splits[i];

		split->canary = checked_count(canary[i], "canary_units", i);
		split->production = checked_count(production[i], "production_units", i);
		split->fraction = checked_fraction(fractions[i], i);
		units += split->canary + split->production;
		observed += split->canary;
		expected += (split->canary + split->production) * split->fraction;
	}
	evidence = tw_sample_ratio_log_evidence(splits, count);
	values[0] = Float8GetDatum(evidence < log(GREATEST_EVIDENCE) ? exp(evidence) : GREATEST_EVIDENCE);
	values[1] = Float8GetDatum(expected / units);
	values[2] = Float8GetDatum(observed / units);
	nulls[1] = nulls[2] = units == 0;
	values[3] = BoolGetDatum(evidence >= -log(alpha));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
