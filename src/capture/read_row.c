/*
 * read_row.c
 *		The values of a row of conversation_logs, read as far as they are needed.
 *
 * The server's way, heap_deform_tuple(), looks into the description of each
 * column, and keeps the offsets for the next row. Here texts follow the id, so
 * that hardly an offset serves twice.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "base/compat.h"
#include "capture/read_row.h"

/* Makes a reader for rows of this table, in the current memory context. */
void
tw_make_row_reader(TwRowReader *reader, Relation rel)
{
	int			natts = RelationGetDescr(rel)->natts;

	reader->rel = rel;
	reader->row.schema = RelationGetNamespace(rel);
	reader->row.values = palloc(natts * (sizeof(Datum) + sizeof(bool)));
	reader->row.nulls = (bool *) (reader->row.values + natts);
}

/* Begins with a row. Its values are valid as long as it stays where it is. */
void
tw_begin_row(TwRowReader *reader, HeapTupleHeader header)
{
	reader->header = header;
	reader->columns = 0;
	reader->bytes = 0;
}

/*
 * Reads on, up to and with column number `until`. A row of another table, which
 * an INSERT of all its columns hands on as it lies there, may have fewer: they
 * were added to that table later, and are NULL.
 */
void
tw_read_columns(TwRowReader *reader, int until)
{
	const TwColumnLayout *layout = tw_log_layout(reader->rel);
	HeapTupleHeader header = reader->header;
	bool		has_nulls = (header->t_infomask & HEAP_HASNULL) != 0;
	int			stored = Min(until, HeapTupleHeaderGetNatts(header));
	LogRow		row = reader->row;
	const char *data = (char *) header + header->t_hoff;
	const char *at = data + reader->bytes;
	int			i;

	for (i = reader->columns; i < stored; i++)
	{
		const TwColumnLayout *column = &layout[i];

		row.nulls[i] = false;
		if (has_nulls && att_isnull(i, header->t_bits))
		{
			row.values[i] = (Datum) 0;
			row.nulls[i] = true;
		}
		else if (column->length == -1)
		{
			/* A text with a short header lies at any place; before another one there may be zeros. */
			if (*at == '\0')
				at = (char *) TYPEALIGN(column->alignment, at);
			row.values[i] = PointerGetDatum(at);
			at += VARSIZE_ANY(at);
		}
		else
		{
			at = (char *) TYPEALIGN(column->alignment, at);
			row.values[i] = fetch_att(at, column->by_value, column->length);
			at = (char *) att_addlength_pointer(at, column->length, at);
		}
	}
	reader->bytes = at - data;
	for (; i < until; i++)
	{
		row.values[i] = (Datum) 0;
		row.nulls[i] = true;
	}
	reader->columns = i;
}
