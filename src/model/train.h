/*
 * train.h
 *		Rows in, artifact out. It runs no SQL.
 *
 * The same rows give the same bytes, whatever their order. Only the first TW_MODEL_TEXT_BYTES bytes of a text count, in
 * training and in prediction; a character is not cut. A text of that size has about 65,000 features, which bounds the
 * memory of a row.
 */
#ifndef TW_TRAIN_H
#define TW_TRAIN_H

#include "model/rows.h"
#include "model/run.h"

extern bytea *tw_train_router(TwTrainingSet *set, TwProgress progress, void *arg, TwTrainingReport *report);

#endif							/* TW_TRAIN_H */
