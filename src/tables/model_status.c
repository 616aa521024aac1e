/*
 * model_status.c
 *		The allowed changes of a model version's status.
 */
#include "postgres.h"

#include "base/excerpt.h"
#include "base/table_triggers.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"

typedef struct Step
{
	const char *from;
	const char *to;
} Step;

/*
 * All allowed changes. A retired version becomes live again when its successor
 * is rolled back. A canary retires when a better candidate replaces it. A
 * person may roll out a rolled-back version again, have the gate check a
 * rejected version again, or make it live despite the gate.
 */
static const Step steps[] = {
	{"training", "candidate"},
	{"training", "rejected"},
	{"training", "failed"},
	{"candidate", "rejected"},
	{"candidate", "canary"},
	{"candidate", "production"},
	{"candidate", "retired"},
	{"rejected", "candidate"},
	{"rejected", "production"},
	{"canary", "production"},
	{"canary", "rolled-back"},
	{"canary", "retired"},
	{"production", "retired"},
	{"production", "rolled-back"},
	{"retired", "production"},
	{"rolled-back", "canary"},
	{"rolled-back", "production"},
};

static bool
is_step(const char *from, const char *to)
{
	for (size_t i = 0; i < lengthof(steps); i++)
	{
		if (strcmp(steps[i].from, from) == 0 && strcmp(steps[i].to, to) == 0)
			return true;
	}
	return false;
}

/* The statuses that can follow a status, for a hint. */
static char *
steps_from(const char *from)
{
	StringInfoData names;

	initStringInfo(&names);
	for (size_t i = 0; i < lengthof(steps); i++)
	{
		if (strcmp(steps[i].from, from) == 0)
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", steps[i].to);
	}
	return names.data;
}

static char *
column_text(HeapTuple tuple, TupleDesc desc, const char *name)
{
	char	   *value = SPI_getvalue(tuple, desc, SPI_fnumber(desc, name));

	/* For a new value, the NOT NULL constraint raises the error. */
	return value ? value : pstrdup("");
}

PG_FUNCTION_INFO_V1(tw_check_model_status);

/* BEFORE UPDATE of a model version whose status, name or type changes. */
Datum
tw_check_model_status(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	char	   *version;
	char	   *from;
	char	   *to;
	char	   *next;

	tw_check_trigger(fcinfo, "tw_check_model_status", TW_BEFORE | TW_ROW | TW_ON_UPDATE);
	desc = RelationGetDescr(trigdata->tg_relation);
	version = column_text(trigdata->tg_trigtuple, desc, "version");
	if (strcmp(version, column_text(trigdata->tg_newtuple, desc, "version")) != 0 ||
		strcmp(column_text(trigdata->tg_trigtuple, desc, "model_type"),
			   column_text(trigdata->tg_newtuple, desc, "model_type")) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version and type of model \"%s\" cannot change", tw_excerpt(version)),
				 errdetail("Samples, evaluations and deployments name the version."),
				 errhint("Register another version with register_model().")));

	from = column_text(trigdata->tg_trigtuple, desc, "status");
	to = column_text(trigdata->tg_newtuple, desc, "status");
	/* For a NULL, the NOT NULL constraint raises the error. */
	if (strcmp(from, to) == 0 || is_step(from, to) || to[0] == '\0')
		return PointerGetDatum(trigdata->tg_newtuple);

	next = steps_from(from);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("model \"%s\" cannot go from %s to %s", tw_excerpt(version), tw_excerpt(from), tw_excerpt(to)),
			 next[0] != '\0' ? errhint("From %s it can go to: %s.", tw_excerpt(from), next)
			 : errhint("The status %s is final: train or register another version.", tw_excerpt(from))));
	return PointerGetDatum(NULL);	/* keep compiler quiet */
}
