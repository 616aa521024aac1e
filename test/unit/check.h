/*
 * check.h
 *		The unit tests of the router's core, and what they share.
 */
#ifndef TW_TEST_CHECK_H
#define TW_TEST_CHECK_H

#include "model/classifier.h"
#include "model/router.h"
#include "model/train.h"

/* Prints "ok N - WHAT" or "not ok N - WHAT". */
extern void check(bool holds, const char *what, ...) pg_attribute_printf(2, 3);

/* A remark about the test before it, for whoever has to find out why it failed. */
extern void note(const char *what, ...) pg_attribute_printf(1, 2);

/* Messages to a shop in three languages, their intents, all of the tests' own writing. */
extern TwTrainingSet *toy_set(void);

/* Other messages of the same kind: what people say next. */
extern TwTrainingSet *toy_questions(void);

/* A set of these rows: text, label, text, label, ... NULL. Weights are 1. */
extern TwTrainingSet *small_set(const char *first, ...);

/* Adds a row, and its label where that is new; the set has room for both. */
extern void add_labelled(TwTrainingSet *set, const char *text, const char *label);

extern bytea *train_quietly(TwTrainingSet *set, TwTrainingReport *report);
extern TwModel *read_back(const bytea *artifact);
extern TwExamples *make_examples(TwTrainingRun *run, const TwTrainingSet *set);
extern double share_right(const TwModel *model, const TwTrainingSet *questions);

extern void test_features(void);
extern void test_kernels(void);
extern void test_training(void);
extern void test_calibration(void);
extern void test_artifact(void);
extern void test_prediction(void);
extern void test_numbers(void);

#endif							/* TW_TEST_CHECK_H */
