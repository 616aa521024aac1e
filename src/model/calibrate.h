/*
 * calibrate.h
 *		The temperature of the router that rows give.
 */
#ifndef TW_CALIBRATE_H
#define TW_CALIBRATE_H

#include "model/rows.h"
#include "model/run.h"

extern void tw_calibrate(TwTrainingRun *run, const TwTrainingRow *rows, int row_count, int label_count,
						 TwTrainingReport *report);

#endif							/* TW_CALIBRATE_H */
