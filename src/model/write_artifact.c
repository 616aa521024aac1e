/*
 * write_artifact.c
 *		Writing a trained router: small weights are dropped, the others stored as bytes.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/hash.h"
#include "miscadmin.h"
#include "model/artifact_format.h"
#include "model/number_shapes.h"
#include "model/write_artifact.h"
#include "utils/memutils.h"

#include <math.h>

/* Smaller weights are dropped. */
#define LEAST_WEIGHT 0.2f

#define LARGEST_VARINT 5

/* A growing buffer; begins with a bytea's header. */
typedef struct Writer
{
	char	   *data;
	Size		length;
	Size		room;
} Writer;

static char *
reserve(Writer *writer, Size more)
{
	if (writer->room - writer->length < more)
	{
		writer->room = 2 * writer->room + more;
		writer->data = repalloc_huge(writer->data, writer->room);
	}
	return writer->data + writer->length;
}

static void
put_bytes(Writer *writer, const void *bytes, Size count)
{
	memcpy(reserve(writer, count), bytes, count);
	writer->length += count;
}

static void
put_number(Writer *writer, uint64 number, int bytes)
{
	unsigned char encoded[8];

	for (int i = 0; i < bytes; i++)
		encoded[i] = (unsigned char) (number >> (8 * i));
	put_bytes(writer, encoded, bytes);
}

static void
put_float(Writer *writer, float number)
{
	uint32		bits;

	memcpy(&bits, &number, sizeof(bits));
	put_number(writer, bits, 4);
}

static void
put_varint(Writer *writer, uint32 number)
{
	char	   *at = reserve(writer, LARGEST_VARINT);

	for (; number >= 0x80; number >>= 7, writer->length++)
		*at++ = (char) (number | 0x80);
	*at = (char) number;
	writer->length++;
}

static void
put_labels(Writer *writer, const TwTrainingSet *set)
{
	for (int k = 0; k < set->label_count; k++)
	{
		const char *module = set->modules == NULL ? NULL : set->modules[k];

		put_varint(writer, strlen(set->labels[k]));
		put_bytes(writer, set->labels[k], strlen(set->labels[k]));
		put_varint(writer, module == NULL ? 0 : strlen(module) + 1);
		if (module != NULL)
			put_bytes(writer, module, strlen(module));
	}
}

static void
put_number_shapes(Writer *writer, const TwTrainingSet *set)
{
	TwNumberShapes *shapes = tw_find_number_shapes(set->rows, set->row_count);

	put_varint(writer, shapes->count);
	for (int i = 0; i < shapes->count; i++)
	{
		put_number(writer, shapes->at[i].key, 8);
		put_float(writer, shapes->at[i].most);
	}
	put_varint(writer, shapes->text_count);
	for (int i = 0; i < shapes->text_count; i++)
		put_number(writer, shapes->texts[i], 8);
	pfree(shapes->at);
	pfree(shapes->texts);
	pfree(shapes);
}

static void
put_buckets(Writer *writer, const TwExamples *examples)
{
	int			previous = -1;

	for (int bucket = 0; bucket < TW_BUCKETS; bucket++)
	{
		if ((examples->vocabulary.bits[bucket >> 6] >> (bucket & 63) & 1) == 0)
			continue;
		put_varint(writer, bucket - previous);
		previous = bucket;
	}
	for (int i = 0; i < examples->vocabulary.count; i++)
		put_varint(writer, examples->frequency[i]);
}

/* Quantises to bytes and their common scale; returns how many are not 0. */
static int
quantise(const float *weights, int label_count, int8 *bytes, float *scale)
{
	float		largest = 0;
	int			count = 0;

	for (int k = 0; k < label_count; k++)
		largest = Max(largest, fabsf(weights[k]));
	*scale = largest / 127;
	for (int k = 0; k < label_count; k++)
	{
		bytes[k] = fabsf(weights[k]) < LEAST_WEIGHT ? 0 : (int8) rintf(weights[k] / *scale);
		count += bytes[k] != 0;
	}
	return count;
}

static void
put_weights(Writer *writer, const float *weights, int label_count, int8 *bytes)
{
	float		scale;
	int			count = quantise(weights, label_count, bytes, &scale);
	int			bitmap = (label_count + 7) / 8;
	int			previous = -1;

	put_varint(writer, count * 2 + (count > bitmap));
	if (count == 0)
		return;
	put_float(writer, scale);
	if (count > bitmap)
	{
		char	   *at = reserve(writer, bitmap);

		memset(at, 0, bitmap);
		for (int k = 0; k < label_count; k++)
			at[k / 8] |= (bytes[k] != 0) << (k % 8);
		writer->length += bitmap;
	}
	else
	{
		for (int k = 0; k < label_count; k++)
		{
			if (bytes[k] == 0)
				continue;
			put_varint(writer, k - previous);
			previous = k;
		}
	}
	for (int k = 0; k < label_count; k++)
	{
		if (bytes[k] != 0)
			put_bytes(writer, &bytes[k], 1);
	}
}

static void
finish(Writer *writer)
{
	char	   *artifact = writer->data + VARHDRSZ;
	Size		length = writer->length - VARHDRSZ;
	Size		end = writer->length;

	if (end > MaxAllocSize)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the router has become too large"),
				 errdetail("It has %zu bytes.", length)));
	writer->length = VARHDRSZ + TW_LENGTH_OFFSET;
	put_number(writer, length, 8);
	writer->length = VARHDRSZ + TW_CHECKSUM_OFFSET;
	put_number(writer, tw_finalise(tw_fnv(TW_FNV_BASIS, artifact + TW_CHECKED_OFFSET, length - TW_CHECKED_OFFSET)), 8);
	writer->length = end;
	SET_VARSIZE(writer->data, end);
	writer->data = repalloc_huge(writer->data, end);
}

bytea *
tw_write_artifact(const TwTrainingSet *set, const TwExamples *examples, const TwClassifier *classifier,
				  float temperature)
{
	int			labels = set->label_count;
	int8	   *bytes = palloc(labels);
	Writer		writer = {palloc(65536), VARHDRSZ, 65536};

	put_bytes(&writer, TW_ARTIFACT_MAGIC, TW_CHECKSUM_OFFSET);
	put_number(&writer, 0, 8);
	put_number(&writer, TW_ARTIFACT_FORMAT, 4);
	put_number(&writer, 0, 8);
	put_number(&writer, labels, 4);
	put_number(&writer, examples->vocabulary.count, 4);
	put_number(&writer, examples->count, 4);
	put_float(&writer, temperature);
	put_labels(&writer, set);
	for (int k = 0; k < labels; k++)
		put_float(&writer, classifier->bias[k]);
	for (int k = 0; k < labels; k++)
		put_float(&writer, classifier->slope[k]);
	put_number_shapes(&writer, set);
	put_buckets(&writer, examples);
	for (int i = 0; i < examples->vocabulary.count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		put_weights(&writer, tw_matrix_row(&classifier->weights, examples->weight_row[i]), labels, bytes);
	}
	pfree(bytes);
	finish(&writer);
	return (bytea *) writer.data;
}
