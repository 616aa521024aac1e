/*
 * train_router.c
 *		tw_train_router(): the SQL interface of the trainer.
 */
#include "postgres.h"

#include <float.h>

#include "base/compat.h"
#include "base/progress.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "model/train.h"
#include "utils/array.h"
#include "utils/builtins.h"

/* One array argument, deconstructed. */
typedef struct Elements
{
	Datum	   *values;
	bool	   *nulls;
	int			count;
} Elements;

static Elements
elements_of(FunctionCallInfo fcinfo, int argument, Oid type)
{
	Elements	elements = {NULL, NULL, 0};
	ArrayType  *array;

	if (PG_ARGISNULL(argument))
		return elements;
	array = PG_GETARG_ARRAYTYPE_P(argument);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("the arrays must have one dimension")));
	if (type == FLOAT8OID)
		deconstruct_array(array, FLOAT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
						  &elements.values, &elements.nulls, &elements.count);
	else
		deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT,
						  &elements.values, &elements.nulls, &elements.count);
	return elements;
}

static int
compare_labels(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* The distinct intents, sorted. */
static int
collect_labels(Elements intents, const char ***labels)
{
	const char **all = palloc_extended(sizeof(char *) * Max(intents.count, 1), MCXT_ALLOC_HUGE);
	int			count = 0;

	for (int i = 0; i < intents.count; i++)
		all[i] = TextDatumGetCString(intents.values[i]);
	qsort(all, intents.count, sizeof(char *), compare_labels);
	for (int i = 0; i < intents.count; i++)
	{
		if (count == 0 || strcmp(all[count - 1], all[i]) != 0)
			all[count++] = all[i];
	}
	*labels = all;
	return count;
}

static int
label_of(const TwTrainingSet *set, Datum intent)
{
	const char *name = TextDatumGetCString(intent);
	const char **found = bsearch(&name, set->labels, set->label_count, sizeof(char *), compare_labels);

	return (int) (found - set->labels);
}

typedef struct LabelledModule
{
	int			label;
	const char *module;
} LabelledModule;

static int
compare_modules(const void *a, const void *b)
{
	const LabelledModule *first = a;
	const LabelledModule *second = b;

	if (first->label != second->label)
		return first->label - second->label;
	return strcmp(first->module, second->module);
}

/*
 * The module of each intent: the one that most of its rows name. Of equally frequent ones the first by strcmp, so that
 * the order of the rows does not matter.
 */
static void
choose_modules(TwTrainingSet *set, Elements modules)
{
	LabelledModule *named = palloc_extended(sizeof(LabelledModule) * Max(modules.count, 1), MCXT_ALLOC_HUGE);
	int		   *frequencies = palloc0(sizeof(int) * set->label_count);
	int			count = 0;

	set->modules = palloc0(sizeof(char *) * set->label_count);
	for (int i = 0; i < modules.count; i++)
	{
		if (!modules.nulls[i])
			named[count++] = (LabelledModule) {set->rows[i].label, TextDatumGetCString(modules.values[i])};
	}
	qsort(named, count, sizeof(LabelledModule), compare_modules);
	for (int i = 0, start = 0; i < count; i++)
	{
		int			label = named[i].label;

		if (compare_modules(&named[i], &named[start]) != 0)
			start = i;
		if (i - start + 1 > frequencies[label])
		{
			frequencies[label] = i - start + 1;
			set->modules[label] = named[i].module;
		}
	}
}

/* Reads and checks the rows of the arguments. */
static TwTrainingSet
read_rows(FunctionCallInfo fcinfo)
{
	Elements	texts = elements_of(fcinfo, 0, TEXTOID);
	Elements	intents = elements_of(fcinfo, 1, TEXTOID);
	Elements	modules = elements_of(fcinfo, 2, TEXTOID);
	Elements	weights = elements_of(fcinfo, 3, FLOAT8OID);
	TwTrainingSet set = {0};

	if (intents.count != texts.count || modules.count != texts.count || weights.count != texts.count)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("texts, intents, modules and weights must have the same length")));
	for (int i = 0; i < texts.count; i++)
	{
		if (texts.nulls[i] || intents.nulls[i] || weights.nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("a text, an intent or a weight must not be NULL")));
		/* The trainer takes weights as float. */
		if (!(DatumGetFloat8(weights.values[i]) >= FLT_MIN && DatumGetFloat8(weights.values[i]) <= FLT_MAX))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a weight must be a positive number")));
	}

	set.label_count = collect_labels(intents, &set.labels);
	if (set.label_count < 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is nothing to learn"),
				 errdetail("The rows have %d different intents.", set.label_count),
				 errhint("A classifier needs at least two.")));
	set.row_count = texts.count;
	set.rows = palloc_extended(sizeof(TwTrainingRow) * texts.count, MCXT_ALLOC_HUGE);
	for (int i = 0; i < texts.count; i++)
	{
		text	   *value = DatumGetTextPP(texts.values[i]);

		set.rows[i].text = VARDATA_ANY(value);
		set.rows[i].length = VARSIZE_ANY_EXHDR(value);
		set.rows[i].label = label_of(&set, intents.values[i]);
		set.rows[i].weight = (float) DatumGetFloat8(weights.values[i]);
	}
	choose_modules(&set, modules);
	return set;
}

/* One line for each phase, for a person at a prompt. */
static void
report_progress(const char *phase, int done, int total, void *arg)
{
	const char **last = arg;

	tw_note_progress(TW_WORK_TRAINING, 0, done, total);
	if (*last != NULL && strcmp(*last, phase) == 0)
		return;
	*last = phase;
	ereport(NOTICE, (errmsg("training: %s", phase)));
}

PG_FUNCTION_INFO_V1(tw_train_router_sql);

/* tw_train_router(texts, intents, modules, weights) */
Datum
tw_train_router_sql(PG_FUNCTION_ARGS)
{
	TwTrainingSet set = read_rows(fcinfo);
	TwTrainingReport report = {0};
	const char *phase = NULL;
	TupleDesc	desc;
	Datum		values[8];
	bool		nulls[8] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = PointerGetDatum(tw_train_router(&set, report_progress, &phase, &report));
	tw_end_progress();
	values[1] = Float8GetDatum(report.temperature);
	values[2] = Float8GetDatum(report.training_accuracy);
	values[3] = Int32GetDatum(report.held_out);
	values[4] = Float8GetDatum(report.held_out_accuracy);
	nulls[4] = report.held_out == 0;
	values[5] = Int32GetDatum(report.feature_count);
	values[6] = Float8GetDatum(report.cpu_seconds);
	values[7] = Int64GetDatum((int64) report.peak_bytes);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
