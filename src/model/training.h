/*
 * training.h
 *		What the steps of a training run hand to each other.
 */
#ifndef TW_TRAINING_H
#define TW_TRAINING_H

#include "model/features.h"
#include "model/kernels.h"
#include "model/router.h"

/* How much the support vectors and naive Bayes count beside the softmax; neither number is sensitive. */
#define TW_SUPPORT_SHARE 10.0f
#define TW_BAYES_SHARE 0.17

/* One run, for progress and memory. */
typedef struct TwTrainingRun
{
	TwProgress	progress;
	void	   *arg;
	int			steps;			/* all there are, and those that began */
	int			steps_done;
	MemoryContext context;
	Size		peak_bytes;
} TwTrainingRun;

/* Ten of each bring nothing that could be measured. */
#define TW_PASSES 6
#define TW_EPOCHS 6

/* What the scores of a text are multiplied by where nothing better is known. */
#define TW_USUAL_TEMPERATURE 0.45

/* The examples, each pass and epoch, and the folding. */
#define TW_CLASSIFIER_STEPS (1 + TW_PASSES + TW_EPOCHS + 1)

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

/* Scores of examples that the classifier has not seen. */
typedef struct TwHeldOut
{
	int			count;
	int			stride;
	float	   *scores;
	int		   *labels;
	float	   *weights;
} TwHeldOut;

/* train.c */
extern void tw_begin_step(TwTrainingRun *run, const char *phase);
extern void tw_measure_memory(TwTrainingRun *run);
extern TwClassifier *tw_train_classifier(TwTrainingRun *run, const TwExamples *examples);
extern void tw_classifier_scores(const TwClassifier *classifier, const TwFeature *features, int count, float *scores);
extern int	tw_best_label(const float *scores, int label_count);

/* examples.c */
extern TwExamples *tw_make_examples(TwTrainingRun *run, const TwTrainingRow **rows, int row_count, int label_count);
extern int	tw_weigh_text(const TwExamples *examples, TwFeatureScratch *scratch, const TwTrainingRow *row,
						  TwFeature **features);

/* crammer_singer.c, softmax.c, fold.c */
extern TwDual *tw_solve_dual(TwTrainingRun *run, const TwExamples *examples, TwMatrix *weights, float *bias, int passes);
extern void tw_learn_softmax(TwTrainingRun *run, const TwExamples *examples, TwMatrix *weights, float *bias, int epochs);
extern void tw_fold(TwTrainingRun *run, const TwExamples *examples, const TwDual *dual, TwClassifier *classifier);

/* hold_out.c, temperature.c, calibrate.c */
extern int *tw_split_rows(const TwTrainingRow *rows, int row_count, int label_count, int parts);
extern double tw_fit_temperature(const TwHeldOut *held_out, int label_count);
extern void tw_calibrate(TwTrainingRun *run, const TwTrainingRow *rows, int row_count, int label_count,
						 TwTrainingReport *report);

#endif							/* TW_TRAINING_H */
