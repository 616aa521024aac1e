/*
 * cached_table.c
 *		A small table of ours held in the backend's memory, fresh from the
 *		commit of a change on.
 *
 * A trigger on the table (tw_invalidate_cache) sends a relcache invalidation
 * when a change commits. Rows are read with a catalog snapshot and not with the
 * transaction's: what a REPEATABLE READ transaction loads is then as new as
 * what anybody else loads, and nothing stale can outlive its transaction. It is
 * also what lets a backend without SELECT on the table use it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "base/cached_table.h"
#include "fmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

static TwCachedTable *all_caches = NULL;

/*
 * Relcache callback: marks, and frees nothing, because it can be called while
 * the data is in use.
 */
static void
invalidate_callback(Datum arg, Oid relid)
{
	for (TwCachedTable *cache = all_caches; cache != NULL; cache = cache->next)
	{
		if (relid == InvalidOid || relid == cache->relid)
			cache->stale = true;
	}
}

/* Registers with the relation cache; called once, from _PG_init. */
void
tw_cached_table_init(void)
{
	CacheRegisterRelcacheCallback(invalidate_callback, (Datum) 0);
}

static void
read_rows(TwCachedTable *cache, void *data)
{
	Relation	rel = table_open(cache->relid, AccessShareLock);
	SysScanDesc scan;
	HeapTuple	tuple;

	tw_check_columns(rel, cache->columns, cache->column_count);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		cache->add_row(data, tuple, RelationGetDescr(rel));

	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/*
 * Loads the table anew. The old data is dropped only when the new one is
 * complete; an error on the way leaves nothing behind but the old state.
 */
static void
load(TwCachedTable *cache, Oid schema)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "training_workflow cached table",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	void	   *data = cache->begin();

	cache->loaded = false;
	cache->schema = schema;
	cache->relid = get_relname_relid(cache->table_name, schema);
	/* Before the rows are read: a change from here on must be seen as one. */
	cache->stale = false;
	if (OidIsValid(cache->relid))
		read_rows(cache, data);
	if (cache->finish)
		cache->finish(data);
	MemoryContextSwitchTo(caller);

	if (cache->context)
		MemoryContextDelete(cache->context);
	MemoryContextSetParent(context, CacheMemoryContext);
	cache->context = context;
	cache->data = data;
	/* A table that is not there (yet) is looked for again next time. */
	cache->loaded = OidIsValid(cache->relid);
}

/*
 * The cached rows of the table in this schema, as `begin`, `add_row` and
 * `finish` built them. The pointer is good until the next call for this cache.
 */
void *
tw_cached_table_get(TwCachedTable *cache, Oid schema)
{
	/*
	 * A statement of an open READ COMMITTED transaction need not take any lock that would do this.
	 */
	AcceptInvalidationMessages();

	if (cache->loaded && !cache->stale && cache->schema == schema)
		return cache->data;

	if (!cache->registered)
	{
		cache->registered = true;
		cache->next = all_caches;
		all_caches = cache;
	}
	load(cache, schema);
	return cache->data;
}
