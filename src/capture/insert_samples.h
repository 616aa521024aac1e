/*
 * insert_samples.h
 *		Samples of captured conversations, inserted without an executor.
 */
#ifndef TW_INSERT_SAMPLES_H
#define TW_INSERT_SAMPLES_H

#include "capture/read_row.h"
#include "commands/trigger.h"

extern bool tw_read_promotable(TwRowReader *reader, TupleTableSlot *slot);
extern bool tw_insert_samples(TriggerData *trigdata);

#endif							/* TW_INSERT_SAMPLES_H */
