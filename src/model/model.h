/*
 * model.h
 *		A router in memory.
 */
#ifndef TW_MODEL_H
#define TW_MODEL_H

#include "model/features.h"
#include "model/number_shapes.h"
#include "model/router.h"

struct TwModel
{
	int			label_count;
	const char **labels;
	const char **modules;
	float		temperature;
	float	   *bias;
	float	   *slope;
	TwNumberShapes numbers;
	TwVocabulary vocabulary;
	/* Feature i has the weights from starts[i] to before starts[i + 1], each to be multiplied by scales[i]. */
	uint32	   *starts;
	float	   *scales;
	uint16	   *weight_labels;
	int8	   *weights;
	TwFeatureScratch *scratch;
};

#endif							/* TW_MODEL_H */
