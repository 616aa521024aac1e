/*
 * sample_ratio.h
 *		Whether sessions are split between the arms as planned.
 */
#ifndef TW_SAMPLE_RATIO_H
#define TW_SAMPLE_RATIO_H

/* A step: sessions by the arm of their first assignment, and the canary's planned fraction. */
typedef struct TwSplit
{
	double		canary;
	double		production;
	double		fraction;
} TwSplit;

extern double tw_sample_ratio_log_evidence(const TwSplit *splits, int count);

#endif							/* TW_SAMPLE_RATIO_H */
