/*
 * model_text.h
 *		A text as models see it, in training and when they serve.
 */
#ifndef TW_MODEL_TEXT_H
#define TW_MODEL_TEXT_H

#include "fmgr.h"

extern text *tw_text_for_model(text *input);

#endif							/* TW_MODEL_TEXT_H */
