/*
 * model_cache.c
 *		Models that this backend has loaded, and which version is live.
 *
 * Two small tables are cached: the versions with their type and status, and the checksums of artifacts. Triggers
 * invalidate both, the first only when a version, its type, its status or its percentage of the traffic changes. A
 * model is cached by its checksum: it is not loaded again while the bytes stay the same, and is freed when a changed
 * registry no longer needs it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/cached_table.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/excerpt.h"
#include "catalog/pg_type.h"
#include "lib/ilist.h"
#include "model/model_cache.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/*
 * The number of models kept in memory: the live one, a canary and a few named versions. A model takes about as much
 * memory as its artifact.
 */
#define MAX_LOADED_MODELS 4

/* SHA-256 in hexadecimal, with its terminator. */
#define SHA256_LENGTH 65

typedef struct VersionRow
{
	char	   *version;		/* first: find_row() */
	char	   *model_type;
	bool		live;
	bool		serves;			/* live, or a canary */
} VersionRow;

typedef struct ArtifactRow
{
	char	   *version;		/* first: find_row() */
	char	   *format;
	char	   *sha256;
} ArtifactRow;

typedef struct LoadedModel
{
	dlist_node	node;			/* most recently used first */
	char		sha256[SHA256_LENGTH];
	MemoryContext context;
	TwModel    *model;
} LoadedModel;

static dlist_head loaded_models = DLIST_STATIC_INIT(loaded_models);
static int	loaded_count = 0;

/* Set when one of the two tables was read again: some loaded models may not be needed any more. */
static bool registry_changed = false;

enum
{
	VERSION_ATTNUM = 1,
	VERSION_TYPE_ATTNUM = 2,
	VERSION_STATUS_ATTNUM = 3
};

enum
{
	ARTIFACT_VERSION_ATTNUM = 1,
	ARTIFACT_FORMAT_ATTNUM = 2,
	ARTIFACT_SHA256_ATTNUM = 3,
	ARTIFACT_BYTES_ATTNUM = 5
};

static const TwColumn version_columns[] = {
	{VERSION_ATTNUM, TEXTOID, "version"},
	{VERSION_TYPE_ATTNUM, TEXTOID, "model_type"},
	{VERSION_STATUS_ATTNUM, TEXTOID, "status"},
};

static const TwColumn artifact_columns[] = {
	{ARTIFACT_VERSION_ATTNUM, TEXTOID, "version"},
	{ARTIFACT_FORMAT_ATTNUM, TEXTOID, "format"},
	{ARTIFACT_SHA256_ATTNUM, TEXTOID, "sha256"},
	{ARTIFACT_BYTES_ATTNUM, BYTEAOID, "bytes"},
};

static char *
attribute_text(HeapTuple tuple, TupleDesc desc, AttrNumber attnum)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, desc, &isnull);

	return isnull ? pstrdup("") : TextDatumGetCString(value);
}

static void *
begin_list(void)
{
	return palloc0(sizeof(List *));
}

static void
add_version(void *data, HeapTuple tuple, TupleDesc desc)
{
	List	  **rows = data;
	VersionRow *row = palloc(sizeof(VersionRow));
	char	   *status = attribute_text(tuple, desc, VERSION_STATUS_ATTNUM);

	row->version = attribute_text(tuple, desc, VERSION_ATTNUM);
	row->model_type = attribute_text(tuple, desc, VERSION_TYPE_ATTNUM);
	row->live = strcmp(status, "production") == 0;
	row->serves = row->live || strcmp(status, "canary") == 0;
	*rows = lappend(*rows, row);
}

static void
add_artifact(void *data, HeapTuple tuple, TupleDesc desc)
{
	List	  **rows = data;
	ArtifactRow *row = palloc(sizeof(ArtifactRow));

	row->version = attribute_text(tuple, desc, ARTIFACT_VERSION_ATTNUM);
	row->format = attribute_text(tuple, desc, ARTIFACT_FORMAT_ATTNUM);
	row->sha256 = attribute_text(tuple, desc, ARTIFACT_SHA256_ATTNUM);
	*rows = lappend(*rows, row);
}

