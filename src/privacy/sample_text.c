/*
 * sample_text.c
 *		A message and its entities as they leave conversation_logs.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "fmgr.h"
#include "privacy/entity_spans.h"
#include "privacy/redact.h"
#include "rules/settings.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(tw_sample_text);

/* tw_sample_text(message) */
Datum
tw_sample_text(PG_FUNCTION_ARGS)
{
	text	   *message = PG_GETARG_TEXT_PP(0);
	TwSettings	settings = tw_settings(tw_kept_schema_of_function(fcinfo));

	if (settings.redact)
		message = tw_redact(message, settings.redact_locations);
	PG_RETURN_TEXT_P(message);
}

PG_FUNCTION_INFO_V1(tw_sample_entities);

/* tw_sample_entities(entities) */
Datum
tw_sample_entities(PG_FUNCTION_ARGS)
{
	Jsonb	   *entities = PG_GETARG_JSONB_P(0);
	TwSettings	settings = tw_settings(tw_kept_schema_of_function(fcinfo));

	if (settings.redact)
		entities = tw_redact_jsonb(entities, settings.redact_locations);
	PG_RETURN_JSONB_P(entities);
}

static Jsonb *
fit(FunctionCallInfo fcinfo, const TwSpan **misplaced)
{
	return tw_fit_entities(PG_GETARG_JSONB_P(0), tw_text_argument(fcinfo, 1), misplaced);
}

PG_FUNCTION_INFO_V1(tw_sample_entities_of);

/* tw_sample_entities(entities, message) */
Datum
tw_sample_entities_of(PG_FUNCTION_ARGS)
{
	Jsonb	   *entities = fit(fcinfo, NULL);
	TwSettings	settings = tw_settings(tw_kept_schema_of_function(fcinfo));

	if (settings.redact)
		entities = tw_redact_jsonb(entities, settings.redact_locations);
	PG_RETURN_JSONB_P(entities);
}

PG_FUNCTION_INFO_V1(tw_fitting_entities);

/* tw_fitting_entities(entities, message) */
Datum
tw_fitting_entities(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(fit(fcinfo, NULL));
}

PG_FUNCTION_INFO_V1(tw_misplaced_entity);

/* tw_misplaced_entity(entities, message) */
Datum
tw_misplaced_entity(PG_FUNCTION_ARGS)
{
	const TwSpan *misplaced;

	(void) fit(fcinfo, &misplaced);
	if (misplaced == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(JsonbValueToJsonb((JsonbValue *) &misplaced->entity));
}
