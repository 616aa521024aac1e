/*
 * export_json.c
 *		Formats with a JSON object a line: jsonl, huggingface, openai, spacy.
 *
 * Strings are PostgreSQL's escape_json(), entities what jsonb prints, numbers
 * and times what to_json() would write. What is put together here is the frame
 * around them: json_build_object() cannot leave absent values out.
 */
#include "postgres.h"

#include "base/compat.h"
#include "catalog/pg_type.h"
#include "exchange/export_spans.h"
#include "utils/json.h"

/* The keys that import_training_samples() reads, in the order of its documentation. */
static const TwExportColumn jsonl_keys[] = {
	TW_EXPORT_TEXT, TW_EXPORT_INTENT, TW_EXPORT_LANGUAGE, TW_EXPORT_ENTITIES, TW_EXPORT_MODULE_ID,
	TW_EXPORT_MODULE_TYPE,
	TW_EXPORT_EXPECTED_SERVICE, TW_EXPORT_SPLIT, TW_EXPORT_LABEL_SOURCE, TW_EXPORT_QUALITY_SCORE, TW_EXPORT_CREATED_AT
};

/* The system message of an "openai" line. */
#define SYSTEM_MESSAGE "Answer with the intent of the message and its entities, if there are any, as JSON."

static void
append_text(TwExport *export, TwExportColumn column)
{
	escape_json(&export->line, tw_export_cstring(export, column));
}

static void
append_jsonl_value(TwExport *export, TwExportColumn column)
{
	switch (tw_export_columns[column].type)
	{
		case TEXTOID:
			append_text(export, column);
			break;
		case TIMESTAMPTZOID:
			appendStringInfoChar(&export->line, '"');
			tw_export_append_plain(export, column);
			appendStringInfoChar(&export->line, '"');
			break;
		default:
			tw_export_append_plain(export, column);
			break;
	}
}

/* Entities that are numbers or strings count as absent: import_training_samples() would refuse them. */
static bool
is_absent(TwExport *export, TwExportColumn column)
{
	if (!tw_export_has(export, column))
		return true;
	if (column == TW_EXPORT_ENTITIES)
		return JB_ROOT_IS_SCALAR(tw_export_entities(export));
	return column == TW_EXPORT_CREATED_AT && !tw_export_is_iso_time(export->sample[column].value);
}

static void
write_jsonl(TwExport *export)
{
	char		before = '{';

	for (size_t i = 0; i < lengthof(jsonl_keys); i++)
	{
		if (is_absent(export, jsonl_keys[i]))
			continue;
		appendStringInfo(&export->line, "%c\"%s\":", before, tw_export_columns[jsonl_keys[i]].name);
		append_jsonl_value(export, jsonl_keys[i]);
		before = ',';
	}
	appendStringInfoChar(&export->line, '}');
	tw_export_end_line(export);
}

/* Every line has every key: some readers take the keys from the first lines only. */
static void
write_huggingface(TwExport *export)
{
	TwEntitySpan *spans;
	int			count = tw_export_spans(export, &spans);

	appendStringInfoString(&export->line, "{\"text\":");
	append_text(export, TW_EXPORT_TEXT);
	appendStringInfoString(&export->line, ",\"label\":");
	append_text(export, TW_EXPORT_INTENT);
	appendStringInfoString(&export->line, ",\"entities\":[");
	for (int i = 0; i < count; i++)
	{
		appendStringInfo(&export->line, "%s{\"start\":%d,\"end\":%d,\"label\":", i == 0 ? "" : ",", spans[i].start,
						 spans[i].end);
		escape_json(&export->line, spans[i].label);
		appendStringInfoChar(&export->line, '}');
	}
	appendStringInfoString(&export->line, "]}");
	tw_export_end_line(export);
}

static void
write_openai(TwExport *export)
{
	StringInfoData answer;

	initStringInfo(&answer);
	appendStringInfoString(&answer, "{\"intent\":");
	escape_json(&answer, tw_export_cstring(export, TW_EXPORT_INTENT));
	if (tw_export_has(export, TW_EXPORT_ENTITIES))
	{
		Jsonb	   *entities = tw_export_entities(export);

		if (!JB_ROOT_IS_SCALAR(entities) && JB_ROOT_COUNT(entities) > 0)
		{
			appendStringInfoString(&answer, ",\"entities\":");
			JsonbToCString(&answer, &entities->root, VARSIZE(entities));
		}
	}
	appendStringInfoChar(&answer, '}');

	appendStringInfoString(&export->line, "{\"messages\":[{\"role\":\"system\",\"content\":\"" SYSTEM_MESSAGE "\"},"
						   "{\"role\":\"user\",\"content\":");
	append_text(export, TW_EXPORT_TEXT);
	appendStringInfoString(&export->line, "},{\"role\":\"assistant\",\"content\":");
	escape_json(&export->line, answer.data);
	appendStringInfoString(&export->line, "}]}");
	tw_export_end_line(export);
}

static void
write_spacy(TwExport *export)
{
	TwEntitySpan *spans;
	int			count = tw_export_flat_spans(export, &spans);

	appendStringInfoString(&export->line, "{\"text\":");
	append_text(export, TW_EXPORT_TEXT);
	appendStringInfoString(&export->line, ",\"cats\":{");
	append_text(export, TW_EXPORT_INTENT);
	appendStringInfoString(&export->line, ":1.0},\"entities\":[");
	for (int i = 0; i < count; i++)
	{
		appendStringInfo(&export->line, "%s[%d,%d,", i == 0 ? "" : ",", spans[i].start, spans[i].end);
		escape_json(&export->line, spans[i].label);
		appendStringInfoChar(&export->line, ']');
	}
	appendStringInfoString(&export->line, "]}");
	tw_export_end_line(export);
}

const TwExportFormat tw_export_jsonl = {.name = "jsonl", .sample = write_jsonl};
const TwExportFormat tw_export_huggingface = {.name = "huggingface", .wants_spans = true, .sample = write_huggingface};
const TwExportFormat tw_export_openai = {.name = "openai", .sample = write_openai};
const TwExportFormat tw_export_spacy = {.name = "spacy", .wants_spans = true, .sample = write_spacy};
