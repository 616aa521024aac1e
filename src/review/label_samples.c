/*
 * label_samples.c
 *		The samples of labelled conversations.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/kept_plan.h"
#include "capture/promote.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"

#define LABEL "coalesce($2, c.nlu_intent)"
#define LABELLED(entities) \
	TW_SAMPLES_OF("%1$s.conversation_logs c WHERE c.id OPERATOR(pg_catalog.=) ANY ($1) ORDER BY c.id", LABEL, \
				  LABEL " OPERATOR(pg_catalog.=) c.nlu_intent", entities("coalesce($3, c.nlu_entities)"), "$4")

PG_FUNCTION_INFO_V1(tw_label_samples);

/* tw_label_samples(ids, new_intent, new_entities, reviewer_name) */
Datum
tw_label_samples(PG_FUNCTION_ARGS)
{
	static TwKeptPlan kept[TW_ENTITIES_VARIANTS];
	static const char *const inserts[] = {LABELLED(TW_ENTITIES_ALONE), LABELLED(TW_ENTITIES_OF_MESSAGE)};
	static const char on_conflict[] =
		" ON CONFLICT (conversation_log_id) DO UPDATE SET "
		"intent = excluded.intent, module_id = excluded.module_id, module_type = excluded.module_type, "
		"entities = excluded.entities, expected_service = excluded.expected_service, "
		"review_status = excluded.review_status, pending_reason = NULL, label_source = excluded.label_source, "
		"reviewed_by = excluded.reviewed_by, reviewed_at = excluded.reviewed_at, quality_score = "
		"excluded.quality_score, "
		/* A changed label is new to a model that learned the old one. */
		"model_version_target = "
		"CASE WHEN s.intent OPERATOR(pg_catalog.=) excluded.intent THEN s.model_version_target END";

	Oid			schema = tw_schema_of_function(fcinfo);
	Oid			types[] = {INT8ARRAYOID, TEXTOID, JSONBOID, TEXTOID};
	Datum		values[lengthof(types)];
	char		nulls[lengthof(types)];
	int			variant = tw_entities_variant(schema);

	for (size_t i = 0; i < lengthof(types); i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	SPI_connect();
	tw_run_insert(&kept[variant], schema, psprintf("%s%s", inserts[variant], on_conflict), lengthof(types), types,
				  values, nulls);
	SPI_finish();
	PG_RETURN_VOID();
}
