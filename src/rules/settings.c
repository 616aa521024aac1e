/*
 * settings.c
 *		The settings of jobs and triggers (table training_settings).
 *
 * The table holds only values that differ from the default. The defaults are
 * in the list below, with each setting's type and meaning.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/cached_table.h"
#include "base/catalog.h"
#include "base/excerpt.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "rules/setting_values.h"
#include "rules/settings.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

typedef struct SettingDefinition SettingDefinition;

struct SettingDefinition
{
	const char *name;
	const char *default_value;
	const char *value_type;
	/* Returns the canonical spelling of a value, or NULL if it is not allowed; NULL if only the extension sets it. */
	char	   *(*canonical) (const char *value);
	const char *description;
	/* Each database of a fleet has a value of its own; the others are the hub's. */
	bool		is_local;
};

static const SettingDefinition definitions[] = {
	{"artifact_server", "auto", "auto, none, or the name of an S3 server", tw_canonical_name,
		"which object store keeps the artifacts of models before they go live; auto is the only S3 server that there "
		"is",
	.is_local = true},
	{"auto_deploy", "on", "on or off", tw_canonical_boolean,
	"whether a model that passed the gate starts its rollout by itself"},
	{"fleet_node", "none", "kept by the extension", NULL,
		"which part of the ids this database gives its conversations (set_fleet_node())",
	.is_local = true},
	{"fleet_role", "single", "kept by the extension", NULL,
		"what this database is to others: single, the hub of a fleet, or one of its nodes (set_fleet_node(), "
		"fleet_leave())",
	.is_local = true},
	{"installation", "none", "kept by the extension", NULL,
		"which database it is that acts with these data (adopt_installation()); a restored copy is told by it",
	.is_local = true},
	{"max_message_bytes", "1048576", "whole number from 1000 to 16777216", tw_canonical_message_bytes,
		"which messages are too long to learn from, in bytes: they wait for a person, are shown cut, and exports skip "
	"such samples"},
	{"min_new_samples", "100", "whole number from 1", tw_canonical_count,
	"how many new samples the weekly training waits for"},
	{"min_test_samples", "200", "whole number from 1", tw_canonical_count,
	"below how many test samples the gate leaves the decision to a person"},
	{"paired_approved_rate", "1", "number from 0.01 to 1", tw_canonical_positive_share,
		"which share of the auto-approved messages that two models disagree about is asked about; taken when an "
	"evaluation starts"},
	{"paired_margin", "0.01", "number from 0 to below 1", tw_canonical_margin,
	"which loss counts as none when paired_max_labels do not show which of two models is better (0.01 is one point)"},
	{"paired_max_labels", "150", "whole number from 10", tw_canonical_labels,
	"after how many labels of disagreements a new model and the live one count as no different"},
	{"redact", "on", "on or off", tw_canonical_boolean,
	"whether personal data is masked where text leaves conversation_logs"},
	{"redact_locations", "on", "on or off", tw_canonical_boolean,
	"whether coordinates and map links count as personal data, while redact is on"},
	{"report_target", "none", "none, the absolute path of a file, or the key of an object", tw_canonical_report_target,
		"where the weekly job publishes the report; {date} stands for its last day, and a key is relative to the "
		"prefix of the store for models",
	.is_local = true},
	{"retain_conversations", "forever", "whole number of days from 1 to 36500, or forever", tw_canonical_retention,
		"after how many days purge_conversations() deletes conversations, with their samples; it deletes none of the "
		"last 30 days, but makes them anonymous",
	.is_local = true},
	{"retain_evaluations", "forever", "whole number of days from 1 to 36500, or forever", tw_canonical_retention,
		"after how many days purge_conversations() deletes the stored answers of models to test samples and to "
		"messages of paired evaluations",
	.is_local = true},
	{"retain_events", "forever", "whole number of days from 1 to 36500, or forever", tw_canonical_retention,
		"after how many days purge_conversations() deletes verdicts and feedback (review_events)",
	.is_local = true},
	{"retain_job_runs", "forever", "whole number of days from 1 to 36500, or forever", tw_canonical_retention,
		"after how many days runs of jobs are deleted, except the newest of each job and outcome; those of jobs that "
		"run every few minutes after 30 days at most",
	.is_local = true},
	{"retain_text", "forever", "whole number of days from 1 to 36500, or forever", tw_canonical_retention,
		"after how many days purge_conversations() makes conversations anonymous: texts, ids of persons and entities "
		"are deleted, and so are their samples",
	.is_local = true},
	{"review_budget_per_day", "60", "whole number from 0", tw_canonical_amount,
	"how many conversations a day the audit draws while the gate has too few test samples (0 = as the policies say)"},
	{"rollback_watch", "3", "whole number of days from 0", tw_canonical_amount,
	"for how many days a model that reached all sessions is watched, and rolled back by itself when it proves worse"},
	{"rollout_alpha", "0.05", "number from 0.000001 to 0.5", tw_canonical_level,
		"how likely a rollout may roll back a model that is as good as the live one, over all looks and guardrails; "
	"taken when it starts"},
	{"rollout_audit_rate", "0.35", "number from 0 to 1", tw_canonical_share,
		"which share of a new model's conversations is drawn for the audit in the first step of its rollout, and of "
	"the live model's as many (0 = as the policies say); counts from the next step on"},
	{"rollout_latency_ratio", "1.5", "number from 1", tw_canonical_ratio,
	"how many times the live model's 95th percentile of latency, and 10 ms more at least, holds a new model"},
	{"rollout_margin", "0.02", "number from 0 to below 1", tw_canonical_margin,
		"which loss counts as none where rollout_require_noninferiority is on (0.02 is two points); taken when a "
	"rollout starts"},
	{"rollout_min_hours", "24", "whole number of hours from 0", tw_canonical_amount,
	"how long a step of a rollout lasts at least"},
	{"rollout_messages_per_session", "10", "whole number from 1", tw_canonical_count,
	"with how many of its first messages a session counts in a step of a rollout; taken when it starts"},
	{"rollout_min_units", "50", "whole number from 5", tw_canonical_units,
	"how many sessions each of the two models must have had in a step before the next one begins"},
	{"rollout_require_noninferiority", "off", "on or off", tw_canonical_boolean,
	"whether a step waits until the new model is shown to lose less than rollout_margin"},
	{"rollout_steps", "auto", "auto, or percentages from 1 that do not fall, the last of them and no other 100",
		tw_canonical_steps,
		"which shares of the sessions a new model is given, step by step; auto chooses them at the start, by the "
	"sessions of the last seven days"},
	{"scheduled", "never", "kept by the extension", NULL,
		"whether schedule_jobs() has made entries of pg_cron here; its updated_at says when it last did",
	.is_local = true},
	{"second_opinion_rate", "0.05", "number from 0 to 1", tw_canonical_share,
	"which share of the audited conversations is judged a second time, by another person (0 = none)"},
	{"target_accuracy", "0.85", "number from 0 to 1", tw_canonical_share,
	"which accuracy on the test set a new model must reach"},
	{"time_zone", "UTC", "name from pg_timezone_names, for example Asia/Kolkata", tw_canonical_time_zone,
	"in which time zone created_on counts days, for rows captured from now on"},
	{"training_threshold", "1000", "whole number from 1", tw_canonical_count,
	"how many new samples start a training run before the week is over"},
};

