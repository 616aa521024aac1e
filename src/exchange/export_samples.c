/*
 * export_samples.c
 *		Writes training samples as lines: checks the arguments, runs the query,
 *		and has the functions that all formats use.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/catalog.h"
#include "base/kept_plan.h"
#include "base/progress.h"
#include "catalog/pg_type.h"
#include "exchange/export_samples.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "privacy/redact.h"
#include "rules/settings.h"
#include "tcop/dest.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

/* The first arguments of every export function, in this order. */
enum
{
	ARG_REVIEW_STATUS,
	ARG_LANGUAGES,
	ARG_MODULE_TYPES,
	ARG_SOURCES,
	ARG_SINCE,
	ARG_LIMIT,
	ARG_FORMAT,
	ARG_INCLUDE_SPLIT,
	ARGS
};

/* Of the query's parameters: those of the function, but for the statuses. */
static const Oid parameter_types[ARGS] = {
	TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID, INT8OID, TEXTOID, TEXTOID
};

static const char *const sources[] = {"production", "synthetic", "manual", NULL};
static const char *const splits[] = {"train", "test", "all", NULL};

static const TwExportFormat *const formats[] = {
	&tw_export_jsonl, &tw_export_csv, &tw_export_fasttext, &tw_export_rasa, &tw_export_huggingface, &tw_export_openai,
	&tw_export_spacy
};

/* Receives the samples from the executor. */
typedef struct SampleReceiver
{
	DestReceiver pub;
	TwExport   *export;
	MemoryContext scratch;		/* reset after each sample */
} SampleReceiver;

static char *
text_argument(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

static const TwExportFormat *
format_argument(FunctionCallInfo fcinfo)
{
	const char *names[lengthof(formats) + 1] = {NULL};
	char	   *wanted = text_argument(fcinfo, ARG_FORMAT);

	for (size_t i = 0; i < lengthof(formats); i++)
	{
		if (wanted != NULL && strcmp(wanted, formats[i]->name) == 0)
			return formats[i];
		names[i] = formats[i]->name;
	}
	(void) tw_export_check_word("format", wanted, names);
	return NULL;				/* keep compiler quiet */
}

/* Which splits are exported: "all", or one of them. */
static const char *
split_argument(FunctionCallInfo fcinfo)
{
	return tw_export_check_word("include_split", text_argument(fcinfo, ARG_INCLUDE_SPLIT), splits);
}

/* Raises 22023 for an invalid argument. */
void
tw_export_check(FunctionCallInfo fcinfo)
{
	format_argument(fcinfo);
	(void) split_argument(fcinfo);
	if (!PG_ARGISNULL(ARG_REVIEW_STATUS))
		(void) tw_export_statuses(PG_GETARG_TEXT_PP(ARG_REVIEW_STATUS));
	if (!PG_ARGISNULL(ARG_SOURCES))
	{
		Datum	   *values;
		bool	   *nulls;
		int			count;

		deconstruct_array(PG_GETARG_ARRAYTYPE_P(ARG_SOURCES), TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls,
						  &count);
		for (int i = 0; i < count; i++)
			(void) tw_export_check_word("source", nulls[i] ? NULL : TextDatumGetCString(values[i]), sources);
	}
	if (!PG_ARGISNULL(ARG_LIMIT) && PG_GETARG_INT64(ARG_LIMIT) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("limit must not be negative"),
				 errhint("Pass how many samples to export at most, or NULL for all of them.")));
}

/* Passes the finished line to put_line and begins the next one. */
void
tw_export_end_line(TwExport *export)
{
	export->put_line(export, export->line.data, export->line.len);
	resetStringInfo(&export->line);
}

static bool
receive_sample(TupleTableSlot *slot, DestReceiver *self)
{
	SampleReceiver *receiver = (SampleReceiver *) self;
	TwExport   *export = receiver->export;
	MemoryContext caller = MemoryContextSwitchTo(receiver->scratch);
	NullableDatum *message = &export->sample[TW_EXPORT_TEXT];

	CHECK_FOR_INTERRUPTS();
	slot_getallattrs(slot);
	for (int i = 0; i < TW_EXPORT_COLUMNS; i++)
		export->sample[i] = (NullableDatum) {slot->tts_values[i], slot->tts_isnull[i]};
	/* Detoasted and redacted once, not at each use. */
	message->value = PointerGetDatum(DatumGetTextPP(message->value));
	if (export->redact)
		message->value = PointerGetDatum(tw_redact(DatumGetTextPP(message->value), export->redact_locations));
	export->format->sample(export);
	export->rows++;
	if (export->rows % 1000 == 0)
		tw_note_progress(TW_WORK_EXPORT, 0, export->rows, export->expected);

	MemoryContextSwitchTo(caller);
	MemoryContextReset(receiver->scratch);
	return true;
}

static void
ignore_startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
ignore(DestReceiver *self)
{
}

