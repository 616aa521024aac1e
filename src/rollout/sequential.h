/*
 * sequential.h
 *		Comparing the canary with production at any time: sums over sessions in,
 *		difference and bounds out. No catalog access; sequential.c has the method.
 */
#ifndef TW_SEQUENTIAL_H
#define TW_SEQUENTIAL_H

/* Sums over the sessions of an arm in a step: n trials of a session, y of them good. Both may be weighted. */
typedef struct TwArmSums
{
	double		units;			/* sessions with a trial */
	double		n;
	double		y;
	double		nn;				/* of n * n */
	double		ny;				/* of n * y */
	double		yy;				/* of y * y */
} TwArmSums;

typedef struct TwStepSums
{
	TwArmSums	canary;
	TwArmSums	production;
} TwStepSums;

/* Rates and bounds are NaN where no step has both arms. */
typedef struct TwComparison
{
	double		canary_units;	/* of the steps that have both arms */
	double		production_units;
	double		canary_rate;
	double		production_rate;
	double		difference;		/* canary less production */
	double		lower;
	double		upper;
	double		detectable_loss;	/* upper is below 0 where the difference is below minus that */
} TwComparison;

extern void tw_compare_arms(const TwStepSums *steps, int count, double alpha, double effect, TwComparison *result);

/* sequential_boundary.c */
extern double tw_boundary(double information, double alpha);

#endif							/* TW_SEQUENTIAL_H */
