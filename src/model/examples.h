/*
 * examples.h
 *		Training rows as features with weights.
 */
#ifndef TW_EXAMPLES_H
#define TW_EXAMPLES_H

#include "model/features.h"
#include "model/rows.h"
#include "model/run.h"

/* A training row as the solvers take it. */
typedef struct TwExample
{
	TwFeature  *features;
	int			count;
	int			label;
	float		weight;
	float		square;			/* squared length of the features */
} TwExample;

/* Examples over a vocabulary. Ids are rows of the weights, the most frequent features first: they share cache lines. */
typedef struct TwExamples
{
	int			count;
	TwExample  *at;
	int			label_count;
	int			stride;
	TwVocabulary vocabulary;
	int		   *frequency;		/* number of examples, for each row of the vocabulary */
	uint32	   *weight_row;		/* row of the weights, for each row of the vocabulary */
} TwExamples;

extern TwExamples *tw_make_examples(TwTrainingRun *run, const TwTrainingRow **rows, int row_count, int label_count);
extern int	tw_weigh_text(const TwExamples *examples, TwFeatureScratch *scratch, const TwTrainingRow *row,
						  TwFeature **features);

#endif							/* TW_EXAMPLES_H */
