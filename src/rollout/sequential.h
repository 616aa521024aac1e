/*
 * sequential.h
 *		Comparing the canary with production at any time: sums over sessions in,
 *		difference and bounds out. No catalog access; sequential.c has the method.
 */
#ifndef TW_SEQUENTIAL_H
#define TW_SEQUENTIAL_H

/*
 * From how many sessions with data an arm is measured, for a verdict and for the
 * end of a step alike.  It is what it takes to tell a canary that fails always:
 * with ten sessions of each, beside a version that fails in 15 % at most, the
 * bound is crossed even at a third of 0.05 (beside one that fails in half, with
 * 24: tw_minimum_detectable_loss() says so).  Below that little but chance would be
 * compared, by approximations that are bad there; with more, disasters would go
 * on for longer than they have to.
 */
#define TW_MEASURED_FROM 10

/* What somebody may ask for instead: a variance over fewer sessions is none. */
#define TW_LEAST_MEASURED_FROM 5

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
} TwComparison;

extern void tw_compare_arms(const TwStepSums *steps, int count, double alpha, double effect, TwComparison *result);
extern double tw_minimum_detectable_loss(const TwStepSums *steps, int count, double alpha, double effect);

/* sequential_boundary.c */
extern double tw_boundary(double information, double alpha);

#endif							/* TW_SEQUENTIAL_H */