static void
finish_list(void *data)
{
	registry_changed = true;
}

static TwCachedTable versions_cache = {
	.table_name = "model_versions",
	.columns = version_columns,
	.column_count = lengthof(version_columns),
	.begin = begin_list,
	.add_row = add_version,
	.finish = finish_list,
};

static TwCachedTable artifacts_cache = {
	.table_name = "model_artifacts",
	.columns = artifact_columns,
	.column_count = lengthof(artifact_columns),
	.begin = begin_list,
	.add_row = add_artifact,
	.finish = finish_list,
};

/* The row of a version in either list: both kinds of rows begin with the version. */
static void *
find_row(List *rows, const char *version)
{
	ListCell   *cell;

	foreach(cell, rows)
	{
		char	  **row = lfirst(cell);

		if (strcmp(*row, version) == 0)
			return row;
	}
	return NULL;
}

static void
unload(LoadedModel *loaded)
{
	dlist_delete(&loaded->node);
	loaded_count--;
	/* It lies in its own context. */
	MemoryContextDelete(loaded->context);
}

static bool
is_served(List *versions, List *artifacts, const char *sha256)
{
	ListCell   *cell;

	foreach(cell, versions)
	{
		VersionRow *version = lfirst(cell);
		ArtifactRow *artifact = version->serves ? find_row(artifacts, version->version) : NULL;

		if (artifact != NULL && strcmp(artifact->sha256, sha256) == 0)
			return true;
	}
	return false;
}

/* After a change of the registry: frees the models that take no traffic. */
static void
drop_unserved(List *versions, List *artifacts)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &loaded_models)
	{
		LoadedModel *loaded = dlist_container(LoadedModel, node, iter.cur);

		if (!is_served(versions, artifacts, loaded->sha256))
			unload(loaded);
	}
	registry_changed = false;
}

static LoadedModel *
find_loaded(const char *sha256)
{
	dlist_iter	iter;

	dlist_foreach(iter, &loaded_models)
	{
		LoadedModel *loaded = dlist_container(LoadedModel, node, iter.cur);

		if (strcmp(loaded->sha256, sha256) == 0)
			return loaded;
	}
	return NULL;
}

/*
 * The bytes of an artifact. They are read like catalog tables, with a catalog snapshot, so that a role that may
 * classify needs no privilege on the table.
 */
static bytea *
read_bytes(Oid schema, const char *version)
{
	Oid			relid = get_relname_relid("model_artifacts", schema);
	Relation	rel = table_open(relid, AccessShareLock);
	SysScanDesc scan;
	HeapTuple	tuple;
	bytea	   *bytes = NULL;

	tw_check_columns(rel, artifact_columns, lengthof(artifact_columns));
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (bytes == NULL && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;

		if (strcmp(attribute_text(tuple, RelationGetDescr(rel), ARTIFACT_VERSION_ATTNUM), version) == 0)
			bytes = DatumGetByteaPCopy(heap_getattr(tuple, ARTIFACT_BYTES_ATTNUM, RelationGetDescr(rel), &isnull));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return bytes;
}

static void
check_sha256(bytea *bytes, const char *version, const char *expected)
{
	bytea	   *digest = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, PointerGetDatum(bytes)));
	char		hex[SHA256_LENGTH];

	hex[hex_encode(VARDATA_ANY(digest), VARSIZE_ANY_EXHDR(digest), hex)] = '\0';
	if (strcmp(hex, expected) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the artifact of model \"%s\" is damaged", tw_excerpt(version)),
				 errdetail("Its bytes have the SHA-256 %s, model_artifacts says %s.", hex, expected),
				 errhint("Restore its row of model_artifacts from a backup, or train again.")));
}

