/*
 * router.h
 *		A router that answers: the artifact in, probabilities out. It runs no SQL.
 */
#ifndef TW_ROUTER_H
#define TW_ROUTER_H

/* As much of a text as is looked at, in training as in prediction. */
#define TW_MODEL_TEXT_BYTES 16384

/* More labels than this are refused: what is learned about them shares a bounded memory. */
#define TW_MODEL_LABELS 10000

typedef struct TwModel TwModel;

extern TwModel *tw_read_model(const char *bytes, Size size);
extern int	tw_model_label_count(const TwModel *model);
extern const char *tw_model_label(const TwModel *model, int label);
extern const char *tw_model_module(const TwModel *model, int label);
extern bool tw_model_probabilities(const TwModel *model, const char *text, int length, float *probabilities);

#endif							/* TW_ROUTER_H */
