/*
 * solvers.h
 *		Two solvers: a support vector machine (crammer_singer.c) and a softmax (softmax.c).
 */
#ifndef TW_SOLVERS_H
#define TW_SOLVERS_H

#include "model/examples.h"
#include "model/kernels.h"

/* Crammer and Singer's dual solution: the support vectors, with the labels that each is for and against. */
typedef struct TwSupport
{
	int			label;
	float		alpha;
} TwSupport;

typedef struct TwDual
{
	TwSupport **support;		/* one list for each example */
	int		   *counts;
} TwDual;

extern TwDual *tw_solve_dual(TwTrainingRun *run, const TwExamples *examples, TwMatrix *weights, float *bias,
							 int passes);
extern void tw_learn_softmax(TwTrainingRun *run, const TwExamples *examples, TwMatrix *weights, float *bias,
							 int epochs);

#endif							/* TW_SOLVERS_H */