/* Appends a condition: the column is one of the elements of an array argument; a NULL element matches NULL. */
static void
append_choice(StringInfo query, FunctionCallInfo fcinfo, int argument, const char *column)
{
	if (!PG_ARGISNULL(argument))
		appendStringInfo(query, " AND (s.%1$s = ANY ($%2$d) OR s.%1$s IS NULL AND array_position($%2$d, NULL) IS NOT "
						 "NULL)",
						 column, argument + 1);
}

static void
append_filter(StringInfo query, FunctionCallInfo fcinfo)
{
	if (strcmp(split_argument(fcinfo), "all") != 0)
		appendStringInfo(query, " AND s.split = $%d", ARG_INCLUDE_SPLIT + 1);
	if (!PG_ARGISNULL(ARG_REVIEW_STATUS))
		appendStringInfo(query, " AND s.review_status = ANY ($%d)", ARG_REVIEW_STATUS + 1);
	append_choice(query, fcinfo, ARG_LANGUAGES, "language");
	append_choice(query, fcinfo, ARG_MODULE_TYPES, "module_type");
	append_choice(query, fcinfo, ARG_SOURCES, "source");
	if (!PG_ARGISNULL(ARG_SINCE))
		appendStringInfo(query, " AND greatest(s.created_at, s.reviewed_at) >= $%d", ARG_SINCE + 1);
}

/* All conditions, for the samples that are too long or for the others. */
static void
append_conditions(StringInfo query, FunctionCallInfo fcinfo, const char *schema, bool too_long)
{
	/* The first condition, so that texts that are too long are not detoasted. */
	appendStringInfo(query, " WHERE %s %s.tw_is_too_long(NULL::integer, s.text, s.intent, s.module_type, s.language, "
					 "s.expected_service, s.entities)", too_long ? "" : "NOT", schema);
	/* Blank texts and intents are useless to every tool, and import_training_samples() refuses them. */
	appendStringInfo(query, " AND NOT %1$s.tw_is_blank(s.text) AND NOT %1$s.tw_is_blank(s.intent)", schema);
	append_filter(query, fcinfo);
	/* Also for splits stored by hand: no export of the train split contains a text of the test split. */
	if (strcmp(split_argument(fcinfo), "train") == 0)
		appendStringInfo(query, " AND NOT EXISTS (SELECT FROM %s.training_samples t "
						 "WHERE t.split = 'test' AND t.text_hash = s.text_hash)", schema);
}

/* The limit selects the first samples by id, so that it selects the same samples in every format. */
static char *
build_query(const TwExportFormat *format, FunctionCallInfo fcinfo, Oid schema_id)
{
	const char *schema = quote_identifier(tw_schema_name(schema_id));
	StringInfoData query;
	bool		has_limit = !PG_ARGISNULL(ARG_LIMIT);

	initStringInfo(&query);
	appendStringInfoString(&query, "SELECT ");
	for (int i = 0; i < TW_EXPORT_TABLE_COLUMNS; i++)
		appendStringInfo(&query, "s.%s, ", quote_identifier(tw_export_columns[i].name));
	if (format->wants_spans)
		appendStringInfo(&query, "CASE WHEN jsonb_typeof(s.entities) IN ('array', 'object') AND s.entities NOT IN "
						 "('[]', '{}') THEN %1$s.tw_entity_spans(%1$s.tw_sample_entities(s.entities, s.text), "
						 "char_length(s.text)) END", schema);
	else
		appendStringInfoString(&query, "NULL::jsonb");
	appendStringInfo(&query, " FROM %s%s.training_samples s", has_limit ? "(SELECT s.* FROM " : "", schema);
	append_conditions(&query, fcinfo, schema, false);
	if (has_limit)
		appendStringInfo(&query, " ORDER BY s.id LIMIT $%d) s", ARG_LIMIT + 1);
	appendStringInfoString(&query, format->by_intent ? " ORDER BY s.intent COLLATE \"C\", s.id" : " ORDER BY s.id");
	return query.data;
}

static ParamListInfo
build_params(FunctionCallInfo fcinfo)
{
	ParamListInfo params = makeParamList(ARGS);

	for (int i = 0; i < ARGS; i++)
		params->params[i] = (ParamExternData) {
			.value = PG_GETARG_DATUM(i),
			.isnull = PG_ARGISNULL(i),
			.pflags = PARAM_FLAG_CONST,
			.ptype = parameter_types[i]
		};
	if (!PG_ARGISNULL(ARG_REVIEW_STATUS))
		params->params[ARG_REVIEW_STATUS].value =
			PointerGetDatum(tw_export_statuses(PG_GETARG_TEXT_PP(ARG_REVIEW_STATUS)));
	return params;
}

