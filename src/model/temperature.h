/*
 * temperature.h
 *		What scores are multiplied by before the softmax.
 */
#ifndef TW_TEMPERATURE_H
#define TW_TEMPERATURE_H

/* What the scores of a text are multiplied by where nothing better is known. */
#define TW_USUAL_TEMPERATURE 0.45

/* Scores of examples that the classifier has not seen. */
typedef struct TwHeldOut
{
	int			count;
	int			stride;
	float	   *scores;
	int		   *labels;
	float	   *weights;
} TwHeldOut;

extern double tw_fit_temperature(const TwHeldOut *held_out, int label_count);

#endif							/* TW_TEMPERATURE_H */
