/*
 * sample_text.c
 *		A message and its entities as they leave conversation_logs.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "fmgr.h"
#include "privacy/redact.h"
#include "rules/settings.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(tw_sample_text);

/* tw_sample_text(message) */
Datum
tw_sample_text(PG_FUNCTION_ARGS)
{
	text	   *message = PG_GETARG_TEXT_PP(0);
	Oid			schema = tw_kept_schema_of_function(fcinfo);

	if (tw_setting_redact(schema))
		message = tw_redact(message, tw_setting_redact_locations(schema));
	PG_RETURN_TEXT_P(message);
}

PG_FUNCTION_INFO_V1(tw_sample_entities);

/* tw_sample_entities(entities) */
Datum
tw_sample_entities(PG_FUNCTION_ARGS)
{
	Jsonb	   *entities = PG_GETARG_JSONB_P(0);
	Oid			schema = tw_kept_schema_of_function(fcinfo);

	if (tw_setting_redact(schema))
		entities = tw_redact_jsonb(entities, tw_setting_redact_locations(schema));
	PG_RETURN_JSONB_P(entities);
}
