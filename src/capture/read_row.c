/*
 * read_row.c
 *		The values of a row of conversation_logs, read as far as they are needed.
 *
 * The server's way, heap_deform_tuple(), looks into the description of each
 * column, and keeps the offsets for the next row. This table begins with
 * texts, so that no offset serves twice.
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

/* Columns that were added to the table after the row was formed. */
static void
read_missing(TwRowReader *reader, int until)
{
	TupleDesc	desc = RelationGetDescr(reader->rel);
	LogRow	   *row = &reader->row;

	for (; reader->columns < until; reader->columns++)
		row->values[reader->columns] = getmissingattr(desc, reader->columns + 1, &row->nulls[reader->columns]);
}

/* Reads on, up to and with column number `until`. */
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
	reader->columns = i;
	reader->bytes = at - data;
	if (stored < until)
		read_missing(reader, until);
}
