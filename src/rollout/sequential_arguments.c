/*
 * sequential_arguments.c
 *		Arrays with an element for each rollout step, as arguments.
 */
#include "postgres.h"

#include <math.h>

#include "base/null_argument.h"
#include "catalog/pg_type.h"
#include "rollout/sequential_arguments.h"
#include "utils/array.h"

/* The array's elements, without NULLs. Sets *count to their number if it is negative, else requires that number. */
Datum *
tw_step_array(FunctionCallInfo fcinfo, int argument, const char *name, Oid type, int *count)
{
	ArrayType  *array;
	Datum	   *elements;
	bool	   *nulls;
	int			number;

	tw_refuse_null(fcinfo, argument, name, "Where nothing is known yet, it is empty.");
	array = PG_GETARG_ARRAYTYPE_P(argument);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must have one dimension", name),
				 errdetail("It has %d.", ARR_NDIM(array)),
				 errhint("Each array has one element for each step of the rollout.")));
	/* Both element types that callers use have eight bytes. */
	Assert(type == FLOAT8OID || type == INT8OID);
	deconstruct_array(array, type, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elements, &nulls, &number);
	for (int i = 0; i < number; i++)
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not have NULL elements", name),
					 errdetail("Element %d is NULL.", i + 1),
					 errhint("A step without sessions has 0 in each array.")));
	if (*count >= 0 && number != *count)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the arrays must have the same length"),
				 errdetail("The length of %s is %d, that of the arrays before it %d.", name, number, *count),
				 errhint("Each array has one element for each step of the rollout.")));
	*count = number;
	return elements;
}

/* A number above 0 and at most `greatest`. */
double
tw_probability_argument(FunctionCallInfo fcinfo, int argument, const char *name, double greatest, const char *hint)
{
	double		value;

	tw_refuse_null(fcinfo, argument, name, hint);
	value = PG_GETARG_FLOAT8(argument);
	if (!(value >= 1e-100 && value <= greatest))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be above 0 and at most %g", name, greatest),
				 errdetail("It is %g.", value),
				 errhint("%s", hint)));
	return value;
}
