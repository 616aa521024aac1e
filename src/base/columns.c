/*
 * columns.c
 *		Check that a table of the extension has the columns that the C code
 *		expects.
 *
 * Columns are addressed by number, and later versions only append columns. The
 * owner can still rename, retype or drop one. A value read as the wrong type
 * would crash the server or cause a wrong decision without an error.
 */
#include "postgres.h"

#include "base/columns.h"
#include "utils/builtins.h"

/* Raises an error unless each column has the expected name, type and number. */
void
tw_check_columns(Relation rel, const TwColumn *columns, int count)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < count; i++)
	{
		Form_pg_attribute attribute = columns[i].attnum <= desc->natts ?
			TupleDescAttr(desc, columns[i].attnum - 1) : NULL;

		if (columns[i].is_later && columns[i].attnum > desc->natts)
			continue;
		if (attribute == NULL || attribute->attisdropped || attribute->atttypid != columns[i].type ||
			strcmp(NameStr(attribute->attname), columns[i].name) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("column \"%s\" of table \"%s\" is not as the library expects it",
							columns[i].name, RelationGetRelationName(rel)),
					 errdetail("It should be column number %d, of type %s.", columns[i].attnum,
							   format_type_be(columns[i].type)),
					 errhint("Do not change the extension's tables. If the library is newer than the tables: ALTER "
							 "EXTENSION training_workflow UPDATE.")));
	}
}
