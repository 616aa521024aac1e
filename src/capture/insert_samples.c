/*
 * insert_samples.c
 *		Samples of captured conversations, inserted without an executor.
 *
 * Starting and ending an executor for one sample took longer than its rows in
 * the table and its indexes. The same rows come of the statement of promote.h,
 * which stands for all other tables (see sample_table.c).
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "capture/insert_samples.h"
#include "capture/sample_table.h"
#include "catalog/index.h"
#include "commands/sequence.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "rules/conversations.h"
#include "rules/normalize.h"
#include "rules/statuses.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

/* How many rows, and of how many bytes, are inserted at once. */
#define BATCH_ROWS 100
#define BATCH_BYTES (64 * 1024)

typedef struct Batch
{
	Relation	rel;
	TwSampleTable *table;
	ExprContext *context;		/* its memory is that of the rows */
	Relation   *indexes;
	TupleTableSlot *slots[BATCH_ROWS];	/* made as they are needed */
	int			count;
	Size		bytes;
} Batch;

/* Reads the row if the filter auto-approved it in this statement; of another, no more than it takes to see that. */
bool
tw_read_promotable(TwRowReader *reader, TupleTableSlot *slot)
{
	const LogRow *row = &reader->row;

	tw_begin_row(reader, (HeapTupleHeader) ((char *) ExecFetchSlotMinimalTuple(slot, NULL) - MINIMAL_TUPLE_OFFSET));
	tw_read_columns(reader, TW_LOG_REVIEW_STATUS);
	if (tw_find_status(get_text(row, TW_LOG_REVIEW_STATUS)) != TW_AUTO_APPROVED)
		return false;
	tw_read_columns(reader, RelationGetDescr(reader->rel)->natts);
	return !is_null(row, TW_LOG_FILTERED_AT) &&
		DatumGetTimestampTz(get(row, TW_LOG_FILTERED_AT)) == GetCurrentTransactionStartTimestamp() &&
		tw_find_status(get_text(row, TW_LOG_FILTER_OUTCOME)) == TW_AUTO_APPROVED;
}

static Datum
module_of(const LogRow *row)
{
	TwSlice		given = get_text(row, TW_LOG_NLU_MODULE_TYPE);
	TwSlice		module = tw_module_of(given, get_text(row, TW_LOG_NLU_INTENT));

	if (module.data == NULL)
		return (Datum) 0;
	return module.data == given.data ? get(row, TW_LOG_NLU_MODULE_TYPE) :
		PointerGetDatum(cstring_to_text_with_len(module.data, module.length));
}

/* Whether the message came with feedback against the model. */
static bool
is_contradicted(const LogRow *row)
{
	return !is_null(row, TW_LOG_REVIEW_PRIORITY) &&
		DatumGetInt16(get(row, TW_LOG_REVIEW_PRIORITY)) == TW_PRIORITY_HIGH;
}

