/*
 * run.h
 *		A training run: its progress, its memory, and its report.
 *
 * The headers of training build on each other in this order: run, rows, examples, solvers, classifier, calibrate,
 * train.
 */
#ifndef TW_RUN_H
#define TW_RUN_H

typedef void (*TwProgress) (const char *phase, int done, int total, void *arg);

typedef struct TwTrainingRun
{
	TwProgress	progress;
	void	   *arg;
	int			steps;			/* the total, and the number begun */
	int			steps_done;
	MemoryContext context;
	Size		peak_bytes;
} TwTrainingRun;

typedef struct TwTrainingReport
{
	double		temperature;
	double		training_accuracy;	/* on the rows of the training: optimistic */
	int			held_out;		/* rows that the temperature was fitted on; 0 if there were too few */
	double		held_out_accuracy;	/* on those, by a classifier that was not trained on them */
	int			feature_count;
	double		cpu_seconds;
	uint64		peak_bytes;
} TwTrainingReport;

extern void tw_begin_step(TwTrainingRun *run, const char *phase);
extern void tw_measure_memory(TwTrainingRun *run);

#endif							/* TW_RUN_H */
