/*
 * compat.h
 *		Differences between PostgreSQL 14 and 18. No other file tests
 *		PG_VERSION_NUM.
 */
#ifndef TW_COMPAT_H
#define TW_COMPAT_H

#include "utils/guc.h"

#if PG_VERSION_NUM < 140000
#error "training_workflow needs PostgreSQL 14 or later"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM >= 150000
#include "common/pg_prng.h"

#define tw_reserve_guc_prefix(prefix) MarkGUCPrefixReserved(prefix)

/* A uniform random number in [0, 1). Its state belongs to the backend; setseed() does not affect it. */
#define tw_random() pg_prng_double(&pg_global_prng_state)
#else
#define tw_reserve_guc_prefix(prefix) EmitWarningsOnPlaceholders(prefix)
#define tw_random() ((double) random() / ((double) MAX_RANDOM_VALUE + 1))
#endif

/* A lexer for pg_parse_json() over UTF-8 text that decodes escapes. For users of common/jsonapi.h. */
#if PG_VERSION_NUM >= 170000
#define tw_json_lexer(text, length) makeJsonLexContextCstringLen(NULL, text, length, PG_UTF8, true)
#else
#define tw_json_lexer(text, length) makeJsonLexContextCstringLen(text, length, PG_UTF8, true)
#endif

#endif							/* TW_COMPAT_H */
