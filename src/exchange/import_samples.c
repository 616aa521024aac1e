/*
 * import_samples.c
 *		import_training_samples(): stores labelled texts from outside as samples.
 *
 * All lines are read first, so that an invalid line costs no write. Then one
 * query of the stored samples of the same texts finds which lines are new, and
 * a few statements over arrays store those. Lines that change stored samples
 * lock these first, and look again.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/catalog.h"
#include "base/excerpt.h"
#include "base/kept_plan.h"
#include "base/null_argument.h"
#include "base/progress.h"
#include "base/retired.h"
#include "exchange/import_samples.h"
#include "exchange/import_store.h"
#include "exchange/import_values.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "rules/intent_names.h"
#include "rules/settings.h"
#include "utils/builtins.h"

/* Concurrent imports would not see each other's samples. Capture and reviews are not blocked. */
static void
lock_out_imports(Oid schema)
{
	static TwKeptPlan kept;

	/* tw_lock() in SQL, since its error names the holder of the lock. */
	if (SPI_execute_plan(tw_kept_plan(&kept, schema, "SELECT %1$s.tw_lock('splits'::text, 0::bigint)", 0, NULL),
						 NULL, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not lock out other imports");
}

/* Adds the stored samples that lines change to those to lock. */
static void
collect_rows_to_lock(TwImport *import)
{
	import->locked = NULL;
	for (int64 i = 0; i < import->input.count; i++)
	{
		const TwImportLine *line = &import->input.lines[i];
		TwKnownText *known;

		CHECK_FOR_INTERRUPTS();
		if (!tw_has_stored(import, import->hashes[i]))
			continue;
		known = tw_text_of_line(import, line, import->hashes[i]);
		if (known->is_locked || !tw_line_changes_samples(import, known, tw_label_of_line(known, line), line))
			continue;
		known->is_locked = true;
		for (TwKnownLabel *label = known->labels; label != NULL; label = label->next)
		{
			tw_add_ids(&import->locked, label->people);
			tw_add_ids(&import->locked, label->models);
			tw_add_ids(&import->locked, label->waiting);
			tw_add_ids(&import->locked, label->undecided);
		}
	}
}

/*
 * Reads what is stored of the texts. What the lines change is locked, and read
 * again: a verdict may have changed it meanwhile.
 */
static void
look_up_and_lock(TwImport *import)
{
	int64		locked = 0;

	/* What a third look finds, a verdict has just made: the updates wait for it. */
	for (int look = 1; look <= 3; look++)
	{
		tw_look_up_samples(import);
		if (!import->any_stored)
			return;
		collect_rows_to_lock(import);
		if (import->locked == NULL || import->locked->nelems == locked)
			return;
		locked = import->locked->nelems;
		tw_lock_import_rows(import);
	}
}

/* Under on_conflict newest, the last line of each text with a person's label. */
static void
find_newest_lines(TwImport *import)
{
	if (import->on_conflict != TW_CONFLICT_NEWEST)
		return;
	for (int64 i = 0; i < import->input.count; i++)
	{
		TwImportLine *line = &import->input.lines[i];

		CHECK_FOR_INTERRUPTS();
		if (tw_line_is_persons(line))
			tw_text_of_line(import, line, import->hashes[i])->newest = line;
	}
}

/* A former name of an intent is taken for the current one. */
static void
resolve_intents(TwImport *import)
{
	if (!tw_has_intent_aliases(import->schema))
		return;
	for (int64 i = 0; i < import->input.count; i++)
	{
		NullableDatum *intent = &import->input.lines[i].values[TW_IMPORT_INTENT];

		CHECK_FOR_INTERRUPTS();
		intent->value = tw_current_intent_datum(import->schema, intent->value);
	}
}

static void
import_lines(TwImport *import)
{
	lock_out_imports(import->schema);
	tw_note_progress(TW_WORK_IMPORT, 0, 0, import->input.count);
	resolve_intents(import);
	tw_hash_import_texts(import);
	look_up_and_lock(import);
	find_newest_lines(import);
	for (int64 i = 0; i < import->input.count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i % 1000 == 0)
			tw_note_progress(TW_WORK_IMPORT, 0, i, import->input.count);
		tw_decide_line(import, &import->input.lines[i], import->hashes[i]);
	}
	tw_change_samples(import);
	tw_store_import_lines(import->schema, import->source, &import->input);
	tw_queue_lines(import);
	tw_end_progress();
}

/* The arguments of import_training_samples(). */
enum
{
	ARG_DATA,
	ARG_SOURCE,
	ARG_IGNORE_UNKNOWN_KEYS,
	ARG_FORMAT,
	ARG_ON_CONFLICT,
	ARG_LABEL_SOURCE,
	ARG_BAD_LINES,
	ARG_COLUMNS,
	ARGUMENTS
};

/* The position of a word among `choices`, which ends with NULL. */
static int
choose(FunctionCallInfo fcinfo, int argument, const char *name, const char *const *choices)
{
	char	   *given = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; choices[i] != NULL; i++)
	{
		if (strcmp(given, choices[i]) == 0)
			return i;
		appendStringInfo(&list, "%s%s", i == 0 ? "" : ", ", choices[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s cannot be \"%s\"", name, tw_excerpt(given)),
			 errhint("It is one of: %s.", list.data)));
}