static int64
count_samples(const char *query, FunctionCallInfo fcinfo)
{
	SPIExecuteOptions options = {.params = build_params(fcinfo)};
	bool		isnull;

	if (tw_execute(query, &options) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "counting samples failed");
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/* Number of selected samples that are too long to be written, regardless of the limit. */
static int64
count_too_long(FunctionCallInfo fcinfo, const char *schema)
{
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT count(*) FROM %s.training_samples s", schema);
	append_conditions(&query, fcinfo, schema, true);
	return count_samples(query.data, fcinfo);
}

/* How many samples will be written, at most: for progress alone, so without the conditions that take time. */
static int64
count_at_most(FunctionCallInfo fcinfo, const char *schema)
{
	StringInfoData query;
	int64		count;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT count(*) FROM %s.training_samples s WHERE true", schema);
	append_filter(&query, fcinfo);
	count = count_samples(query.data, fcinfo);
	return PG_ARGISNULL(ARG_LIMIT) ? count : Min(count, PG_GETARG_INT64(ARG_LIMIT));
}

/*
 * Writes the samples that the first arguments of fcinfo select, to the caller's
 * put_line. The query has a new snapshot, which sees earlier changes of this
 * transaction.
 */
void
tw_export_run(TwExport *export, Oid schema, FunctionCallInfo fcinfo)
{
	SampleReceiver receiver = {
		.pub = {receive_sample, ignore_startup, ignore, ignore, DestTuplestore},
		.export = export
	};
	SPIExecuteOptions options = {.dest = &receiver.pub};
	TwSettings	settings = tw_settings(schema);
	int			result;

	tw_export_check(fcinfo);
	export->format = format_argument(fcinfo);
	export->redact = settings.redact;
	export->redact_locations = settings.redact_locations;
	initStringInfo(&export->line);
	initStringInfo(&export->intent);
	receiver.scratch = AllocSetContextCreate(CurrentMemoryContext, "sample of an export", ALLOCSET_DEFAULT_SIZES);

	if (export->format->begin != NULL)
		export->format->begin(export);
	SPI_connect();
	export->skipped = count_too_long(fcinfo, quote_identifier(tw_schema_name(schema)));
	export->expected = count_at_most(fcinfo, quote_identifier(tw_schema_name(schema)));
	tw_note_progress(TW_WORK_EXPORT, 0, 0, export->expected);
	options.params = build_params(fcinfo);
	result = tw_execute(build_query(export->format, fcinfo, schema), &options);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "reading samples failed: %s", SPI_result_code_string(result));
	SPI_finish();
	tw_end_progress();
	if (export->format->end != NULL)
		export->format->end(export);
	MemoryContextDelete(receiver.scratch);
}

/* An export whose lines are the result of export_training_samples(). */
typedef struct RowsExport
{
	TwExport	export;
	Tuplestorestate *store;
	TupleDesc	desc;
} RowsExport;

static void
put_row(TwExport *export, const char *line, int length)
{
	RowsExport *rows = (RowsExport *) export;
	Datum		value = PointerGetDatum(cstring_to_text_with_len(line, length));
	bool		isnull = false;

	tuplestore_putvalues(rows->store, rows->desc, &value, &isnull);
	pfree(DatumGetPointer(value));
}

/*
 * The first training or export that needs the splits decides them. An export in a read-only transaction or in a
 * transaction of several statements does not: the splits of exported texts could be rolled back, and other sessions
 * would wait for its end.
 */
static void
decide_splits(Oid schema)
{
	SPIExecuteOptions options = {0};

	SPI_connect();
	if (tw_execute(psprintf("SELECT %s.tw_decide_export_splits()", quote_identifier(tw_schema_name(schema))),
				   &options) < 0)
		elog(ERROR, "deciding about splits failed");
	SPI_finish();
}

PG_FUNCTION_INFO_V1(tw_export_training_samples);

/* export_training_samples(...): lines, in a tuplestore that is written to disk beyond work_mem. */
Datum
tw_export_training_samples(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			schema = tw_schema_of_function(fcinfo);
	RowsExport	rows = {.export = {.put_line = put_row}};
	MemoryContext caller;

	if (info == NULL || !IsA(info, ReturnSetInfo) || !(info->allowedModes & SFRM_Materialize))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	tw_export_check(fcinfo);

	caller = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
	rows.store = tuplestore_begin_heap((info->allowedModes & SFRM_Materialize_Random) != 0, false, work_mem);
	rows.desc = CreateTemplateTupleDesc(1);
	TupleDescInitEntry(rows.desc, 1, "line", TEXTOID, -1, 0);
	info->returnMode = SFRM_Materialize;
	info->setResult = rows.store;
	info->setDesc = rows.desc;
	MemoryContextSwitchTo(caller);

	if (strcmp(split_argument(fcinfo), "all") != 0 && !IsTransactionBlock())
		decide_splits(schema);
	tw_export_run(&rows.export, schema, fcinfo);
	if (rows.export.skipped > 0)
		ereport(NOTICE,
				(errmsg_plural("%lld sample is left out: it is too long",
							   "%lld samples are left out: they are too long",
							   (unsigned long) rows.export.skipped, (long long) rows.export.skipped),
				 errhint("Neither text nor intent, entities, module, language or service may have more than "
						 "max_message_bytes.")));
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(tw_check_export);

/* tw_check_export(...): refuses what export_training_samples() would refuse. */
Datum
tw_check_export(PG_FUNCTION_ARGS)
{
	tw_export_check(fcinfo);
	PG_RETURN_VOID();
}
