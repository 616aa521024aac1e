/*
 * assign.c
 *		assign_model_version(): which version of a model answers a session.
 *
 * Each rollout hashes its units into 10,000 buckets, and a canary with p percent
 * of the traffic answers those below 100 p: raising the percentage only adds
 * units, and no unit moves otherwise. The hash depends on the canary's version;
 * from its second rollout on (after a rollback) on the version and the number of
 * the rollout, as in "router-v1.1.0#2", so that it gets other units. Both are
 * in model_versions: a standby or a restored database assigns the same.
 *
 * Applications may compute buckets themselves (in a proxy, say), so the formula
 * never changes:
 *
 *		bucket = mix(mix(fnv(unit)) XOR mix(fnv(rollout))) modulo 10000
 *
 * over unsigned 64-bit numbers. fnv is FNV-1a over the bytes of the text in
 * UTF-8, as they are, without terminator: h = 0xcbf29ce484222325, then for each
 * byte h = ((h XOR byte) * 0x100000001b3) modulo 2^64. mix is MurmurHash3's
 * finaliser: h = h XOR h >> 33, h = h * 0xff51afd7ed558ccd modulo 2^64,
 * h = h XOR h >> 33, h = h * 0xc4ceb9fe1a85ec53 modulo 2^64,
 * h = h XOR h >> 33. With one salt for all rollouts, every new version would get
 * the same users first. Both hashes are mixed before the XOR, so that versions
 * that differ in one digit give independent buckets.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/cached_table.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/hash.h"
#include "base/null_argument.h"
#include "base/slice.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "model/model_cache.h"
#include "utils/builtins.h"

#define BUCKETS 10000
#define BUCKETS_A_PERCENT (BUCKETS / 100)

enum
{
	VERSION_ATTNUM = 1,
	TYPE_ATTNUM = 2,
	STATUS_ATTNUM = 3,
	TRAFFIC_ATTNUM = 4,
	ROLLOUT_NUMBER_ATTNUM = 36
};

static const TwColumn columns[] = {
	{VERSION_ATTNUM, TEXTOID, "version"},
	{TYPE_ATTNUM, TEXTOID, "model_type"},
	{STATUS_ATTNUM, TEXTOID, "status"},
	{TRAFFIC_ATTNUM, INT4OID, "traffic_percentage"},
	{ROLLOUT_NUMBER_ATTNUM, INT4OID, "rollout_number", .is_later = true},
};

/* The versions that answer for a model type. */
typedef struct ModelType
{
	TwSlice		name;
	text	   *live;			/* NULL = none */
	text	   *canary;			/* NULL = none */
	uint64		salt;			/* of the canary's rollout */
	uint32		canary_buckets;
} ModelType;

typedef struct ModelTypes
{
	int			count;
	int			capacity;
	ModelType  *types;			/* sorted by name once it is complete */
} ModelTypes;

static uint64
mixed(TwSlice slice)
{
	return tw_finalise(tw_fnv(TW_FNV_BASIS, slice.data, slice.length));
}

static inline uint32
bucket_of(uint64 salt, TwSlice unit)
{
	return (uint32) (tw_finalise(mixed(unit) ^ salt) % BUCKETS);
}

static void *
begin_types(void)
{
	ModelTypes *all = palloc0(sizeof(ModelTypes));

	all->capacity = 8;
	all->types = palloc(sizeof(ModelType) * all->capacity);
	return all;
}

/* The entry of a type; a new one at its first version. */
static ModelType *
type_entry(ModelTypes *all, TwSlice name)
{
	ModelType  *type;

	for (int i = 0; i < all->count; i++)
	{
		if (tw_slice_compare(all->types[i].name, name) == 0)
			return &all->types[i];
	}
	if (all->count == all->capacity)
	{
		all->capacity *= 2;
		all->types = repalloc(all->types, sizeof(ModelType) * all->capacity);
	}
	type = &all->types[all->count++];
	memset(type, 0, sizeof(ModelType));
	type->name.data = pnstrdup(name.data, name.length);
	type->name.length = name.length;
	return type;
}

static bool
slice_is(TwSlice slice, const char *word)
{
	return slice.length == (int) strlen(word) && memcmp(slice.data, word, slice.length) == 0;
}

static TwSlice
text_column(HeapTuple tuple, TupleDesc desc, AttrNumber attnum)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, desc, &isnull);

	return tw_text_slice(value, isnull);
}