static void
check_arguments(FunctionCallInfo fcinfo)
{
	static const char has_default[] = "Leave it out to have its default.";
	char	   *source;

	/* Called by the SQL of an older version. */
	if (PG_NARGS() != ARGUMENTS)
		tw_update_first();
	tw_refuse_null(fcinfo, ARG_DATA, "data", "Pass the data to import as one text; an empty one holds nothing.");
	tw_refuse_null(fcinfo, ARG_SOURCE, "source", has_default);
	tw_refuse_null(fcinfo, ARG_IGNORE_UNKNOWN_KEYS, "ignore_unknown_keys", has_default);
	tw_refuse_null(fcinfo, ARG_FORMAT, "format", has_default);
	tw_refuse_null(fcinfo, ARG_ON_CONFLICT, "on_conflict", has_default);
	tw_refuse_null(fcinfo, ARG_LABEL_SOURCE, "label_source", has_default);
	tw_refuse_null(fcinfo, ARG_BAD_LINES, "bad_lines", has_default);
	source = text_to_cstring(PG_GETARG_TEXT_PP(ARG_SOURCE));
	if (strcmp(source, "synthetic") != 0 && strcmp(source, "manual") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("samples cannot be imported with the source \"%s\"", tw_excerpt(source)),
				 strcmp(source, "production") == 0 ? errdetail("Production samples come from conversations.") : 0,
				 errhint("The sources are: synthetic, manual.")));
}

/* Lines that do not say whose label they have, have that of the file. */
static void
fill_label_source(TwImportLines *input, Datum label_source)
{
	for (int64 i = 0; i < input->count; i++)
	{
		NullableDatum *value = &input->lines[i].values[TW_IMPORT_LABEL_SOURCE];

		if (value->isnull)
			*value = (NullableDatum) {label_source, false};
	}
}

/* The argument label_source, as samples have it. */
static Datum
read_label_source(FunctionCallInfo fcinfo)
{
	char	   *given = text_to_cstring(PG_GETARG_TEXT_PP(ARG_LABEL_SOURCE));
	const char *source = tw_canonical_label_source(given);

	if (source == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("label_source cannot be \"%s\"", tw_excerpt(given)),
				 errhint("It is human where people gave or checked the labels, model where a model or program did.")));
	return CStringGetTextDatum(source);
}

/* Reads the lines of the data, in its format. */
static TwImportLines
read_data(FunctionCallInfo fcinfo, Oid schema)
{
	static const char *const bad_lines[] = {"refuse", "skip", NULL};
	TwSettings	settings = tw_settings(schema);
	TwImportOptions options = {0};

	options.ignore_unknown_keys = PG_GETARG_BOOL(ARG_IGNORE_UNKNOWN_KEYS);
	options.skip_bad_lines = choose(fcinfo, ARG_BAD_LINES, "bad_lines", bad_lines) == 1;
	options.redact = settings.redact;
	options.redact_locations = settings.redact_locations;
	options.max_bytes = settings.max_message_bytes;
	options.format = text_to_cstring(PG_GETARG_TEXT_PP(ARG_FORMAT));
	options.columns = PG_ARGISNULL(ARG_COLUMNS) ? NULL : PG_GETARG_JSONB_P(ARG_COLUMNS);
	tw_check_import_options(&options);
	return tw_read_import_lines(PG_GETARG_TEXT_PP(ARG_DATA), &options);
}

PG_FUNCTION_INFO_V1(tw_import_training_samples);

/* import_training_samples(data, source, ignore_unknown_keys, format, on_conflict, label_source, bad_lines, columns) */
Datum
tw_import_training_samples(PG_FUNCTION_ARGS)
{
	static const char *const on_conflict[] = {"review", "newest", "keep", NULL};
	TwImport   *import = palloc0(sizeof(TwImport));
	TwImportArguments arguments;
	TupleDesc	desc;
	Datum		values[TW_IMPORT_OUTCOMES + 1];
	bool		nulls[TW_IMPORT_OUTCOMES + 1] = {false};

	check_arguments(fcinfo);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	arguments.source = import->source = PointerGetDatum(PG_GETARG_TEXT_PP(ARG_SOURCE));
	arguments.on_conflict = PointerGetDatum(PG_GETARG_TEXT_PP(ARG_ON_CONFLICT));
	arguments.label_source = read_label_source(fcinfo);
	arguments.bad_lines = PointerGetDatum(PG_GETARG_TEXT_PP(ARG_BAD_LINES));
	import->schema = tw_schema_of_function(fcinfo);
	import->on_conflict = choose(fcinfo, ARG_ON_CONFLICT, "on_conflict", on_conflict);
	import->input = read_data(fcinfo, import->schema);
	arguments.format = import->input.format == NULL ? PointerGetDatum(PG_GETARG_TEXT_PP(ARG_FORMAT)) :
		CStringGetTextDatum(import->input.format);
	fill_label_source(&import->input, arguments.label_source);

	SPI_connect();
	tw_begin_import_record(import);
	if (import->input.count > 0)
		import_lines(import);
	tw_record_import(import, &arguments);
	SPI_finish();

	for (int i = 0; i < TW_IMPORT_OUTCOMES; i++)
		values[i] = Int64GetDatum(import->counts[i]);
	values[TW_IMPORT_OUTCOMES] = Int64GetDatum(import->id);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