/* The cache: the stored values, and in binary form the settings that capture reads for every row. */
typedef struct CachedSettings
{
	char	   *values[lengthof(definitions)];	/* NULL = default */
	TwSettings	read;			/* some of them, in the form in which they are used */
} CachedSettings;

static int
find_definition(const char *name)
{
	for (size_t i = 0; i < lengthof(definitions); i++)
	{
		if (strcmp(definitions[i].name, name) == 0)
			return (int) i;
	}
	return -1;
}

/* Like find_definition, but raises 42704 for an unknown name. */
static int
require_definition(const char *name)
{
	int			found = find_definition(name);
	StringInfoData names;

	if (found >= 0)
		return found;

	initStringInfo(&names);
	for (size_t i = 0; i < lengthof(definitions); i++)
		appendStringInfo(&names, "%s%s", i == 0 ? "" : ", ", definitions[i].name);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("there is no training setting \"%s\"", tw_excerpt(name)),
			 errhint("The settings are: %s.", names.data)));
	return -1;					/* keep compiler quiet */
}

static void *
begin_settings(void)
{
	return palloc0(sizeof(CachedSettings));
}

static void
add_setting(void *data, HeapTuple tuple, TupleDesc desc)
{
	CachedSettings *settings = data;
	bool		isnull;
	char	   *name = TextDatumGetCString(heap_getattr(tuple, 1, desc, &isnull));
	int			found = find_definition(name);

	/* A name of another version stays in the table and has no effect. */
	if (found >= 0)
		settings->values[found] = TextDatumGetCString(heap_getattr(tuple, 2, desc, &isnull));
}

