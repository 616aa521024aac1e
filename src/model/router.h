/*
 * router.h
 *		The intent router's numerical core: rows of labelled text in, an artifact
 *		out; the artifact in, probabilities out. It runs no SQL.
 *
 * The same rows give the same bytes, whatever their order. Of a text, only the
 * first TW_MODEL_TEXT_BYTES bytes count, less if that would cut a character, in
 * training as in prediction: a text of that size has some 65,000 features, and
 * memory is bounded by what a row can have.
 */
#ifndef TW_ROUTER_H
#define TW_ROUTER_H

#define TW_MODEL_TEXT_BYTES 16384

/* More labels than this are refused: what is learned about them shares a bounded memory. */
#define TW_MODEL_LABELS 10000

typedef struct TwTrainingRow
{
	const char *text;			/* normalised UTF-8, not terminated */
	int			length;
	int			label;			/* an index */
	float		weight;			/* above 0; what exceeds 100 counts as 100, and a mean below 1 as 1 */
} TwTrainingRow;

typedef struct TwTrainingSet
{
	int			row_count;
	TwTrainingRow *rows;
	int			label_count;
	const char **labels;		/* sorted by strcmp, distinct */
	const char **modules;		/* one a label, each of which may be NULL */
} TwTrainingSet;

typedef struct TwTrainingReport
{
	double		temperature;
	double		training_accuracy;	/* on the rows it was trained on: says little */
	int			held_out;		/* rows that the temperature was fitted on; 0 if there were too few */
	double		held_out_accuracy;	/* on those, by a classifier that had not seen them */
	int			feature_count;
	double		cpu_seconds;
	uint64		peak_bytes;
} TwTrainingReport;

typedef void (*TwProgress) (const char *phase, int done, int total, void *arg);

typedef struct TwModel TwModel;

extern bytea *tw_train_router(TwTrainingSet *set, TwProgress progress, void *arg, TwTrainingReport *report);

extern TwModel *tw_read_model(const char *bytes, Size size);
extern int	tw_model_label_count(const TwModel *model);
extern const char *tw_model_label(const TwModel *model, int label);
extern const char *tw_model_module(const TwModel *model, int label);
extern bool tw_model_probabilities(const TwModel *model, const char *text, int length, float *probabilities);

#endif							/* TW_ROUTER_H */
