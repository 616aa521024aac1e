/*
 * cached_table.c
 *		Cache of a small table in the backend's memory, refreshed once a change
 *		commits.
 *
 * A trigger on the table (tw_invalidate_cache) sends a relcache invalidation
 * when a change commits. Rows are read with a catalog snapshot, not with the
 * transaction's snapshot. So a REPEATABLE READ transaction loads the newest
 * committed rows, and no stale data outlives its transaction. A backend
 * without SELECT on the table can use the cache for the same reason.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "base/cached_table.h"
#include "base/table_changes.h"
#include "fmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

static TwCachedTable *all_caches = NULL;

/* Relcache callback. It marks the cache stale and frees nothing: it can be called while the data is in use. */
static void
invalidate_callback(Oid relid)
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
	tw_on_table_change(invalidate_callback);
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
 * Loads the table anew. The old data is dropped only when the new data is
 * complete; an error leaves the old state.
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
	/* Reset before the rows are read, so that a later change marks the cache stale again. */
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
	/* A table that does not exist (yet) is looked up again at the next call. */
	cache->loaded = OidIsValid(cache->relid);
}

/*
 * The cached rows of the table in this schema, as `begin`, `add_row` and
 * `finish` built them. The pointer is valid until the next call for this
 * cache.
 */
void *
tw_cached_table_get(TwCachedTable *cache, Oid schema)
{
	/*
	 * Needed explicitly: a statement of an open READ COMMITTED transaction may take no lock that accepts invalidations.
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
