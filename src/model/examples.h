/*
 * examples.h
 *		Training rows as features with weights.
 */
#ifndef TW_EXAMPLES_H
#define TW_EXAMPLES_H

#include "model/features.h"
#include "model/rows.h"
#include "model/run.h"

/* A training row as the solvers see it. */
typedef struct TwExample
{
	TwFeature  *features;
	int			count;
	int			label;
	float		weight;
	float		square;			/* of the features' length */
} TwExample;

/* Examples over a vocabulary. Ids are rows of the weights, the most frequent features first: they share cache lines. */
typedef struct TwExamples
{
	int			count;
	TwExample  *at;
	int			label_count;
	int			stride;
	TwVocabulary vocabulary;
	int		   *frequency;		/* one a row of the vocabulary: examples that have it */
	uint32	   *weight_row;		/* one a row of the vocabulary: its row of the weights */
} TwExamples;

extern TwExamples *tw_make_examples(TwTrainingRun *run, const TwTrainingRow **rows, int row_count, int label_count);
extern int	tw_weigh_text(const TwExamples *examples, TwFeatureScratch *scratch, const TwTrainingRow *row,
						  TwFeature **features);

#endif							/* TW_EXAMPLES_H */
