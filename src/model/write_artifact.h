/*
 * write_artifact.h
 *		Writing a trained router.
 */
#ifndef TW_WRITE_ARTIFACT_H
#define TW_WRITE_ARTIFACT_H

#include "model/classifier.h"

extern bytea *tw_write_artifact(const TwTrainingSet *set, const TwExamples *examples, const TwClassifier *classifier,
								float temperature);

#endif							/* TW_WRITE_ARTIFACT_H */