/* Loads a model; an error leaves the cache unchanged. */
static LoadedModel *
load_model(Oid schema, const ArtifactRow *artifact)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(caller, "training_workflow artifact", ALLOCSET_DEFAULT_SIZES);

	/* A child of the caller's context until it is complete: an error frees it. */
	MemoryContext context = AllocSetContextCreate(caller, "training_workflow model", ALLOCSET_DEFAULT_SIZES);
	LoadedModel *loaded = MemoryContextAllocZero(context, sizeof(LoadedModel));
	bytea	   *bytes;

	MemoryContextSwitchTo(scratch);
	bytes = read_bytes(schema, artifact->version);
	if (bytes == NULL)
		elog(ERROR, "artifact of model \"%s\" disappeared", tw_excerpt(artifact->version));
	check_sha256(bytes, artifact->version, artifact->sha256);
	MemoryContextSwitchTo(context);
	loaded->model = tw_read_model(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);

	strlcpy(loaded->sha256, artifact->sha256, sizeof(loaded->sha256));
	loaded->context = context;
	MemoryContextSetParent(context, CacheMemoryContext);
	MemoryContextSetIdentifier(context, loaded->sha256);
	while (loaded_count >= MAX_LOADED_MODELS)
		unload(dlist_tail_element(LoadedModel, node, &loaded_models));
	dlist_push_head(&loaded_models, &loaded->node);
	loaded_count++;
	return loaded;
}

static TwServedModel
serve(Oid schema, List *versions, const VersionRow *version)
{
	List	   *artifacts = *(List **) tw_cached_table_get(&artifacts_cache, schema);
	ArtifactRow *artifact = find_row(artifacts, version->version);
	LoadedModel *loaded;
	TwServedModel served;

	if (artifact == NULL || strcmp(artifact->format, "router") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" cannot run in the database", tw_excerpt(version->version)),
				 artifact == NULL ? errdetail("It has no artifact in model_artifacts.")
				 : errdetail("Its artifact is not one of the built-in trainer."),
				 errhint("Call the model where it runs, or name a version that train_model() made.")));

	if (registry_changed)
		drop_unserved(versions, artifacts);
	loaded = find_loaded(artifact->sha256);
	if (loaded == NULL)
		loaded = load_model(schema, artifact);
	else
		dlist_move_head(&loaded_models, &loaded->node);

	served.version = version->version;
	served.model = loaded->model;
	return served;
}

/*
 * Raises an error for a name that no model type can have (the CHECK of model_versions): an application with a typing
 * error such as "Router" would wait for ever for its first version.
 */
void
tw_check_model_type(TwSlice name)
{
	bool		valid = name.length > 0;

	for (int i = 0; i < name.length; i++)
	{
		char		c = name.data[i];
		bool		inner = i > 0 && i < name.length - 1 && name.data[i - 1] != '-';

		valid &= (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && inner);
	}
	if (!valid)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there can be no model type \"%s\"", tw_excerpt_of(name.data, name.length)),
				 errhint("It is router, or a name like food-agent: lower-case letters and digits, with single hyphens "
						 "between them.")));
}

/* The model of the live version of a type; one of NULL where nothing of the type is live. */
TwServedModel
tw_live_model(Oid schema, const char *model_type)
{
	List	   *versions = *(List **) tw_cached_table_get(&versions_cache, schema);
	ListCell   *cell;

	foreach(cell, versions)
	{
		VersionRow *row = lfirst(cell);

		if (row->live && strcmp(row->model_type, model_type) == 0)
			return serve(schema, versions, row);
	}
	tw_check_model_type((TwSlice) {model_type, strlen(model_type)});
	return (TwServedModel) {NULL, NULL};
}

/* The model of a named version, which has to be of this type. */
TwServedModel
tw_model_of_version(Oid schema, const char *model_type, const char *version)
{
	List	   *versions = *(List **) tw_cached_table_get(&versions_cache, schema);
	VersionRow *row = find_row(versions, version);

	if (row == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model version \"%s\" does not exist", tw_excerpt(version)),
				 errhint("SELECT version, status FROM model_versions; shows those that do.")));
	if (strcmp(row->model_type, model_type) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model version \"%s\" is not of type \"%s\"", tw_excerpt(version), tw_excerpt(model_type)),
				 errhint("Its type is \"%s\": pass that as model_type.", tw_excerpt(row->model_type))));
	return serve(schema, versions, row);
}
