/*
 * form_row.c
 *		A row of conversation_logs in which the application's columns are as
 *		they came.
 *
 * The filter fills columns that follow those of the application. Forming the
 * whole row anew took longer than all that the filter does. So the
 * application's columns are copied as they lie in the row that came, and the
 * others are put behind them, as heap_form_tuple() would. What it would do in
 * another way is left to it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "base/compat.h"
#include "capture/form_row.h"

#define APPLICATION_COLUMNS TW_LOG_METADATA

/* Reads a row that came, and keeps what the application gave. */
void
tw_read_given(TwRowReader *reader, HeapTuple tuple, TwGivenRow *given)
{
	given->tuple = tuple;
	tw_begin_row(reader, tuple->t_data);
	tw_read_columns(reader, APPLICATION_COLUMNS);
	given->bytes = reader->bytes;
	memcpy(given->values, reader->row.values, sizeof(given->values));
	memcpy(given->nulls, reader->row.nulls, sizeof(given->nulls));
	tw_read_columns(reader, RelationGetDescr(reader->rel)->natts);
}

/* Whether the values of the application's columns still are those in the row that came. */
static bool
is_as_given(const TwGivenRow *given, const LogRow *row)
{
	return memcmp(given->values, row->values, sizeof(given->values)) == 0 &&
		memcmp(given->nulls, row->nulls, sizeof(given->nulls)) == 0;
}

/* Most bytes that the filter's columns and those behind them take; 0 if one has neither a number nor a text here. */
static Size
most_bytes(TupleDesc desc, const LogRow *row)
{
	Size		bytes = 0;

	for (int i = APPLICATION_COLUMNS; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (row->nulls[i])
			continue;
		if (attribute->attbyval)
			bytes += MAXIMUM_ALIGNOF + sizeof(Datum);
		else if (attribute->attlen == -1 && !VARATT_IS_EXTERNAL(DatumGetPointer(row->values[i])))
			bytes += MAXIMUM_ALIGNOF + VARSIZE_ANY(DatumGetPointer(row->values[i]));
		else
			return 0;
	}
	return bytes;
}

/* Writes a text at `at`, with a short header where the column allows one; returns its end. */
static char *
write_text(char *at, Form_pg_attribute attribute, const struct varlena *value)
{
	Size		bytes = VARSIZE_ANY(value);

	if (!VARATT_IS_SHORT(value) && VARATT_CAN_MAKE_SHORT(value) && attribute->attstorage != TYPSTORAGE_PLAIN)
	{
		bytes = VARATT_CONVERTED_SHORT_SIZE(value);
		SET_VARSIZE_SHORT(at, bytes);
		memcpy(at + 1, VARDATA(value), bytes - 1);
		return at + bytes;
	}
	if (!VARATT_IS_SHORT(value))
		at = (char *) att_align_nominal(at, attribute->attalign);
	memcpy(at, value, bytes);
	return at + bytes;
}

/* Writes these columns, and which of all columns are not NULL; returns their end. The memory is zeroed. */
static char *
write_columns(char *at, HeapTupleHeader header, TupleDesc desc, const LogRow *row)
{
	int			byte = APPLICATION_COLUMNS / 8;

	header->t_bits[byte] &= (1 << APPLICATION_COLUMNS % 8) - 1;
	memset(header->t_bits + byte + 1, 0, BITMAPLEN(desc->natts) - byte - 1);
	for (int i = APPLICATION_COLUMNS; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (row->nulls[i])
			continue;
		header->t_bits[i / 8] |= 1 << i % 8;
		if (!attribute->attbyval)
		{
			at = write_text(at, attribute, (struct varlena *) DatumGetPointer(row->values[i]));
			continue;
		}
		at = (char *) att_align_nominal(at, attribute->attalign);
		store_att_byval(at, row->values[i], attribute->attlen);
		at += attribute->attlen;
	}
	return at;
}

#ifdef USE_ASSERT_CHECKING
/* Whether two rows would lie alike in their table. The server fills in the rest of the header then. */
static bool
is_same(HeapTuple a, HeapTuple b)
{
	Size		begin = offsetof(HeapTupleHeaderData, t_hoff);

	return a->t_len == b->t_len && ((a->t_data->t_infomask ^ b->t_data->t_infomask) & ~HEAP_XACT_MASK) == 0 &&
		memcmp((char *) a->t_data + begin, (char *) b->t_data + begin, a->t_len - begin) == 0;
}
#endif

/* Forms the row. The columns of the application are copied if they still are as they came. */
HeapTuple
tw_form_row(TupleDesc desc, const TwGivenRow *given, const LogRow *row)
{
	HeapTupleHeader old = given->tuple->t_data;
	Size		same = old->t_hoff + given->bytes;
	Size		most = most_bytes(desc, row);
	HeapTuple	tuple;
	HeapTupleHeader header;

	/* With a NULL before and after, the header is as long as it was. What lies outside the row may not stay there. */
	if (most == 0 || !is_as_given(given, row) || HeapTupleHeaderGetNatts(old) != desc->natts ||
		!HeapTupleHasNulls(given->tuple) || memchr(row->nulls, true, desc->natts * sizeof(bool)) == NULL ||
		HeapTupleHasExternal(given->tuple))
		return heap_form_tuple(desc, row->values, row->nulls);

	tuple = palloc(HEAPTUPLESIZE + same + most);
	tuple->t_data = header = (HeapTupleHeader) ((char *) tuple + HEAPTUPLESIZE);
	memcpy(header, old, same);
	memset((char *) header + same, 0, most);
	tuple->t_len = write_columns((char *) header + same, header, desc, row) - (char *) header;

	/*
	 * As a row of a table has it: not marked as a value of a composite type. That mark differs between the server's
	 * minor releases, and nobody needs it here.
	 */
	header->t_infomask &= HEAP_HASNULL | HEAP_HASVARWIDTH;
	header->t_infomask2 = 0;
	HeapTupleHeaderSetNatts(header, desc->natts);
	HeapTupleHeaderSetDatumLength(header, tuple->t_len);
	HeapTupleHeaderSetTypeId(header, desc->tdtypeid);
	HeapTupleHeaderSetTypMod(header, desc->tdtypmod);
	ItemPointerSetInvalid(&header->t_ctid);
	Assert(is_same(tuple, heap_form_tuple(desc, row->values, row->nulls)));
	return tuple;
}
