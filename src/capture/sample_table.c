/*
 * sample_table.c
 *		Whether capture can insert into training_samples without an executor.
 *
 * It can where the table is as the extension made it: then nothing but the
 * extension's own functions takes part, and what they would do is known. Any
 * trigger, rule, policy, column, default, CHECK or foreign key of somebody
 * else's is for the executor. The answer, and what evaluates the indexes'
 * expressions, is kept until the definition of the table or of a function
 * changes.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/table_changes.h"
#include "capture/sample_table.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "access/genam.h"
#include "catalog/index.h"
#include "access/transam.h"
#include "nodes/nodeFuncs.h"
#include "nodes/primnodes.h"
#include "rewrite/rewriteHandler.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* The functions that the table and capture call; of another one of the same name nothing is known. */
extern Datum tw_fill_text_hash(PG_FUNCTION_ARGS);
extern Datum tw_intent_module_type(PG_FUNCTION_ARGS);
extern Datum tw_sample_entities_of(PG_FUNCTION_ARGS);
extern Datum tw_sample_text(PG_FUNCTION_ARGS);
extern Datum tw_text_hash(PG_FUNCTION_ARGS);
extern Datum tw_valid_sample(PG_FUNCTION_ARGS);

static TwSampleTable table;
static MemoryContext table_context = NULL;

/* The table that it describes; how often that or a function has changed, and of which of these changes it knows. */
static Oid	table_relid = InvalidOid;
static uint64 changes = 1;
static uint64 known_changes = 0;

static void
forget_changed_table(Oid relid)
{
	if (relid == InvalidOid || relid == table_relid)
		changes++;
}

static void
forget_changed_function(Datum arg, int cache, uint32 hash)
{
	changes++;
}

/* Registers with the caches; called once, from _PG_init. */
void
tw_sample_table_init(void)
{
	tw_on_table_change(forget_changed_table);
	CacheRegisterSyscacheCallback(PROCOID, forget_changed_function, (Datum) 0);
}

/* Looks up a function of the extension's schema; false if it is not the one that it made. */
static bool
find_function(Oid schema, const char *name, int nargs, Oid *types, PGFunction own, FmgrInfo *info)
{
	Oid			function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
										   PointerGetDatum(buildoidvector(types, nargs)), ObjectIdGetDatum(schema));

	if (!OidIsValid(function))
		return false;
	fmgr_info_cxt(function, info, table_context);
	return info->fn_addr == own;
}

static bool
find_functions(Oid schema)
{
	Oid			of_text[] = {TEXTOID};
	Oid			of_entities[] = {JSONBOID, TEXTOID};
	FmgrInfo	module_type;

	return find_function(schema, "tw_sample_text", 1, of_text, tw_sample_text, &table.sample_text) &&
		find_function(schema, "text_hash", 1, of_text, tw_text_hash, &table.text_hash) &&
		find_function(schema, "tw_sample_entities", 2, of_entities, tw_sample_entities_of, &table.sample_entities) &&
		find_function(schema, "intent_module_type", 1, of_text, tw_intent_module_type, &module_type);
}

/* Whether a column that capture does not name gets what the install script gives it. */
static bool
has_own_default(Relation rel, TwSampleColumn column)
{
	Node	   *given = build_column_default(rel, column);

	switch (column)
	{
		case TW_SAMPLE_ID:
			if (given == NULL || !IsA(given, NextValueExpr))
				return false;
			table.id_sequence = ((NextValueExpr *) given)->seqid;
			return true;
		case TW_SAMPLE_UPDATED_AT:
			return given != NULL && IsA(given, FuncExpr) && ((FuncExpr *) given)->funcid == F_NOW;
		default:
			return given == NULL;
	}
}

static bool
has_own_columns(Relation rel)
{
	static const struct
	{
		Oid			type;
		const char *name;
		bool		is_left_out;	/* by capture */
	}			columns[TW_SAMPLE_COLUMNS] = {
		{INT8OID, "id", true}, {INT8OID, "conversation_log_id"}, {TEXTOID, "text"}, {INT8OID, "text_hash"},
		{INT2OID, "normalizer"}, {TEXTOID, "intent"}, {INT4OID, "module_id"}, {TEXTOID, "module_type"},
		{JSONBOID, "entities"}, {TEXTOID, "language"}, {TEXTOID, "expected_service"}, {TEXTOID, "review_status"},
		{TEXTOID, "label_source"}, {TEXTOID, "reviewed_by"}, {TIMESTAMPTZOID, "reviewed_at"}, {TEXTOID, "source"},
		{TEXTOID, "split"}, {FLOAT8OID, "selection_probability"}, {FLOAT8OID, "quality_score"},
		{TEXTOID, "model_version_target", true}, {TIMESTAMPTZOID, "created_at"}, {TIMESTAMPTZOID, "updated_at", true},
		{TEXTOID, "pending_reason", true}, {INT2OID, "review_priority", true}, {TEXTOID, "review_reason", true},
	};

	TupleDesc	desc = RelationGetDescr(rel);

	if (desc->natts != TW_SAMPLE_COLUMNS)
		return false;
	for (int i = 0; i < TW_SAMPLE_COLUMNS; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (attribute->attisdropped || attribute->attgenerated || attribute->atttypid != columns[i].type ||
			strcmp(NameStr(attribute->attname), columns[i].name) != 0 ||
			(columns[i].is_left_out && !has_own_default(rel, i + 1)))
			return false;
	}
	return true;
}