static const char *
value_of(const CachedSettings *settings, int index)
{
	return settings->values[index] ? settings->values[index] : definitions[index].default_value;
}

/*
 * The setting max_message_bytes, in bytes. A stored value that is not allowed
 * counts as the default: capture must go on.
 */
static int
message_bytes(const CachedSettings *settings)
{
	int			index = find_definition("max_message_bytes");
	char	   *canonical = tw_canonical_message_bytes(value_of(settings, index));

	return pg_strtoint32(canonical ? canonical : definitions[index].default_value);
}

/* Any value but these two is that of a database on its own. */
static TwFleetRole
fleet_role(const CachedSettings *settings)
{
	const char *value = value_of(settings, find_definition("fleet_role"));

	if (strcmp(value, "node") == 0)
		return TW_FLEET_NODE;
	return strcmp(value, "hub") == 0 ? TW_FLEET_HUB : TW_FLEET_SINGLE;
}

static void
finish_settings(void *data)
{
	CachedSettings *settings = data;
	TwSettings *read = &settings->read;
	int			zone = find_definition("time_zone");
	const char *name = value_of(settings, zone);

	/* Any value but "off" turns redaction on: the safe reading of a damaged value. */
	read->redact = strcmp(value_of(settings, find_definition("redact")), "off") != 0;
	read->redact_locations = strcmp(value_of(settings, find_definition("redact_locations")), "off") != 0;
	read->max_message_bytes = message_bytes(settings);
	read->fleet_role = fleet_role(settings);
	read->time_zone = tw_named_time_zone(name);
	if (read->time_zone == NULL)
	{
		/*
		 * A restored copy may know fewer zones, and an older version may have stored an invalid name. Capture must go
		 * on.
		 */
		ereport(WARNING,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("this server does not know the time zone \"%s\" of training setting \"time_zone\"",
						tw_excerpt(name)),
				 errdetail("Until this is corrected, days are counted in UTC."),
				 errhint("Choose a name from pg_timezone_names with set_training_setting('time_zone', ...).")));
		read->time_zone = pg_tzset("GMT");
		/* AT TIME ZONE would accept some of these values and compute other days: replace them by UTC. */
		if (pg_tzset(name) != NULL)
			settings->values[zone] = pstrdup("UTC");
	}
}

static const TwColumn columns[] = {
	{1, TEXTOID, "name"},
	{2, TEXTOID, "value"},
};

static TwCachedTable settings_cache = {
	.table_name = "training_settings",
	.columns = columns,
	.column_count = lengthof(columns),
	.begin = begin_settings,
	.add_row = add_setting,
	.finish = finish_settings,
};

/* The value of a setting that is in force; valid until the next call. */
const char *
tw_setting(Oid schema, const char *name)
{
	return value_of(tw_cached_table_get(&settings_cache, schema), require_definition(name));
}

/* The settings in force that every row needs. */
TwSettings
tw_settings(Oid schema)
{
	return ((CachedSettings *) tw_cached_table_get(&settings_cache, schema))->read;
}

static void
store_setting(Oid schema, const char *name, const char *value)
{
	const char *table = quote_qualified_identifier(tw_schema_name(schema), "training_settings");
	Oid			types[] = {TEXTOID, TEXTOID};
	Datum		values[2];
	char	   *command;

	values[0] = CStringGetTextDatum(name);
	if (value == NULL)
		command = psprintf("DELETE FROM %s WHERE name = $1", table);
	else
	{
		values[1] = CStringGetTextDatum(value);
		command = psprintf("INSERT INTO %s (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE "
						   "SET value = excluded.value, updated_at = now(), updated_by = session_user", table);
	}

	SPI_connect();
	if (SPI_execute_with_args(command, value ? 2 : 1, types, values, NULL, false, 0) < 0)
		elog(ERROR, "could not store training setting \"%s\"", name);
	SPI_finish();
}

static void
require_file_access(void)
{
	Oid			caller = GetOuterUserId();

	if (!has_privs_of_role(caller, ROLE_PG_WRITE_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to have the report written to a file of the server"),
				 errdetail("Role \"%s\" does not have the privileges of pg_write_server_files.",
						   GetUserNameFromId(caller, false)),
				 errhint("Name the key of an object in the store for models, or have the role granted.")));
}

