/*
 * compat.h
 *		Differences between PostgreSQL 15 and 18. No other file tests
 *		PG_VERSION_NUM.
 */
#ifndef TW_COMPAT_H
#define TW_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "training_workflow needs PostgreSQL 15 or later"
#endif

/* SET_VARSIZE, VARDATA_ANY and their like, which postgres.h had until then. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* A function that does not return. 18 replaced pg_attribute_noreturn() by this word, which comes first. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* PG_MODULE_MAGIC; from 18 on pg_get_loaded_modules() shows a library's name and version too. */
#if PG_VERSION_NUM >= 180000
#define tw_module_magic(library) PG_MODULE_MAGIC_EXT(.name = library, .version = TW_VERSION)
#else
#define tw_module_magic(library) PG_MODULE_MAGIC
#endif

/* What a failed assertion calls. For the unit tests, which stand in for the server. */
#if PG_VERSION_NUM >= 160000
#define TW_EXCEPTIONAL_CONDITION(condition, file, line) ExceptionalCondition(condition, file, line)
#else
#define TW_EXCEPTIONAL_CONDITION(condition, file, line) ExceptionalCondition(condition, const char *type, file, line)
#endif

/* PBKDF2 with SHA-256. For users of common/scram-common.h. */
#if PG_VERSION_NUM >= 160000
#define tw_pbkdf2(password, salt, salt_length, iterations, result, problem) \
	scram_SaltedPassword(password, PG_SHA256, SCRAM_SHA_256_KEY_LEN, (void *) (salt), salt_length, iterations, result, \
						 problem)
#else
#define tw_pbkdf2(password, salt, salt_length, iterations, result, problem) \
	scram_SaltedPassword(password, (void *) (salt), salt_length, iterations, result, problem)
#endif

/* A lexer for pg_parse_json() over UTF-8 text that decodes escapes. For users of common/jsonapi.h. */
#if PG_VERSION_NUM >= 170000
#define tw_json_lexer(text, length) makeJsonLexContextCstringLen(NULL, text, length, PG_UTF8, true)
#else
#define tw_json_lexer(text, length) makeJsonLexContextCstringLen(text, length, PG_UTF8, true)
#endif

/*
 * What a query or plan needs privileges for: a list of entries with requiredPerms, some of them 0. For users of
 * executor/executor.h. Until 15 the range table was that list, and its entries have fields of the same names.
 */
#if PG_VERSION_NUM >= 160000
typedef struct RTEPermissionInfo TwPermissions;

#define tw_query_permissions(query) ((query)->rteperminfos)
#define tw_plan_permissions(plan) ((plan)->permInfos)
#else
typedef struct RangeTblEntry TwPermissions;

#define tw_query_permissions(query) ((query)->rtable)
#define tw_plan_permissions(plan) ((plan)->rtable)
#endif

/* The number of a backend's transaction, which no other of the same backend has. For users of storage/proc.h. */
#if PG_VERSION_NUM >= 170000
#define tw_local_transaction(proc) ((proc)->vxid.lxid)
#else
#define tw_local_transaction(proc) ((proc)->lxid)
#endif

/* The status of the backend with this place, from 1, in the list of backends. For users of utils/backend_status.h. */
#if PG_VERSION_NUM >= 160000
#define tw_backend_status(place) pgstat_get_local_beentry_by_index(place)
#else
#define tw_backend_status(place) pgstat_fetch_stat_local_beentry(place)
#endif

/* A connection to a publisher of logical replication, NULL with *error set. For users of replication/walreceiver.h. */
#if PG_VERSION_NUM >= 170000
#define tw_connect_publisher(connection, error) \
	walrcv_connect(connection, true, true, !superuser(), "training_workflow", error)
#elif PG_VERSION_NUM >= 160000
#define tw_connect_publisher(connection, error) \
	walrcv_connect(connection, true, !superuser(), "training_workflow", error)
#else
#define tw_connect_publisher(connection, error) walrcv_connect(connection, true, "training_workflow", error)
#endif

/* The index of a table's primary key. For users of utils/relcache.h. */
#if PG_VERSION_NUM >= 180000
#define tw_primary_key(rel) RelationGetPrimaryKeyIndex(rel, false)
#else
#define tw_primary_key(rel) RelationGetPrimaryKeyIndex(rel)
#endif

/* Whether the role may create subscriptions. For users of catalog/pg_authid.h and utils/acl.h. */
#if PG_VERSION_NUM >= 160000
#define tw_may_subscribe() has_privs_of_role(GetUserId(), ROLE_PG_CREATE_SUBSCRIPTION)
#else
#define tw_may_subscribe() superuser()
#endif

/* The prepared CHECKs of a table that is written to; whether a CHECK is enforced. For users of nodes/execnodes.h. */
#if PG_VERSION_NUM >= 180000
#define tw_check_states(result) ((result)->ri_CheckConstraintExprs)
#define tw_is_enforced(check) ((check)->ccenforced)
#else
#define tw_check_states(result) ((result)->ri_ConstraintExprs)
#define tw_is_enforced(check) true
#endif

#endif							/* TW_COMPAT_H */
