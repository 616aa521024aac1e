/*
 * module_limits.c
 *		Which modules the calling role may see (table role_modules).
 *
 * The caller is the role of SET ROLE, or the one that logged in: SECURITY
 * DEFINER does not change it. A role is limited if it has the privileges of a
 * role with a limit. It sees the modules of all these limits. It sees all
 * modules if it also has the privileges of a role that was granted a kind
 * without a limit. Who was granted a kind can be read from the privileges on
 * the table or view that only this kind, and operators, may read.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "base/cached_table.h"
#include "base/catalog.h"
#include "base/table_changes.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/supportnodes.h"
#include "rules/conversations.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

enum
{
	ROLE_NAME_ATTNUM = 1,
	KIND_ATTNUM = 2,
	MODULES_ATTNUM = 3,
	ROLE_ID_ATTNUM = 4,
	SYSTEM_IDENTIFIER_ATTNUM = 5
};

static const TwColumn columns[] = {
	{ROLE_NAME_ATTNUM, TEXTOID, "role_name"},
	{KIND_ATTNUM, TEXTOID, "kind"},
	{MODULES_ATTNUM, TEXTARRAYOID, "modules"},
	{ROLE_ID_ATTNUM, OIDOID, "role_id"},
	{SYSTEM_IDENTIFIER_ATTNUM, INT8OID, "system_identifier"},
};

/* What only a role of this kind, and an operator, may read. */
typedef struct KindMark
{
	const char *kind;
	const char *relation;
} KindMark;

#define KINDS 3

static const KindMark marks[KINDS] = {
	{"reviewer", "training_samples"},
	{"analyst", "daily_training_stats"},
	{"operator", "conversation_logs"},
};

/* One row of role_modules. */
typedef struct ModuleLimit
{
	char	   *role_name;
	char	   *kind;
	Oid			role_id;		/* InvalidOid if it was granted in another cluster */
	int			count;
	TwSlice    *modules;
} ModuleLimit;

typedef struct ModuleLimits
{
	int			count;
	int			capacity;
	ModuleLimit *rows;
	TwSlice    *seen;			/* room for the modules of all rows */
} ModuleLimits;

/* What the caller sees; kept until a limit, a role, a membership or a privilege changes. */
typedef struct Sight
{
	bool		is_valid;
	Oid			caller;
	const ModuleLimits *limits; /* what it was made of */
	Oid			marks[KINDS];
	bool		sees_all;
	int			count;
	TwSlice    *modules;		/* limits->seen */
} Sight;

static Sight sight;

static void *
begin_limits(void)
{
	ModuleLimits *all = palloc0(sizeof(ModuleLimits));

	sight.is_valid = false;
	all->capacity = 8;
	all->rows = palloc(sizeof(ModuleLimit) * all->capacity);
	return all;
}

static void
add_limit(void *data, HeapTuple tuple, TupleDesc desc)
{
	ModuleLimits *all = data;
	ModuleLimit limit;
	bool		isnull;
	Datum	   *modules;

	limit.role_name = TextDatumGetCString(heap_getattr(tuple, ROLE_NAME_ATTNUM, desc, &isnull));
	limit.kind = TextDatumGetCString(heap_getattr(tuple, KIND_ATTNUM, desc, &isnull));
	limit.role_id = InvalidOid;
	if ((uint64) DatumGetInt64(heap_getattr(tuple, SYSTEM_IDENTIFIER_ATTNUM, desc, &isnull)) == GetSystemIdentifier())
		limit.role_id = DatumGetObjectId(heap_getattr(tuple, ROLE_ID_ATTNUM, desc, &isnull));
	deconstruct_array(DatumGetArrayTypePCopy(heap_getattr(tuple, MODULES_ATTNUM, desc, &isnull)),
					  TEXTOID, -1, false, TYPALIGN_INT, &modules, NULL, &limit.count);
	limit.modules = palloc(sizeof(TwSlice) * Max(limit.count, 1));
	for (int i = 0; i < limit.count; i++)
		limit.modules[i] = tw_text_slice(modules[i], false);

	if (all->count == all->capacity)
	{
		all->capacity *= 2;
		all->rows = repalloc(all->rows, sizeof(ModuleLimit) * all->capacity);
	}
	all->rows[all->count++] = limit;
}

static void
finish_limits(void *data)
{
	ModuleLimits *all = data;
	int			total = 0;

	for (int i = 0; i < all->count; i++)
		total += all->rows[i].count;
	all->seen = palloc(sizeof(TwSlice) * Max(total, 1));
}

static TwCachedTable limits_cache = {
	.table_name = "role_modules",
	.columns = columns,
	.column_count = lengthof(columns),
	.begin = begin_limits,
	.add_row = add_limit,
	.finish = finish_limits,
};

static void
forget_sight(Datum arg, int cacheid, uint32 hashvalue)
{
	sight.is_valid = false;
}

/* GRANT, REVOKE and ALTER OWNER on a table invalidate its entry in the relation cache. */
static void
forget_sight_of(Oid relid)
{
	for (int i = 0; i < KINDS; i++)
	{
		if (relid == InvalidOid || relid == sight.marks[i])
			sight.is_valid = false;
	}
}

static void
watch_roles(void)
{
	static bool is_watching = false;

	if (is_watching)
		return;
	CacheRegisterSyscacheCallback(AUTHOID, forget_sight, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, forget_sight, (Datum) 0);
	tw_on_table_change(forget_sight_of);
	is_watching = true;
}

