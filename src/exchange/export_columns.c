/*
 * export_columns.c
 *		The columns of training_samples that exports read, and the current
 *		sample's values of them.
 */
#include "postgres.h"

#include "base/compat.h"
#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "exchange/export_samples.h"
#include "privacy/redact.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

const TwExportColumnDefinition tw_export_columns[TW_EXPORT_TABLE_COLUMNS] = {
	[TW_EXPORT_ID] = {"id", INT8OID},
	[TW_EXPORT_CONVERSATION_LOG_ID] = {"conversation_log_id", INT8OID},
	[TW_EXPORT_TEXT] = {"text", TEXTOID},
	[TW_EXPORT_INTENT] = {"intent", TEXTOID},
	[TW_EXPORT_MODULE_ID] = {"module_id", INT4OID},
	[TW_EXPORT_MODULE_TYPE] = {"module_type", TEXTOID},
	[TW_EXPORT_ENTITIES] = {"entities", JSONBOID},
	[TW_EXPORT_LANGUAGE] = {"language", TEXTOID},
	[TW_EXPORT_EXPECTED_SERVICE] = {"expected_service", TEXTOID},
	[TW_EXPORT_REVIEW_STATUS] = {"review_status", TEXTOID},
	[TW_EXPORT_LABEL_SOURCE] = {"label_source", TEXTOID},
	[TW_EXPORT_REVIEWED_BY] = {"reviewed_by", TEXTOID},
	[TW_EXPORT_REVIEWED_AT] = {"reviewed_at", TIMESTAMPTZOID},
	[TW_EXPORT_SOURCE] = {"source", TEXTOID},
	[TW_EXPORT_SPLIT] = {"split", TEXTOID},
	[TW_EXPORT_SELECTION_PROBABILITY] = {"selection_probability", FLOAT8OID},
	[TW_EXPORT_QUALITY_SCORE] = {"quality_score", FLOAT8OID},
	[TW_EXPORT_MODEL_VERSION_TARGET] = {"model_version_target", TEXTOID},
	[TW_EXPORT_CREATED_AT] = {"created_at", TIMESTAMPTZOID},
	[TW_EXPORT_UPDATED_AT] = {"updated_at", TIMESTAMPTZOID},
	[TW_EXPORT_PENDING_REASON] = {"pending_reason", TEXTOID},
};

/* Whether the column of the current sample is not NULL. */
bool
tw_export_has(const TwExport *export, TwExportColumn column)
{
	return !export->sample[column].isnull;
}

/* A text column of the current sample, which must not be NULL; redacted if the export redacts. */
TwSlice
tw_export_text(TwExport *export, TwExportColumn column)
{
	return tw_text_slice(export->sample[column].value, false);
}

char *
tw_export_cstring(TwExport *export, TwExportColumn column)
{
	TwSlice		text = tw_export_text(export, column);

	return pnstrdup(text.data, text.length);
}

/* The entities of the current sample, which must not be NULL; redacted if the export redacts. */
Jsonb *
tw_export_entities(TwExport *export)
{
	NullableDatum *value = &export->sample[TW_EXPORT_ENTITIES];
	Jsonb	   *entities = DatumGetJsonbP(value->value);

	if (export->redact)
		entities = tw_redact_jsonb(entities, export->redact_locations);
	return entities;
}

/* Whether import_training_samples() can read the time: neither infinite nor with a year of other than four digits. */
bool
tw_export_is_iso_time(Datum value)
{
	struct pg_tm tm;
	fsec_t		fraction;

	return !TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(value)) &&
		timestamp2tm(DatumGetTimestampTz(value), NULL, &tm, &fraction, NULL, NULL) == 0 &&
		tm.tm_year >= 1 && tm.tm_year <= 9999;
}

/* Appends a value without quotes: a number, a boolean, or a time, which is in UTC in every session. */
void
tw_export_append_plain(TwExport *export, TwExportColumn column)
{
	Datum		value = export->sample[column].value;
	int			utc = 0;
	char		buffer[MAXDATELEN + 1];

	switch (tw_export_columns[column].type)
	{
		case INT4OID:
			appendStringInfo(&export->line, "%d", DatumGetInt32(value));
			break;
		case INT8OID:
			appendStringInfo(&export->line, INT64_FORMAT, DatumGetInt64(value));
			break;
		case FLOAT8OID:
			/* Not float8out(), which depends on extra_float_digits. */
			double_to_shortest_decimal_buf(DatumGetFloat8(value), buffer);
			appendStringInfoString(&export->line, buffer);
			break;
		case TIMESTAMPTZOID:
			JsonEncodeDateTime(buffer, value, TIMESTAMPTZOID, &utc);
			appendStringInfoString(&export->line, buffer);
			break;
		case JSONBOID:
			JsonbToCString(&export->line, &tw_export_entities(export)->root, 64);
			break;
		default:
			elog(ERROR, "column %d of an export is quoted", (int) column);
	}
}
