/*
 * temperature.h
 *		The factor of scores before the softmax.
 */
#ifndef TW_TEMPERATURE_H
#define TW_TEMPERATURE_H

/* The factor where none can be fitted. */
#define TW_USUAL_TEMPERATURE 0.45

/* Scores of examples that the classifier was not trained on. */
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