/* The hash of a rollout: of the version, and from its second rollout on of "<version>#<number>". */
static uint64
rollout_salt(TwSlice version, int number)
{
	char	   *name;

	if (number <= 1)
		return mixed(version);
	name = psprintf("%.*s#%d", version.length, version.data, number);
	return mixed((TwSlice) {name, strlen(name)});
}

static void
add_version(void *data, HeapTuple tuple, TupleDesc desc)
{
	TwSlice		version = text_column(tuple, desc, VERSION_ATTNUM);
	TwSlice		status = text_column(tuple, desc, STATUS_ATTNUM);
	TwSlice		name = text_column(tuple, desc, TYPE_ATTNUM);
	ModelType  *type;
	bool		isnull;

	/* NULL only if an owner dropped the NOT NULL constraints. */
	if (version.data == NULL || status.data == NULL || name.data == NULL)
		return;
	type = type_entry(data, name);
	if (slice_is(status, "production"))
		type->live = cstring_to_text_with_len(version.data, version.length);
	else if (slice_is(status, "canary"))
	{
		Datum		percentage = heap_getattr(tuple, TRAFFIC_ATTNUM, desc, &isnull);

		/* Until ALTER EXTENSION UPDATE, tables of 0.1.0 answer for this library. */
		bool		no_number = desc->natts < ROLLOUT_NUMBER_ATTNUM;
		Datum		number = no_number ? (Datum) 0 : heap_getattr(tuple, ROLLOUT_NUMBER_ATTNUM, desc, &no_number);

		type->canary = cstring_to_text_with_len(version.data, version.length);
		type->salt = rollout_salt(version, no_number ? 1 : DatumGetInt32(number));
		type->canary_buckets = isnull ? 0 : DatumGetInt32(percentage) * BUCKETS_A_PERCENT;
	}
}

static int
compare_types(const void *a, const void *b)
{
	return tw_slice_compare(((const ModelType *) a)->name, ((const ModelType *) b)->name);
}

static void
finish_types(void *data)
{
	ModelTypes *all = data;

	qsort(all->types, all->count, sizeof(ModelType), compare_types);
}

static TwCachedTable types_cache = {
	.table_name = "model_versions",
	.columns = columns,
	.column_count = lengthof(columns),
	.begin = begin_types,
	.add_row = add_version,
	.finish = finish_types,
};

/* The type of that name; NULL where it has no version yet. */
static const ModelType *
find_type(Oid schema, TwSlice name)
{
	const ModelTypes *all = tw_cached_table_get(&types_cache, schema);
	ModelType	key = {.name = name};

	return bsearch(&key, all->types, all->count, sizeof(ModelType), compare_types);
}

PG_FUNCTION_INFO_V1(tw_assign_model_version);

/* assign_model_version(model_type, unit_id) */
Datum
tw_assign_model_version(PG_FUNCTION_ARGS)
{
	const ModelType *type;
	const text *version;
	text	   *result;

	tw_refuse_null(fcinfo, 0, "the model type",
				   "It is router for the built-in router; SELECT DISTINCT model_type FROM model_versions; shows all.");
	tw_refuse_null(fcinfo, 1, "the unit",
				   "Pass the session's id, the same for each message of the session: its version depends on nothing "
				   "else.");

	type = find_type(tw_kept_schema_of_function(fcinfo), tw_text_slice(PG_GETARG_DATUM(0), false));
	if (type == NULL)
	{
		tw_check_model_type(tw_text_slice(PG_GETARG_DATUM(0), false));
		PG_RETURN_NULL();
	}
	if (type->canary != NULL && bucket_of(type->salt, tw_text_slice(PG_GETARG_DATUM(1), false)) < type->canary_buckets)
		version = type->canary;
	else
		version = type->live;
	if (version == NULL)
		PG_RETURN_NULL();

	/* A copy: the next call, perhaps for the same row, may reload the table. */
	result = palloc(VARSIZE(version));
	memcpy(result, version, VARSIZE(version));
	PG_RETURN_TEXT_P(result);
}

PG_FUNCTION_INFO_V1(tw_rollout_bucket);

/* rollout_bucket(version, unit_id) */
Datum
tw_rollout_bucket(PG_FUNCTION_ARGS)
{
	TwSlice		version = tw_text_slice(PG_GETARG_DATUM(0), false);
	TwSlice		unit = tw_text_slice(PG_GETARG_DATUM(1), false);

	PG_RETURN_INT32((int32) bucket_of(mixed(version), unit));
}
