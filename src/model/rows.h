/*
 * rows.h
 *		What is trained on: labelled texts, as the caller hands them over.
 */
#ifndef TW_ROWS_H
#define TW_ROWS_H

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

extern TwTrainingRow *tw_sort_rows(const TwTrainingSet *set);

#endif							/* TW_ROWS_H */
