/*
 * router.h
 *		Prediction with a router: an artifact in, probabilities out. It runs no SQL.
 */
#ifndef TW_ROUTER_H
#define TW_ROUTER_H

/* Only this much of a text counts, in training and in prediction. */
#define TW_MODEL_TEXT_BYTES 16384

/* More labels than this are refused: the memory for their weights is bounded. */
#define TW_MODEL_LABELS 10000

typedef struct TwModel TwModel;

extern TwModel *tw_read_model(const char *bytes, Size size);
extern int	tw_model_label_count(const TwModel *model);
extern const char *tw_model_label(const TwModel *model, int label);
extern const char *tw_model_module(const TwModel *model, int label);
extern bool tw_model_probabilities(const TwModel *model, const char *text, int length, float *probabilities);

#endif							/* TW_ROUTER_H */
