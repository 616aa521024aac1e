/*
 * training.h
 *		What the steps of a training run hand to each other.
 */
#ifndef TW_TRAINING_H
#define TW_TRAINING_H

#include "model/features.h"
#include "model/kernels.h"
#include "model/router.h"

/* One run, for progress and memory. */
typedef struct TwTrainingRun
{
	TwProgress	progress;
	void	   *arg;
	MemoryContext context;
	Size		peak_bytes;
} TwTrainingRun;

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

/* score = weights * x + bias + slope * sum(x) */
typedef struct TwClassifier
{
	TwMatrix	weights;
	float	   *bias;
	float	   *slope;
} TwClassifier;

/* Crammer and Singer's dual solution: which examples hold the separating planes, for and against which label. */
typedef struct TwSupport
{
	int			label;
	float		alpha;
} TwSupport;

typedef struct TwDual
{
	TwSupport **support;		/* one list an example */
	int		   *counts;
} TwDual;

extern void tw_report_progress(TwTrainingRun *run, const char *phase, int done, int total);
extern void tw_measure_memory(TwTrainingRun *run);

extern TwExamples *tw_make_examples(TwTrainingRun *run, TwTrainingRow **rows, int row_count, int label_count);
extern void tw_weigh_text(const TwExamples *examples, TwFeatureScratch *scratch, const TwTrainingRow *row,
						  TwFeature **features, int *count);

extern TwDual *tw_solve_dual(TwTrainingRun *run, const TwExamples *examples, TwMatrix *weights, float *bias, int passes);
extern void tw_learn_softmax(TwTrainingRun *run, const TwExamples *examples, TwMatrix *weights, float *bias, int epochs);
extern void tw_fold(TwTrainingRun *run, const TwExamples *examples, const TwDual *dual, TwClassifier *classifier);
extern TwClassifier *tw_train_classifier(TwTrainingRun *run, const TwExamples *examples, int passes, int epochs);
extern void tw_classifier_scores(const TwClassifier *classifier, const TwFeature *features, int count, float *scores);

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

#endif							/* TW_TRAINING_H */
