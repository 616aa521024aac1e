/*
 * model_cache.h
 *		Models that this backend has loaded, and which version is live.
 */
#ifndef TW_MODEL_CACHE_H
#define TW_MODEL_CACHE_H

#include "base/slice.h"
#include "model/router.h"

typedef struct TwServedModel
{
	const char *version;
	const TwModel *model;
} TwServedModel;

/* Valid until the next call. A model of NULL: nothing of the type is live. */
extern TwServedModel tw_live_model(Oid schema, const char *model_type);
extern TwServedModel tw_model_of_version(Oid schema, const char *model_type, const char *version);
extern void tw_check_model_type(TwSlice name);

#endif							/* TW_MODEL_CACHE_H */
