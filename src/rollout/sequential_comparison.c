/*
 * sequential_comparison.c
 *		sequential_comparison(): arrays of sums by step in, verdict out.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "base/null_argument.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "rollout/sequential.h"
#include "rollout/sequential_arguments.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(tw_sequential_comparison);

#define SUMS (sizeof(TwArmSums) / sizeof(double))
/* For larger or smaller values, squares overflow or vanish. */
#define LEAST_SUM 1e-100
#define GREATEST_SUM 1e100
/* Sums computed in another order may differ by this much. */
#define ROUNDING 1e-9

static const char *const argument_names[2 * SUMS] = {
	"canary_units", "canary_n", "canary_y", "canary_nn", "canary_ny", "canary_yy",
	"production_units", "production_n", "production_y", "production_nn", "production_ny", "production_yy",
};

static double
checked_sum(double value, const char *name, int step)
{
	if (isnan(value) || isinf(value) || value < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must have numbers that are finite and not negative", name),
				 errdetail("Element %d is %g.", step + 1, value),
				 errhint("They are sums over sessions with 0 <= y <= n.")));
	if (value > GREATEST_SUM || (value > 0 && value < LEAST_SUM * LEAST_SUM))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is out of range", name),
				 errdetail("Element %d is %g.", step + 1, value),
				 errhint("Weights may have any scale; choose one that gives sums near the number of sessions.")));
	return value;
}

/* Raises an error unless less <= more, up to rounding. */
static void
require_at_most(double less, double more, const char *rule, const char *arm, int step)
{
	if (less > more * (1 + ROUNDING))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no sessions can have these sums"),
				 errdetail("In element %d of the %s arrays, %s does not hold: %.10g is greater than %.10g.",
						   step + 1, arm, rule, less, more),
				 errhint("units counts the sessions with n > 0; the others are the sums of n, y, n * n, n * y and "
						 "y * y over sessions, where 0 <= y <= n.")));
}

/* Inequalities that hold for all sessions with 0 <= y <= n. */
static void
check_arm(const TwArmSums *arm, const char *name, int step)
{
	if (arm->n > 0 && (arm->n < LEAST_SUM || arm->units < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no sessions can have these sums"),
				 errdetail("In element %d of the %s arrays, n is %g with %g units.", step + 1, name, arm->n,
						   arm->units),
				 errhint("units counts the sessions with n > 0, and weights must not be close to 0.")));
	require_at_most(arm->y, arm->n, "y <= n", name, step);
	require_at_most(arm->yy, arm->ny, "yy <= ny", name, step);
	require_at_most(arm->ny, arm->nn, "ny <= nn", name, step);
	require_at_most(arm->nn, arm->n * arm->n, "nn <= n * n", name, step);
	require_at_most(arm->yy, arm->y * arm->y, "yy <= y * y", name, step);
	/* The Cauchy-Schwarz inequality. */
	require_at_most(arm->n * arm->n, arm->units * arm->nn, "n * n <= units * nn", name, step);
	require_at_most(arm->y * arm->y, arm->units * arm->yy, "y * y <= units * yy", name, step);
	require_at_most(arm->ny * arm->ny, arm->nn * arm->yy, "ny * ny <= nn * yy", name, step);
}

static TwStepSums *
read_steps(FunctionCallInfo fcinfo, int *count)
{
	Datum	   *elements[2 * SUMS];
	TwStepSums *steps;

	*count = -1;
	for (int a = 0; a < (int) (2 * SUMS); a++)
		elements[a] = tw_step_array(fcinfo, a, argument_names[a], FLOAT8OID, count);
	steps = palloc0(sizeof(TwStepSums) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		double	   *sums = (double *) &steps[i];

		CHECK_FOR_INTERRUPTS();
		for (int a = 0; a < (int) (2 * SUMS); a++)
			sums[a] = checked_sum(DatumGetFloat8(elements[a][i]), argument_names[a], i);
		check_arm(&steps[i].canary, "canary", i);
		check_arm(&steps[i].production, "production", i);
	}
	return steps;
}

static double
margin_argument(FunctionCallInfo fcinfo, int argument)
{
	double		margin;

	tw_refuse_null(fcinfo, argument, "margin",
				   "It is a difference between two rates: 0.02 stands for 2 percentage points.");
	margin = PG_GETARG_FLOAT8(argument);
	if (!(margin >= 0 && margin < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("margin must be at least 0 and below 1"),
				 errdetail("It is %g.", margin),
				 errhint("It is a difference between two rates: 0.02 stands for 2 percentage points.")));
	return margin;
}

static int32
min_units_argument(FunctionCallInfo fcinfo, int argument)
{
	int32		least;

	tw_refuse_null(fcinfo, argument, "min_units",
				   "Leave it out: it is the number of sessions below which an arm is not measured.");
	least = PG_GETARG_INT32(argument);
	if (least < TW_LEAST_MEASURED_FROM)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("min_units must be at least %d", TW_LEAST_MEASURED_FROM),
				 errdetail("It is %d.", least),
				 errhint("It is the number of sessions below which an arm is not measured: leave it out for %d.",
						 TW_MEASURED_FROM)));
	return least;
}

static double
effect_argument(FunctionCallInfo fcinfo, int argument)
{
	double		effect;

	tw_refuse_null(fcinfo, argument, "design_effect", "It is 1 where each session is in one step only.");
	effect = PG_GETARG_FLOAT8(argument);
	if (!(effect >= 1 && effect <= 1e6))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("design_effect must be from 1 to 1e6"),
				 errdetail("It is %g.", effect),
				 errhint("It is 1 where each session is in one step only.")));
	return effect;
}

static const char *
verdict(const TwComparison *result, double margin)
{
	if (result->upper < 0)
		return "worse";
	if (result->lower > 0)
		return "better";
	return result->lower > -margin ? "non-inferior" : "undecided";
}

PG_FUNCTION_INFO_V1(tw_measured_from);

/* tw_measured_from(): the constant, for SQL. */
Datum
tw_measured_from(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(TW_MEASURED_FROM);
}

Datum
tw_sequential_comparison(PG_FUNCTION_ARGS)
{
	int			count;
	TwStepSums *steps = read_steps(fcinfo, &count);
	double		alpha = tw_probability_argument(fcinfo, 12, "alpha", 0.5,
												"It is the probability of an error that is accepted, such as 0.05.");
	double		margin = margin_argument(fcinfo, 13);
	int32		least = min_units_argument(fcinfo, 14);
	TwComparison result;
	TupleDesc	desc;
	Datum		values[7];
	bool		nulls[7] = {false};
	bool		measured;
	double		effect;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "sequential_comparison returns no row");
	effect = effect_argument(fcinfo, 15);
	tw_compare_arms(steps, count, alpha, effect, &result);
	measured = result.canary_units >= least && result.production_units >= least;
	values[0] = Float8GetDatum(result.canary_rate);
	values[1] = Float8GetDatum(result.production_rate);
	values[2] = Float8GetDatum(result.difference);
	nulls[0] = nulls[1] = nulls[2] = isnan(result.difference);
	values[3] = Float8GetDatum(result.lower);
	values[4] = Float8GetDatum(result.upper);
	values[5] = Float8GetDatum(measured ? tw_minimum_detectable_loss(steps, count, alpha, effect) : 0);
	nulls[3] = nulls[4] = nulls[5] = !measured;
	values[6] = CStringGetTextDatum(measured ? verdict(&result, margin) : "not measured");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
