/*
 * cached_table.h
 *		Cache of a small table in the backend's memory, refreshed once a change
 *		commits.
 */
#ifndef TW_CACHED_TABLE_H
#define TW_CACHED_TABLE_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "base/columns.h"

typedef struct TwCachedTable TwCachedTable;

struct TwCachedTable
{
	/* set by the owner of the cache */
	const char *table_name;
	/* Builds an empty result in the current memory context. */
	void	   *(*begin) (void);
	/* Adds one row; strings must be copied into the current memory context. */
	void		(*add_row) (void *data, HeapTuple tuple, TupleDesc desc);
	/* Called after the last row; may be NULL. */
	void		(*finish) (void *data);
	/* Columns that add_row reads; checked before it is called. */
	const TwColumn *columns;
	int			column_count;

	/* kept by cached_table.c */
	Oid			schema;
	Oid			relid;
	bool		registered;
	bool		loaded;
	bool		stale;
	MemoryContext context;
	void	   *data;
	TwCachedTable *next;
};

extern void tw_cached_table_init(void);
extern void *tw_cached_table_get(TwCachedTable *cache, Oid schema);

#endif							/* TW_CACHED_TABLE_H */
