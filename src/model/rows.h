/*
 * rows.h
 *		Training rows: labelled texts from the caller.
 */
#ifndef TW_ROWS_H
#define TW_ROWS_H

typedef struct TwTrainingRow
{
	const char *text;			/* normalised UTF-8, not terminated */
	int			length;
	int			label;			/* index into the labels */
	float		weight;			/* above 0; more than 100 counts as 100, and a mean below 1 as 1 */
} TwTrainingRow;

typedef struct TwTrainingSet
{
	int			row_count;
	TwTrainingRow *rows;
	int			label_count;
	const char **labels;		/* sorted by strcmp, distinct */
	const char **modules;		/* one for each label; may be NULL */
} TwTrainingSet;

extern TwTrainingRow *tw_sort_rows(const TwTrainingSet *set);

#endif							/* TW_ROWS_H */
