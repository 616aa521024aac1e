/*
 * sequential.h
 *		Comparing the canary with production at any time: sums over sessions in, difference and bounds out. No catalog
 *		access; sequential.c describes the method.
 */
#ifndef TW_SEQUENTIAL_H
#define TW_SEQUENTIAL_H

/*
 * The least number of sessions with data in an arm, for a verdict and for the end of a step alike. It is the number
 * that detects a canary that always fails: with ten sessions of each, beside a version that fails in 15 % at most, the
 * bound is crossed even at a third of 0.05 (beside one that fails in half, with 24: see tw_minimum_detectable_loss()).
 * With fewer, the comparison would be mostly chance, by approximations that are bad there; with more, total failures
 * would go on for longer than necessary.
 */
#define TW_MEASURED_FROM 10

/* The least value that a caller may set: fewer sessions have no useful variance. */
#define TW_LEAST_MEASURED_FROM 5

/* Sums over the sessions of an arm in a step: n trials of a session, y of them good. Both may be weighted. */
typedef struct TwArmSums
{
	double		units;			/* sessions with a trial */
	double		n;
	double		y;
	double		nn;				/* sum of n * n */
	double		ny;				/* sum of n * y */
	double		yy;				/* sum of y * y */
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
} TwComparison;

extern void tw_compare_arms(const TwStepSums *steps, int count, double alpha, double effect, TwComparison *result);
extern double tw_minimum_detectable_loss(const TwStepSums *steps, int count, double alpha, double effect);

/* sequential_boundary.c */
extern double tw_boundary(double information, double alpha);

#endif							/* TW_SEQUENTIAL_H */
