/*
 * classifier.h
 *		One linear classifier, combined from three.
 */
#ifndef TW_CLASSIFIER_H
#define TW_CLASSIFIER_H

#include "model/solvers.h"

/* The weights of the support vector machine and of naive Bayes relative to the softmax; neither number is sensitive. */
#define TW_SUPPORT_SHARE 10.0f
#define TW_BAYES_SHARE 0.17

/* Ten of each made no measurable difference. */
#define TW_PASSES 6
#define TW_EPOCHS 6

/* Making the examples, each pass and epoch, and the combination. */
#define TW_CLASSIFIER_STEPS (1 + TW_PASSES + TW_EPOCHS + 1)

/* score = weights * x + bias + slope * sum(x) */
typedef struct TwClassifier
{
	TwMatrix	weights;
	float	   *bias;
	float	   *slope;
} TwClassifier;

extern TwClassifier *tw_train_classifier(TwTrainingRun *run, const TwExamples *examples);
extern void tw_combine(TwTrainingRun *run, const TwExamples *examples, const TwDual *dual, TwClassifier *classifier);
extern void tw_classifier_scores(const TwClassifier *classifier, const TwFeature *features, int count, float *scores);
extern int	tw_best_label(const float *scores, int label_count);

#endif							/* TW_CLASSIFIER_H */