/* What all databases of a fleet have to agree on is set at the hub, which publishes it. */
static void
require_own_setting(Oid schema, int index)
{
	if (definitions[index].is_local || tw_settings(schema).fleet_role != TW_FLEET_NODE)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("training setting \"%s\" is the hub's", definitions[index].name),
			 errdetail("This database is a node of a fleet, and takes the hub's value."),
			 errhint("Set it at the hub. It is in force here as soon as it has arrived (fleet_status).")));
}

PG_FUNCTION_INFO_V1(tw_set_training_setting);

/* set_training_setting(name, value): stores a checked value; NULL resets it to the default. */
Datum
tw_set_training_setting(PG_FUNCTION_ARGS)
{
	Oid			schema = tw_schema_of_function(fcinfo);
	char	   *name;
	char	   *value = NULL;
	int			index;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the name of the setting must not be NULL")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	index = require_definition(name);
	if (definitions[index].canonical == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CANT_CHANGE_RUNTIME_PARAM),
				 errmsg("training setting \"%s\" cannot be changed", name),
				 errdetail("The setting says %s.", definitions[index].description)));
	require_own_setting(schema, index);

	if (!PG_ARGISNULL(1))
	{
		char	   *given = text_to_cstring(PG_GETARG_TEXT_PP(1));

		value = definitions[index].canonical(given);
		if (value == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid value for training setting \"%s\": \"%s\"", name, tw_excerpt(given)),
					 errdetail("The setting says %s.", definitions[index].description),
					 errhint("Its type is: %s. Its default is %s.",
							 definitions[index].value_type, definitions[index].default_value)));
	}
	/* The weekly job writes that file, with the rights of whoever runs it. */
	if (value != NULL && value[0] == '/' && strcmp(name, "report_target") == 0)
		require_file_access();
	store_setting(schema, name, value);
	PG_RETURN_TEXT_P(cstring_to_text(value ? value : definitions[index].default_value));
}

PG_FUNCTION_INFO_V1(tw_local_settings);

/* tw_local_settings(): the names of the settings that each database of a fleet has for itself. */
Datum
tw_local_settings(PG_FUNCTION_ARGS)
{
	Datum		names[lengthof(definitions)];
	int			count = 0;

	for (size_t i = 0; i < lengthof(definitions); i++)
	{
		if (definitions[i].is_local)
			names[count++] = CStringGetTextDatum(definitions[i].name);
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}

PG_FUNCTION_INFO_V1(tw_training_setting);

/* training_setting(name): the value in force. */
Datum
tw_training_setting(PG_FUNCTION_ARGS)
{
	Oid			schema = tw_schema_of_function(fcinfo);
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PG_RETURN_TEXT_P(cstring_to_text(tw_setting(schema, name)));
}

PG_FUNCTION_INFO_V1(tw_named_zone);

/* tw_named_zone(time_zone): the name as pg_timezone_names spells it, or NULL. */
Datum
tw_named_zone(PG_FUNCTION_ARGS)
{
	char	   *name = tw_canonical_time_zone(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (name == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(name));
}

PG_FUNCTION_INFO_V1(tw_list_training_settings);

/* list_training_settings(): every setting with its value, default, type and meaning. */
Datum
tw_list_training_settings(PG_FUNCTION_ARGS)
{
	Oid			schema = tw_schema_of_function(fcinfo);
	FuncCallContext *context;
	const CachedSettings *settings;
	const SettingDefinition *definition;
	Datum		values[6];
	bool		nulls[6] = {false};
	int			index;

	if (SRF_IS_FIRSTCALL())
	{
		TupleDesc	desc;
		MemoryContext caller;

		context = SRF_FIRSTCALL_INIT();
		caller = MemoryContextSwitchTo(context->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		context->tuple_desc = BlessTupleDesc(desc);
		context->max_calls = lengthof(definitions);
		MemoryContextSwitchTo(caller);
	}

	context = SRF_PERCALL_SETUP();
	if (context->call_cntr >= context->max_calls)
		SRF_RETURN_DONE(context);

	index = (int) context->call_cntr;
	definition = &definitions[index];
	settings = tw_cached_table_get(&settings_cache, schema);
	values[0] = CStringGetTextDatum(definition->name);
	values[1] = CStringGetTextDatum(value_of(settings, index));
	values[2] = CStringGetTextDatum(definition->default_value);
	values[3] = BoolGetDatum(settings->values[index] == NULL);
	values[4] = CStringGetTextDatum(definition->value_type);
	values[5] = CStringGetTextDatum(definition->description);
	SRF_RETURN_NEXT(context, HeapTupleGetDatum(heap_form_tuple(context->tuple_desc, values, nulls)));
}
