/*
 * kernels.c
 *		Sums of matrix rows and exponentials, eight labels at a time.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "model/kernels.h"
#include "utils/memutils.h"

#define CACHE_LINE 64

typedef float Lanes __attribute__((vector_size(TW_LANES * sizeof(float)), aligned(4), may_alias));
typedef int32 IntLanes __attribute__((vector_size(TW_LANES * sizeof(int32)), aligned(4), may_alias));

#define LANES(pointer) (*(Lanes *) (pointer))
#define CONST_LANES(pointer) (*(const Lanes *) (pointer))

#define KERNEL static inline __attribute__((always_inline))

/* Four features at a time: each sum is loaded and stored once for all four. The order of additions is unchanged. */
KERNEL void
add_rows(float *sums, const float *weights, int stride, const TwFeature *features, int count)
{
	int			i = 0;

	for (; i + 4 <= count; i += 4)
	{
		const float *rows[4];
		const TwFeature *f = features + i;

		for (int j = 0; j < 4; j++)
			rows[j] = weights + (Size) f[j].id * stride;
		for (int k = 0; k < stride; k += TW_LANES)
			LANES(sums + k) = (((LANES(sums + k) + f[0].value * CONST_LANES(rows[0] + k)) +
								f[1].value * CONST_LANES(rows[1] + k)) +
							   f[2].value * CONST_LANES(rows[2] + k)) +
				f[3].value * CONST_LANES(rows[3] + k);
	}
	for (; i < count; i++)
	{
		const float *row = weights + (Size) features[i].id * stride;

		for (int k = 0; k < stride; k += TW_LANES)
			LANES(sums + k) += features[i].value * CONST_LANES(row + k);
	}
}

KERNEL void
add_to_rows(float *weights, int stride, const TwFeature *features, int count, float factor, const float *addend)
{
	for (int i = 0; i < count; i++)
	{
		float	   *row = weights + (Size) features[i].id * stride;
		float		value = factor * features[i].value;

		for (int k = 0; k < stride; k += TW_LANES)
			LANES(row + k) += value * CONST_LANES(addend + k);
	}
}

/*
 * exp(x) as 2^n * exp(r), with the polynomial of Moshier's Cephes library (expf): an error of about 2 ulp for x up to
 * 80; below -87 it is taken at -87.
 */
KERNEL float
exponentials(float *values, int stride, float shift)
{
	const float round_to_int = 12582912.0f; /* 1.5 * 2^23: a float added to it loses its fraction */
	Lanes		total = {0};
	float		sum = 0;

	for (int k = 0; k < stride; k += TW_LANES)
	{
		Lanes		x = LANES(values + k) - shift;
		IntLanes	low = x < -87.0f;
		Lanes		n;
		Lanes		power;
		Lanes		result;

		x = (Lanes) (((IntLanes) x & ~low) | ((IntLanes) (Lanes) {-87, -87, -87, -87, -87, -87, -87, -87} & low));
		n = (x * 1.44269504088896341f + round_to_int) - round_to_int;
		power = (n + 127.0f) * 8388608.0f;
		power = (Lanes) __builtin_convertvector(power, IntLanes);
		x = (x - n * 0.693359375f) - n * -2.12194440e-4f;
		result = ((((1.9875691500e-4f * x + 1.3981999507e-3f) * x + 8.3334519073e-3f) * x + 4.1665795894e-2f) * x +
				  1.6666665459e-1f) * x + 5.0000001201e-1f;
		result = (result * (x * x) + x + 1.0f) * power;
		LANES(values + k) = result;
		total += result;
	}
	for (int k = 0; k < TW_LANES; k++)
		sum += total[k];
	return sum;
}

/* One variant for any processor and one for AVX2, from the same code. */
#define VARIANTS(suffix, attribute) \
attribute static void \
add_rows_##suffix(float *sums, const float *weights, int stride, const TwFeature *features, int count) \
{ \
	add_rows(sums, weights, stride, features, count); \
} \
attribute static void \
add_to_rows_##suffix(float *weights, int stride, const TwFeature *features, int count, float factor, \
	const float *addend) \
{ \
	add_to_rows(weights, stride, features, count, factor, addend); \
} \
attribute static float \
exponentials_##suffix(float *values, int stride, float shift) \
{ \
	return exponentials(values, stride, shift); \
}

VARIANTS(any,)

#if defined(__x86_64__) && !defined(TW_WITHOUT_AVX2)
VARIANTS(avx2, __attribute__((target("avx2"))))
#define CALL(kernel, ...) (__builtin_cpu_supports("avx2") ? kernel##_avx2(__VA_ARGS__) : kernel##_any(__VA_ARGS__))
#else
#define CALL(kernel, ...) kernel##_any(__VA_ARGS__)
#endif

void
tw_add_rows(float *sums, const TwMatrix *matrix, const TwFeature *features, int count)
{
	CALL(add_rows, sums, matrix->at, matrix->stride, features, count);
}

void
tw_add_to_rows(TwMatrix *matrix, const TwFeature *features, int count, float factor, const float *addend)
{
	CALL(add_to_rows, matrix->at, matrix->stride, features, count, factor, addend);
}

float
tw_exponentials(float *values, int stride, float shift)
{
	return CALL(exponentials, values, stride, shift);
}

/* Allocates without setting values; tw_clear_matrix() follows. */
void
tw_allocate_matrix(TwMatrix *matrix, int rows, int stride)
{
	matrix->rows = rows;
	matrix->stride = stride;
	matrix->chunk = palloc_extended(sizeof(float) * (Size) rows * stride + CACHE_LINE, MCXT_ALLOC_HUGE);
	matrix->at = (float *) TYPEALIGN(CACHE_LINE, matrix->chunk);
}

void
tw_clear_matrix(TwMatrix *matrix)
{
	for (int row = 0; row < matrix->rows; row++)
	{
		CHECK_FOR_INTERRUPTS();
		memset(tw_matrix_row(matrix, row), 0, sizeof(float) * matrix->stride);
	}
}