/* Whether there is no CHECK but the extension's, which asks one of its functions. */
static bool
has_own_checks(Relation rel)
{
	TupleConstr *constraints = RelationGetDescr(rel)->constr;

	for (int i = 0; constraints != NULL && i < constraints->num_check; i++)
	{
		Node	   *check = stringToNode(constraints->check[i].ccbin);

		if (!IsA(check, FuncExpr) || !tw_is_function(((FuncExpr *) check)->funcid, tw_valid_sample))
			return false;
	}
	return true;
}

/* Whether no trigger has to fire. That which fills in the hash has nothing to do where a row comes with one. */
static bool
has_own_triggers(const TriggerDesc *triggers)
{
	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (TRIGGER_FOR_INSERT(trigger->tgtype) && trigger->tgenabled != TRIGGER_DISABLED &&
			!tw_is_function(trigger->tgfoid, tw_fill_text_hash))
			return false;
	}
	return true;
}

static bool
is_foreign(Oid function, void *context)
{
	return function >= FirstNormalObjectId;
}

/* Whether an expression calls a function that did not come with the server: it would run with the caller's rights. */
static bool
calls_foreign(Node *node, void *context)
{
	return node != NULL && (check_functions_in_node(node, is_foreign, context) ||
							expression_tree_walker(node, calls_foreign, context));
}

/* Prepares what evaluates an index; NULL if it is not like those of the extension's. */
static IndexInfo *
prepare_index(Relation index)
{
	IndexInfo  *info = BuildIndexInfo(index);

	if (index->rd_rel->relam != BTREE_AM_OID || !info->ii_ReadyForInserts || info->ii_ExclusionOps != NULL ||
		!index->rd_index->indimmediate)
		return NULL;
	if (calls_foreign((Node *) info->ii_Expressions, NULL) || calls_foreign((Node *) info->ii_Predicate, NULL))
		return NULL;
	info->ii_ExpressionsState = ExecPrepareExprList(info->ii_Expressions, table.state);
	info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, table.state);
	return info;
}

static bool
prepare_indexes(Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *lc;

	table.indexes = palloc(sizeof(Oid) * Max(list_length(indexes), 1));
	table.index_infos = palloc(sizeof(IndexInfo *) * Max(list_length(indexes), 1));
	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), RowExclusiveLock);
		IndexInfo  *info = prepare_index(index);

		index_close(index, RowExclusiveLock);
		if (info == NULL)
			return false;
		table.indexes[table.index_count] = lfirst_oid(lc);
		table.index_infos[table.index_count++] = info;
	}
	return true;
}

/* Whether the table is as the extension made it. Its owner may have lost the privilege, or be under its policies. */
static bool
is_plain(Relation rel)
{
	Form_pg_class form = rel->rd_rel;

	return form->relkind == RELKIND_RELATION && !form->relispartition && rel->rd_rules == NULL &&
		!(form->relrowsecurity && form->relforcerowsecurity) &&
		pg_class_aclcheck(RelationGetRelid(rel), form->relowner, ACL_INSERT) == ACLCHECK_OK &&
		has_own_columns(rel) && has_own_checks(rel) && has_own_triggers(rel->trigdesc) &&
		find_functions(form->relnamespace) && prepare_indexes(rel);
}

/* What is known of training_samples, which the caller has locked. */
TwSampleTable *
tw_sample_table(Relation samples)
{
	MemoryContext caller;
	uint64		seen_changes = changes;

	if (table_relid == RelationGetRelid(samples) && known_changes == seen_changes)
		return &table;

	if (table_context == NULL)
		table_context = AllocSetContextCreate(TopMemoryContext, "training_samples", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(table_context);
	memset(&table, 0, sizeof(table));
	caller = MemoryContextSwitchTo(table_context);
	known_changes = 0;
	table_relid = RelationGetRelid(samples);
	table.state = CreateExecutorState();
	table.is_plain = is_plain(samples);
	MemoryContextSwitchTo(caller);
	/* What changed while it was looked at, and what ended in an error, is looked at again. */
	known_changes = seen_changes;
	return &table;
}
