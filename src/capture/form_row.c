/*
 * form_row.c
 *		A row of conversation_logs whose first columns are as they were.
 *
 * The filter fills columns that follow those of the application. Forming the
 * whole row anew took longer than all that the filter does. So the first
 * columns are copied as they lie in the row that came, and the others are put
 * behind them, as heap_form_tuple() would. What it would do in another way is
 * left to it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "base/compat.h"
#include "capture/form_row.h"

/* The first columns of the row that came, up to a text: where that ends, and how many they are. */
typedef struct Prefix
{
	int			columns;
	Size		bytes;			/* from the first column */
} Prefix;

/* The last text among the columns that are still the same tells where they end. */
static Prefix
same_columns(TupleDesc desc, HeapTuple old, TupleTableSlot *slot, const LogRow *row)
{
	const char *data = (char *) old->t_data + old->t_data->t_hoff;
	Prefix		prefix = {0, 0};
	const char *end = NULL;

	for (int i = 0; i < desc->natts; i++)
	{
		if (row->nulls[i] != slot->tts_isnull[i] || (!row->nulls[i] && row->values[i] != slot->tts_values[i]))
			break;
		if (row->nulls[i] || TupleDescAttr(desc, i)->attlen != -1)
			continue;
		end = DatumGetPointer(row->values[i]);
		prefix.columns = i + 1;
	}
	if (end == NULL)
		return prefix;
	end += VARSIZE_ANY(end);
	/* A value that lies elsewhere says nothing about the row. */
	if (end <= data || end > (char *) old->t_data + old->t_len)
		return (Prefix) {0, 0};
	prefix.bytes = end - data;
	return prefix;
}

/* Most bytes that the columns from `first` on take; 0 if one has neither a number nor a text that lies here. */
static Size
most_bytes(TupleDesc desc, const LogRow *row, int first)
{
	Size		bytes = 0;

	for (int i = first; i < desc->natts; i++)
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

/* Writes the columns from `first` on, and which of them are NULL; returns their end. The memory is zeroed. */
static char *
write_columns(char *at, HeapTupleHeader header, TupleDesc desc, const LogRow *row, int first)
{
	for (int i = first; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (row->nulls[i])
		{
			header->t_bits[i / 8] &= ~(1 << (i % 8));
			continue;
		}
		header->t_bits[i / 8] |= 1 << (i % 8);
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

static bool
has_null(const LogRow *row, int columns)
{
	return memchr(row->nulls, true, columns * sizeof(bool)) != NULL;
}

/*
 * Forms the row. `old` is the row that came, as heap_form_tuple() formed it,
 * and the slot holds its values.
 */
HeapTuple
tw_form_row(TupleDesc desc, HeapTuple old, TupleTableSlot *slot, const LogRow *row)
{
	Prefix		prefix = same_columns(desc, old, slot, row);
	Size		most = most_bytes(desc, row, prefix.columns);
	int			offset = old->t_data->t_hoff;
	HeapTuple	tuple;
	HeapTupleHeader header;

	/* With a NULL before and after, the header is as long as it was. What lies outside the row may not stay there. */
	if (prefix.columns == 0 || most == 0 || HeapTupleHeaderGetNatts(old->t_data) != desc->natts ||
		!HeapTupleHasNulls(old) || !has_null(row, desc->natts) || HeapTupleHasExternal(old))
		return heap_form_tuple(desc, row->values, row->nulls);

	tuple = palloc0(HEAPTUPLESIZE + offset + prefix.bytes + most);
	tuple->t_data = header = (HeapTupleHeader) ((char *) tuple + HEAPTUPLESIZE);
	memcpy(header, old->t_data, offset + prefix.bytes);
	tuple->t_len = write_columns((char *) header + offset + prefix.bytes, header, desc, row, prefix.columns) -
		(char *) header;

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
