/*
 * number_shapes.h
 *		Sentences whose intent depends on the numbers in them.
 */
#ifndef TW_NUMBER_SHAPES_H
#define TW_NUMBER_SHAPES_H

#include "model/rows.h"

/* A sentence without its numbers, such as "opcion 0": with different numbers it had different intents. */
typedef struct TwNumberShape
{
	uint64		key;
	float		most;			/* the highest probability for a number that it was not learned with */
} TwNumberShape;

typedef struct TwNumberShapes
{
	int			count;
	TwNumberShape *at;			/* by key */
	int			text_count;
	uint64	   *texts;			/* keys of the texts learned of these shapes, ascending */
} TwNumberShapes;

extern TwNumberShapes *tw_find_number_shapes(const TwTrainingRow *rows, int row_count);
extern float tw_number_limit(const TwNumberShapes *shapes, const char *text, int length);

#endif							/* TW_NUMBER_SHAPES_H */
