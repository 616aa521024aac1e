/*
 * columns.c
 *		Making sure that a table of ours looks as the C code expects it.
 *
 * Columns are addressed by number, which later versions only append to. An
 * owner can still rename, retype or drop one; a value that is read as another
 * type than it has would crash the server or, worse, decide wrongly in silence.
 */
#include "postgres.h"

#include "base/columns.h"
#include "utils/builtins.h"

/* Raises unless each of the columns has its name, its type and its place. */
void
tw_check_columns(Relation rel, const TwColumn *columns, int count)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < count; i++)
	{
		Form_pg_attribute attribute = columns[i].attnum <= desc->natts ?
			TupleDescAttr(desc, columns[i].attnum - 1) : NULL;

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
