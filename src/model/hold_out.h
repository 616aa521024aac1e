/*
 * hold_out.h
 *		Which rows are held out for the calibration.
 */
#ifndef TW_HOLD_OUT_H
#define TW_HOLD_OUT_H

#include "model/rows.h"

extern int *tw_split_rows(const TwTrainingRow *rows, int row_count, int label_count, int parts);

#endif							/* TW_HOLD_OUT_H */
