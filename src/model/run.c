/*
 * run.c
 *		A training run: how far it is, and what it takes.
 */
#include "postgres.h"

#include "model/run.h"
#include "utils/memutils.h"

/* Says what comes next. */
void
tw_begin_step(TwTrainingRun *run, const char *phase)
{
	if (run->progress != NULL)
		run->progress(phase, run->steps_done, run->steps, run->arg);
	run->steps_done++;
}

void
tw_measure_memory(TwTrainingRun *run)
{
	run->peak_bytes = Max(run->peak_bytes, MemoryContextMemAllocated(run->context, true));
}
