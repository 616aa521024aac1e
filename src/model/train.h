/*
 * train.h
 *		Rows in, artifact out. It runs no SQL.
 *
 * The same rows give the same bytes, whatever their order. Of a text, only the
 * first TW_MODEL_TEXT_BYTES bytes count, less if that would cut a character, in
 * training as in prediction: a text of that size has some 65,000 features, and
 * memory is bounded by what a row can have.
 */
#ifndef TW_TRAIN_H
#define TW_TRAIN_H

#include "model/rows.h"
#include "model/run.h"

extern bytea *tw_train_router(TwTrainingSet *set, TwProgress progress, void *arg, TwTrainingReport *report);

#endif							/* TW_TRAIN_H */