/*
 * The role that a row is about, or InvalidOid. Here it is known by its OID,
 * also under a new name; after a restore into another cluster, by its name.
 */
static Oid
limited_role(const ModuleLimit *limit)
{
	if (OidIsValid(limit->role_id))
		return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(limit->role_id)) ? limit->role_id : InvalidOid;
	return get_role_oid(limit->role_name, true);
}

static bool
is_limited(const ModuleLimits *all, Oid role, const char *kind)
{
	for (int i = 0; i < all->count; i++)
	{
		if (strcmp(all->rows[i].kind, kind) == 0 && limited_role(&all->rows[i]) == role)
			return true;
	}
	return false;
}

/* Whether the caller owns the relation of this kind, or may read it by a grant without a limit. */
static bool
has_kind_without_limit(const ModuleLimits *all, Oid caller, Oid relid, const char *kind)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		isnull;
	bool		found;
	Datum		value;

	if (!HeapTupleIsValid(tuple))
		return false;
	found = has_privs_of_role(caller, ((Form_pg_class) GETSTRUCT(tuple))->relowner);
	value = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relacl, &isnull);
	if (!isnull && !found)
	{
		Acl		   *acl = DatumGetAclP(value);
		AclItem    *items = (AclItem *) ((char *) acl + ARR_OVERHEAD_NONULLS(1));

		for (int i = 0; i < ACL_NUM(acl) && !found; i++)
		{
			found = (ACLITEM_GET_PRIVS(items[i]) & ACL_SELECT) != 0 &&
				(items[i].ai_grantee == ACL_ID_PUBLIC ||
				 (has_privs_of_role(caller, items[i].ai_grantee) && !is_limited(all, items[i].ai_grantee, kind)));
		}
	}
	ReleaseSysCache(tuple);
	return found;
}

/* The modules of all limits that the caller is under; none if the caller is under no limit. */
static void
add_limits_of(const ModuleLimits *all, Oid caller, Sight *seen)
{
	seen->modules = all->seen;
	seen->sees_all = true;
	for (int i = 0; i < all->count; i++)
	{
		Oid			role = limited_role(&all->rows[i]);

		if (!OidIsValid(role) || !has_privs_of_role(caller, role))
			continue;
		seen->sees_all = false;
		memcpy(seen->modules + seen->count, all->rows[i].modules, sizeof(TwSlice) * all->rows[i].count);
		seen->count += all->rows[i].count;
	}
}

static void
look(const ModuleLimits *all, Oid schema, Oid caller)
{
	Sight		seen = {.caller = caller, .limits = all};

	watch_roles();
	for (int i = 0; i < KINDS; i++)
		seen.marks[i] = get_relname_relid(marks[i].relation, schema);
	sight = seen;
	/* A change that arrives meanwhile makes it invalid again. */
	sight.is_valid = true;
	add_limits_of(all, caller, &seen);
	/* Superusers have the privileges of every role. */
	if (!seen.sees_all)
		seen.sees_all = superuser_arg(caller) || has_privs_of_role(caller, ROLE_PG_READ_ALL_DATA);
	for (int i = 0; i < KINDS && !seen.sees_all; i++)
		seen.sees_all = has_kind_without_limit(all, caller, seen.marks[i], marks[i].kind);
	seen.is_valid = sight.is_valid;
	sight = seen;
}

/* What the caller sees, or NULL for everything. */
static const Sight *
sight_of_caller(Oid schema)
{
	const ModuleLimits *all = tw_cached_table_get(&limits_cache, schema);
	Oid			caller;

	if (all->count == 0)
		return NULL;
	caller = GetOuterUserId();
	if (!sight.is_valid || sight.caller != caller || sight.limits != all)
		look(all, schema, caller);
	return sight.sees_all ? NULL : &sight;
}

PG_FUNCTION_INFO_V1(tw_sees_all_modules);

/* tw_sees_all_modules() */
Datum
tw_sees_all_modules(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(sight_of_caller(tw_kept_schema_of_function(fcinfo)) == NULL);
}

PG_FUNCTION_INFO_V1(tw_sees_module);

/* tw_sees_module(module_type, intent) */
Datum
tw_sees_module(PG_FUNCTION_ARGS)
{
	static const TwSlice no_module = {"", 0};
	const Sight *seen = sight_of_caller(tw_kept_schema_of_function(fcinfo));
	TwSlice		module;

	if (seen == NULL)
		PG_RETURN_BOOL(true);
	module = tw_module_of(tw_text_argument(fcinfo, 0), tw_text_argument(fcinfo, 1));
	if (module.data == NULL)
		module = no_module;
	for (int i = 0; i < seen->count; i++)
	{
		if (tw_slice_compare(seen->modules[i], module) == 0)
			PG_RETURN_BOOL(true);
	}
	PG_RETURN_BOOL(false);
}

PG_FUNCTION_INFO_V1(tw_sees_module_support);

/* Without it the planner would expect a third of the rows, and choose other plans than without the condition. */
Datum
tw_sees_module_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestSelectivity))
	{
		((SupportRequestSelectivity *) request)->selectivity = 1;
		PG_RETURN_POINTER(request);
	}
	PG_RETURN_POINTER(NULL);
}
