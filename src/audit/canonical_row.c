/*
 * canonical_row.c
 *		The canonical form of a row, which the audit trail has hashes of, and
 *		the one change that the trail allows: a salt is removed.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "base/catalog.h"
#include "base/kept_plan.h"
#include "base/table_triggers.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

/* The number of bytes, a colon and the bytes: no two lists of values have the same form. */
static void
append_bytes(StringInfo form, const char *bytes, int length)
{
	appendStringInfo(form, "%d:", length);
	appendBinaryStringInfo(form, bytes, length);
}

static void
append_number(StringInfo form, int64 number)
{
	char		digits[32];
	int			length = snprintf(digits, sizeof(digits), INT64_FORMAT, number);

	append_bytes(form, digits, length);
}

/* The bits of a number, as every machine of IEEE 754 has them; NaN has one form. */
static void
append_double(StringInfo form, float8 number)
{
	uint64		bits;

	if (isnan(number))
		append_bytes(form, "NaN", 3);
	else
	{
		memcpy(&bits, &number, sizeof(bits));
		append_number(form, (int64) bits);
	}
}

static void
append_jsonb(StringInfo form, Jsonb *value)
{
	char	   *text = JsonbToCString(NULL, &value->root, VARSIZE(value));

	append_bytes(form, text, strlen(text));
	pfree(text);
}

/*
 * Appends one value. No output function runs: those depend on settings such as
 * TimeZone, DateStyle, extra_float_digits and bytea_output. Integers of all
 * widths have the same form, so that a column can become wider.
 */
static void
append_value(StringInfo form, Datum value, Oid type)
{
	switch (type)
	{
		case BOOLOID:
			append_number(form, DatumGetBool(value));
			break;
		case INT2OID:
			append_number(form, DatumGetInt16(value));
			break;
		case INT4OID:
			append_number(form, DatumGetInt32(value));
			break;
		case DATEOID:
			append_number(form, DatumGetDateADT(value));
			break;
		case INT8OID:
			append_number(form, DatumGetInt64(value));
			break;
		case TIMESTAMPTZOID:
			append_number(form, DatumGetTimestampTz(value));
			break;
		case FLOAT8OID:
			append_double(form, DatumGetFloat8(value));
			break;
		case TEXTOID:
		case BYTEAOID:
			{
				struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);

				append_bytes(form, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
				break;
			}
		case JSONBOID:
			append_jsonb(form, DatumGetJsonbP(value));
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("the audit trail has no form of type %s", format_type_be(type))));
	}
}

/* The number of the column of a name, counted from 0. `hint` is where it is if the names come in the table's order. */
static int
find_column(TupleDesc desc, text *name, int hint)
{
	for (int i = 0; i < desc->natts; i++)
	{
		int			column = (hint + i) % desc->natts;
		Form_pg_attribute attribute = TupleDescAttr(desc, column);

		if (!attribute->attisdropped
			&& strlen(NameStr(attribute->attname)) == VARSIZE_ANY_EXHDR(name)
			&& memcmp(NameStr(attribute->attname), VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) == 0)
			return column;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("the row has no column \"%s\"", text_to_cstring(name))));
}

PG_FUNCTION_INFO_V1(tw_canonical_row);

/* tw_canonical_row(row_value, columns): of a row of any type, the values of these columns; a NULL is "n". */
Datum
tw_canonical_row(PG_FUNCTION_ARGS)
{
	HeapTupleHeader header = PG_GETARG_HEAPTUPLEHEADER(0);
	ArrayType  *columns = PG_GETARG_ARRAYTYPE_P(1);
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};
	Datum	   *values = palloc(sizeof(Datum) * desc->natts);
	bool	   *nulls = palloc(sizeof(bool) * desc->natts);
	Datum	   *names;
	int			count;
	int			hint = 0;
	StringInfoData form;

	ItemPointerSetInvalid(&tuple.t_self);
	heap_deform_tuple(&tuple, desc, values, nulls);
	deconstruct_array(columns, TEXTOID, -1, false, TYPALIGN_INT, &names, NULL, &count);
	initStringInfo(&form);
	appendStringInfoSpaces(&form, VARHDRSZ);
	for (int i = 0; i < count; i++)
	{
		int			column = find_column(desc, DatumGetTextPP(names[i]), hint);

		if (nulls[column])
			appendStringInfoChar(&form, 'n');
		else
			append_value(&form, values[column], TupleDescAttr(desc, column)->atttypid);
		hint = column + 1;
	}
	ReleaseTupleDesc(desc);
	SET_VARSIZE(form.data, form.len);
	PG_RETURN_BYTEA_P(form.data);
}

PG_FUNCTION_INFO_V1(tw_remove_salts);

/* tw_remove_salts(relation, ids): of all entries of these rows; returns their number. */
Datum
tw_remove_salts(PG_FUNCTION_ARGS)
{
	static TwKeptPlan kept;
	static const char command[] =
		"UPDATE %1$s.audit_chain c SET salt = NULL "
		"WHERE c.relation OPERATOR(pg_catalog.=) $1 AND c.row_id OPERATOR(pg_catalog.=) ANY ($2) "
		"AND c.salt IS NOT NULL";

	Oid			schema = tw_schema_of_function(fcinfo);
	Oid			types[] = {TEXTOID, INT8ARRAYOID};
	Datum		values[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
	int64		removed = 0;

	tw_open_append_only(get_relname_relid("audit_chain", schema), TW_ON_UPDATE);
	PG_TRY();
	{
		SPI_connect();
		if (SPI_execute_plan(tw_kept_plan(&kept, schema, command, lengthof(types), types), values, NULL, false, 0) < 0)
			elog(ERROR, "UPDATE failed: %s", SPI_result_code_string(SPI_result));
		removed = (int64) SPI_processed;
		SPI_finish();
	}
	PG_FINALLY();
	{
		tw_close_append_only();
	}
	PG_END_TRY();
	PG_RETURN_INT64(removed);
}
