/*
 * insert_samples.h
 *		Samples of captured conversations, inserted without an executor.
 */
#ifndef TW_INSERT_SAMPLES_H
#define TW_INSERT_SAMPLES_H

#include "capture/log_row.h"
#include "commands/trigger.h"

extern bool tw_is_promotable(const LogRow *row);
extern bool tw_insert_samples(TriggerData *trigdata);

#endif							/* TW_INSERT_SAMPLES_H */
