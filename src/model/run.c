/*
 * run.c
 *		A training run: its progress, and the memory it takes.
 */
#include "postgres.h"

#include "model/run.h"
#include "utils/memutils.h"

/* Reports the next phase. */
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
