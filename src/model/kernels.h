/*
 * kernels.h
 *		The loops over labels in which training spends its time.
 *
 * They work on lanes of eight floats. Sums across lanes have a fixed order: AVX2 changes the speed and no bit of a
 * result.
 */
#ifndef TW_KERNELS_H
#define TW_KERNELS_H

#include "model/features.h"

/* Floats in a lane group; rows of weights are padded to a multiple of it. */
#define TW_LANES 8

#define tw_stride(labels) (((labels) + TW_LANES - 1) / TW_LANES * TW_LANES)

/* A matrix with one row for each feature, aligned to cache lines. */
typedef struct TwMatrix
{
	float	   *at;
	void	   *chunk;			/* what to free */
	int			rows;
	int			stride;
} TwMatrix;

extern void tw_allocate_matrix(TwMatrix *matrix, int rows, int stride);
extern void tw_clear_matrix(TwMatrix *matrix);

static inline float *
tw_matrix_row(const TwMatrix *matrix, int row)
{
	return matrix->at + (Size) row * matrix->stride;
}

/* sums += values * rows of the matrix */
extern void tw_add_rows(float *sums, const TwMatrix *matrix, const TwFeature *features, int count);

/* rows of the matrix += factor * value * addend */
extern void tw_add_to_rows(TwMatrix *matrix, const TwFeature *features, int count, float factor, const float *addend);

/* values become exp(values - shift); returns their sum */
extern float tw_exponentials(float *values, int stride, float shift);

#endif							/* TW_KERNELS_H */