/* The values of a conversation's sample, in the order of its columns. */
static void
fill_sample(TwSampleTable *table, const LogRow *row, Datum *values, bool *nulls)
{
	static text *model = NULL;
	static text *production = NULL;

	LogRow		sample = {row->schema, values, nulls};

#define SET(column, value) set(&sample, (TwLogColumn) (column), value)
#define COPY(column, from) \
	do { \
		values[(column) - 1] = get(row, from); \
		nulls[(column) - 1] = is_null(row, from); \
	} while (0)

	memset(nulls, true, TW_SAMPLE_COLUMNS * sizeof(bool));
	COPY(TW_SAMPLE_CONVERSATION_LOG_ID, TW_LOG_ID);
	if (!is_null(row, TW_LOG_USER_MESSAGE))
	{
		SET(TW_SAMPLE_TEXT, FunctionCall1(&table->sample_text, get(row, TW_LOG_USER_MESSAGE)));
		SET(TW_SAMPLE_TEXT_HASH, FunctionCall1(&table->text_hash, values[TW_SAMPLE_TEXT - 1]));
	}
	SET(TW_SAMPLE_NORMALIZER, Int16GetDatum(TW_NORMALIZER));
	COPY(TW_SAMPLE_INTENT, TW_LOG_NLU_INTENT);
	COPY(TW_SAMPLE_MODULE_ID, TW_LOG_NLU_MODULE_ID);
	SET(TW_SAMPLE_MODULE_TYPE, module_of(row));
	nulls[TW_SAMPLE_MODULE_TYPE - 1] = values[TW_SAMPLE_MODULE_TYPE - 1] == (Datum) 0;
	if (!is_null(row, TW_LOG_NLU_ENTITIES) && !is_null(row, TW_LOG_USER_MESSAGE))
		SET(TW_SAMPLE_ENTITIES,
			FunctionCall2(&table->sample_entities, get(row, TW_LOG_NLU_ENTITIES), get(row, TW_LOG_USER_MESSAGE)));
	COPY(TW_SAMPLE_LANGUAGE, TW_LOG_MESSAGE_LANGUAGE);
	COPY(TW_SAMPLE_EXPECTED_SERVICE, TW_LOG_ROUTED_TO);
	SET(TW_SAMPLE_REVIEW_STATUS, tw_status_datum(is_contradicted(row) ? TW_PENDING : TW_APPROVED));
	SET(TW_SAMPLE_LABEL_SOURCE, tw_constant_text(&model, "model"));
	SET(TW_SAMPLE_SOURCE, tw_constant_text(&production, "production"));
	COPY(TW_SAMPLE_SELECTION_PROBABILITY, TW_LOG_SELECTION_PROBABILITY);
	COPY(TW_SAMPLE_QUALITY_SCORE, TW_LOG_NLU_CONFIDENCE);
	SET(TW_SAMPLE_CREATED_AT, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
	SET(TW_SAMPLE_UPDATED_AT, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
	SET(TW_SAMPLE_ID, Int64GetDatum(nextval_internal(table->id_sequence, false)));
}

static bool
is_share(const Datum *values, const bool *nulls, TwSampleColumn column)
{
	double		value = DatumGetFloat8(values[column - 1]);

	return nulls[column - 1] || (value >= 0 && value <= 1);
}

/* Whether the table's CHECK and NOT NULL allow the values. Those that are the same for each sample, they do. */
static bool
is_allowed(TupleDesc desc, const Datum *values, const bool *nulls)
{
	for (int i = 0; i < TW_SAMPLE_COLUMNS; i++)
	{
		if (nulls[i] && TupleDescAttr(desc, i)->attnotnull)
			return false;
	}
	return is_share(values, nulls, TW_SAMPLE_QUALITY_SCORE) &&
		is_share(values, nulls, TW_SAMPLE_SELECTION_PROBABILITY);
}

/* Raises the executor's error about a row that is not allowed. */
static void
check_constraints(Relation rel, TupleTableSlot *slot)
{
	EState	   *state = CreateExecutorState();
	ResultRelInfo *result = makeNode(ResultRelInfo);

	InitResultRelInfo(result, rel, 0, NULL, 0);
	ExecConstraints(result, slot, state);
	FreeExecutorState(state);
}

/* Inserts the rows of the batch into one index. */
static void
insert_into_index(Batch *batch, Relation index, IndexInfo *info)
{
	IndexUniqueCheck unique = info->ii_Unique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO;
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	for (int i = 0; i < batch->count; i++)
	{
		TupleTableSlot *slot = batch->slots[i];

		batch->context->ecxt_scantuple = slot;
		if (!ExecQual(info->ii_PredicateState, batch->context))
			continue;
		FormIndexDatum(info, slot, batch->table->state, values, nulls);
		(void) index_insert(index, values, nulls, &slot->tts_tid, batch->rel, unique, false, info);
	}
	batch->context->ecxt_scantuple = NULL;
}

/* Inserts the rows of the batch and empties it. */
static void
insert_batch(Batch *batch)
{
	CommandId	command = GetCurrentCommandId(true);
	MemoryContext caller = MemoryContextSwitchTo(batch->context->ecxt_per_tuple_memory);

	if (batch->count == 1)
		table_tuple_insert(batch->rel, batch->slots[0], command, 0, NULL);
	else if (batch->count > 1)
		table_multi_insert(batch->rel, batch->slots, batch->count, command, 0, NULL);
	for (int i = 0; i < batch->table->index_count; i++)
		insert_into_index(batch, batch->indexes[i], batch->table->index_infos[i]);
	MemoryContextSwitchTo(caller);
	for (int i = 0; i < batch->count; i++)
		ExecClearTuple(batch->slots[i]);
	batch->count = 0;
	batch->bytes = 0;
	ResetExprContext(batch->context);
}

static void
add_sample(Batch *batch, const LogRow *row)
{
	MemoryContext caller = MemoryContextSwitchTo(batch->context->ecxt_per_tuple_memory);
	TupleDesc	desc = RelationGetDescr(batch->rel);
	TupleTableSlot *slot = batch->slots[batch->count];
	HeapTuple	tuple;
	Datum		values[TW_SAMPLE_COLUMNS];
	bool		nulls[TW_SAMPLE_COLUMNS];

	fill_sample(batch->table, row, values, nulls);
	tuple = heap_form_tuple(desc, values, nulls);
	MemoryContextSwitchTo(caller);

	if (slot == NULL)
		batch->slots[batch->count] = slot = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
	tuple->t_tableOid = RelationGetRelid(batch->rel);
	ExecStoreHeapTuple(tuple, slot, true);
	if (!is_allowed(desc, values, nulls))
		check_constraints(batch->rel, slot);
	batch->count++;
	batch->bytes += tuple->t_len;
	if (batch->count == BATCH_ROWS || batch->bytes >= BATCH_BYTES)
		insert_batch(batch);
}

/* Inserts the samples of the statement, in the order of its rows. */
static void
insert_all(Batch *batch, TriggerData *trigdata)
{
	Tuplestorestate *store = trigdata->tg_newtable;
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(trigdata->tg_relation), &TTSOpsMinimalTuple);
	TwRowReader reader;

	tw_make_row_reader(&reader, trigdata->tg_relation);
	tuplestore_select_read_pointer(store, 0);
	tuplestore_rescan(store);
	while (tuplestore_gettupleslot(store, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (tw_read_promotable(&reader, slot))
			add_sample(batch, &reader.row);
	}
	insert_batch(batch);
	for (int i = 0; i < BATCH_ROWS && batch->slots[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(batch->slots[i]);
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * Makes the samples of a capturing statement. Returns false, and makes none,
 * where the table is not as the extension made it. Needs no rights of the
 * table's owner, since nobody else's code runs.
 */
bool
tw_insert_samples(TriggerData *trigdata)
{
	Relation	logs = trigdata->tg_relation;
	Oid			relid = get_relname_relid("training_samples", RelationGetNamespace(logs));
	Batch		batch = {0};

	/* Whoever looks at what statements do to tables has to see this one. */
	if (!OidIsValid(relid) || ExecutorCheckPerms_hook != NULL)
		return false;
	batch.rel = table_open(relid, RowExclusiveLock);
	batch.table = tw_sample_table(batch.rel);
	if (!batch.table->is_plain || batch.rel->rd_rel->relowner != logs->rd_rel->relowner)
	{
		table_close(batch.rel, NoLock);
		return false;
	}
	batch.context = GetPerTupleExprContext(batch.table->state);
	/* An error may have left something. */
	ResetExprContext(batch.context);
	batch.indexes = palloc(sizeof(Relation) * Max(batch.table->index_count, 1));
	for (int i = 0; i < batch.table->index_count; i++)
		batch.indexes[i] = index_open(batch.table->indexes[i], RowExclusiveLock);
	insert_all(&batch, trigdata);
	for (int i = 0; i < batch.table->index_count; i++)
		index_close(batch.indexes[i], RowExclusiveLock);
	table_close(batch.rel, NoLock);
	/* As after a statement: triggers that follow see the samples. */
	CommandCounterIncrement();
	return true;
}
