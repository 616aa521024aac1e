/*
 * read_model.c
 *		Reads a model from an artifact, and checks every value: an artifact may come from anywhere, and a checksum is
 *		easily computed.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/hash.h"
#include "miscadmin.h"
#include "model/artifact_format.h"
#include "model/model.h"

#include <math.h>

typedef struct Reader
{
	const unsigned char *at;
	const unsigned char *end;
} Reader;

pg_noreturn static void
corrupt(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the router's artifact is damaged"),
			 errdetail_internal("%s", detail)));
	pg_unreachable();
}

static const unsigned char *
take(Reader *reader, Size count)
{
	const unsigned char *at = reader->at;

	if ((Size) (reader->end - at) < count)
		corrupt("It ends too early.");
	reader->at += count;
	return at;
}

static uint64
take_number(Reader *reader, int bytes)
{
	const unsigned char *at = take(reader, bytes);
	uint64		number = 0;

	for (int i = 0; i < bytes; i++)
		number |= (uint64) at[i] << (8 * i);
	return number;
}

/* A number from `least` to `greatest`. */
static uint32
take_count(Reader *reader, uint32 least, uint32 greatest)
{
	uint32		number = (uint32) take_number(reader, 4);

	if (number < least || number > greatest)
		corrupt("A count is out of range.");
	return number;
}

static float
take_float(Reader *reader)
{
	uint32		bits = (uint32) take_number(reader, 4);
	float		number;

	memcpy(&number, &bits, sizeof(number));
	/* false for NaN as well */
	if (!(fabsf(number) <= TW_MOST_WEIGHT))
		corrupt("A number is out of range.");
	return number;
}

static float
take_positive_float(Reader *reader)
{
	float		number = take_float(reader);

	if (!(number > 0))
		corrupt("A number is not positive.");
	return number;
}

static uint32
take_varint(Reader *reader, uint32 least, uint32 greatest)
{
	uint64		number = 0;
	int			shift = 0;
	unsigned char byte;

	do
	{
		if (shift > 28)
			corrupt("A number is too long.");
		byte = *take(reader, 1);
		number |= (uint64) (byte & 0x7F) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (number < least || number > greatest)
		corrupt("A number is out of range.");
	return (uint32) number;
}

/* The length of the UTF-8 character that begins with this byte; 0 for none. */
static int
character_length(unsigned char c)
{
	if (c < 0x80)
		return c != 0;
	return c >= 0xF0 ? (c <= 0xF4 ? 4 : 0) : c >= 0xE0 ? 3 : c >= 0xC2 ? 2 : 0;
}

/* Well-formed UTF-8 (The Unicode Standard, table 3-7) without a zero: later code does not check names again. */
static bool
is_text(const unsigned char *at, Size length)
{
	while (length > 0)
	{
		int			characters = character_length(*at);

		if (characters == 0 || (Size) characters > length)
			return false;
		for (int i = 1; i < characters; i++)
		{
			if ((at[i] & 0xC0) != 0x80)
				return false;
		}
		if ((*at == 0xE0 && at[1] < 0xA0) || (*at == 0xED && at[1] > 0x9F) ||
			(*at == 0xF0 && at[1] < 0x90) || (*at == 0xF4 && at[1] > 0x8F))
			return false;
		at += characters;
		length -= characters;
	}
	return true;
}

static char *
take_text(Reader *reader, Size length)
{
	const unsigned char *bytes = take(reader, length);

	if (!is_text(bytes, length))
		corrupt("A name is not UTF-8.");
	return pnstrdup((const char *) bytes, length);
}

static void
read_labels(Reader *reader, TwModel *model)
{
	model->labels = palloc(sizeof(char *) * model->label_count);
	model->modules = palloc0(sizeof(char *) * model->label_count);
	for (int k = 0; k < model->label_count; k++)
	{
		uint32		length;

		model->labels[k] = take_text(reader, take_varint(reader, 0, PG_INT32_MAX));
		if (k > 0 && strcmp(model->labels[k - 1], model->labels[k]) >= 0)
			corrupt("The labels are out of order.");
		length = take_varint(reader, 0, PG_INT32_MAX);
		if (length > 0)
			model->modules[k] = take_text(reader, length - 1);
	}
	model->bias = palloc(sizeof(float) * model->label_count);
	model->slope = palloc(sizeof(float) * model->label_count);
	for (int k = 0; k < model->label_count; k++)
		model->bias[k] = take_float(reader);
	for (int k = 0; k < model->label_count; k++)
		model->slope[k] = take_float(reader);
}

/* A key that is above the one before it. */
static uint64
take_key(Reader *reader, const uint64 *previous)
{
	uint64		key = take_number(reader, 8);

	if (previous != NULL && key <= *previous)
		corrupt("The numbers are out of order.");
	return key;
}

static void
read_number_shapes(Reader *reader, TwNumberShapes *numbers)
{
	numbers->count = take_varint(reader, 0, (uint32) Min((reader->end - reader->at) / 12, PG_INT32_MAX));
	numbers->at = palloc(sizeof(TwNumberShape) * Max(numbers->count, 1));
	for (int i = 0; i < numbers->count; i++)
	{
		numbers->at[i].key = take_key(reader, i > 0 ? &numbers->at[i - 1].key : NULL);
		numbers->at[i].most = take_positive_float(reader);
	}
	numbers->text_count = take_varint(reader, 0, (uint32) Min((reader->end - reader->at) / 8, PG_INT32_MAX));
	numbers->texts = palloc(sizeof(uint64) * Max(numbers->text_count, 1));
	for (int i = 0; i < numbers->text_count; i++)
		numbers->texts[i] = take_key(reader, i > 0 ? &numbers->texts[i - 1] : NULL);
}

static void
read_vocabulary(Reader *reader, TwVocabulary *vocabulary, int feature_count, uint32 row_count)
{
	int			bucket = -1;

	tw_init_vocabulary(vocabulary, feature_count);
	for (int i = 0; i < feature_count; i++)
	{
		bucket += take_varint(reader, 1, TW_BUCKETS - 1 - bucket);
		tw_add_bucket(vocabulary, bucket);
	}
	tw_number_vocabulary(vocabulary);
	for (int i = 0; i < feature_count; i++)
		vocabulary->idf[i] = tw_idf(row_count, take_varint(reader, 1, row_count));
}

/* The weights of one feature, into `labels` and `weights`, which have room for one per label. Returns their number. */
static int
read_weights(Reader *reader, int label_count, float *scale, uint16 *labels, int8 *weights)
{
	uint32		header = take_varint(reader, 0, 2 * label_count + 1);
	int			count = header / 2;
	const unsigned char *bytes;

	if (count == 0)
		return 0;
	*scale = take_positive_float(reader);
	if (header & 1)
	{
		int			set = 0;

		bytes = take(reader, (label_count + 7) / 8);
		for (int k = 0; k < label_count; k++)
		{
			if (bytes[k / 8] >> (k % 8) & 1)
				labels[set++] = k;
		}
		if (set != count)
			corrupt("A feature has another number of labels than it says.");
	}
	else
	{
		int			label = -1;

		for (int i = 0; i < count; i++)
		{
			if (label == label_count - 1)
				corrupt("A label does not exist.");
			label += take_varint(reader, 1, label_count - 1 - label);
			labels[i] = label;
		}
	}
	memcpy(weights, take(reader, count), count);
	return count;
}

/* Two passes, the first to check and count: a feature may claim more weights than there are. */
static void
read_features(Reader *reader, TwModel *model)
{
	Reader		first = *reader;
	uint16	   *labels = palloc(sizeof(uint16) * model->label_count);
	int8	   *weights = palloc(model->label_count);
	int			count = model->vocabulary.count;

	model->starts = palloc(sizeof(uint32) * ((Size) count + 1));
	model->scales = palloc0(sizeof(float) * Max(count, 1));
	model->starts[0] = 0;
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		model->starts[i + 1] = model->starts[i] +
			read_weights(&first, model->label_count, &model->scales[i], labels, weights);
	}
	if (first.at != first.end)
		corrupt("Something follows it.");
	pfree(labels);
	pfree(weights);

	model->weight_labels = palloc(sizeof(uint16) * (Size) Max(model->starts[count], 1));
	model->weights = palloc(Max(model->starts[count], 1));
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		read_weights(reader, model->label_count, &model->scales[i], model->weight_labels + model->starts[i],
					 model->weights + model->starts[i]);
	}
}

/* Returns the format. */
static uint32
check_envelope(const char *bytes, Size size)
{
	Reader		reader = {(const unsigned char *) bytes, (const unsigned char *) bytes + size};
	uint64		checksum;
	uint64		length;
	uint32		format;

	if (memcmp(take(&reader, TW_CHECKSUM_OFFSET), TW_ARTIFACT_MAGIC, TW_CHECKSUM_OFFSET) != 0)
		corrupt("It is not a router.");
	checksum = take_number(&reader, 8);
	format = (uint32) take_number(&reader, 4);
	length = take_number(&reader, 8);
	if (length != size)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the router's artifact is damaged"),
				 errdetail("It has %zu bytes instead of " UINT64_FORMAT ".", size, length)));
	if (tw_finalise(tw_fnv(TW_FNV_BASIS, bytes + TW_CHECKED_OFFSET, size - TW_CHECKED_OFFSET)) != checksum)
		corrupt("Its checksum does not match.");
	if (format > TW_ARTIFACT_FORMAT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the router's artifact is newer than this version of training_workflow"),
				 errdetail("It has format %u; up to %u can be read.", format, TW_ARTIFACT_FORMAT),
				 errhint("Install the version that wrote it, or train again.")));
	if (format < 1)
		corrupt("Its format does not exist.");
	return format;
}

TwModel *
tw_read_model(const char *bytes, Size size)
{
	Reader		reader;
	TwModel    *model;
	uint32		feature_count;
	uint32		row_count;
	uint32		format = check_envelope(bytes, size);

	reader.at = (const unsigned char *) bytes + TW_BODY_OFFSET;
	reader.end = (const unsigned char *) bytes + size;

	model = palloc0(sizeof(TwModel));
	model->label_count = take_count(&reader, 1, TW_MODEL_LABELS);
	feature_count = take_count(&reader, 0, TW_BUCKETS);
	row_count = take_count(&reader, 1, PG_INT32_MAX);
	model->temperature = take_positive_float(&reader);
	/* Checked before any allocation: a label takes at least ten bytes, a feature three. */
	if ((uint64) model->label_count * 10 + (uint64) feature_count * 3 > (uint64) (reader.end - reader.at))
		corrupt("It ends too early.");
	read_labels(&reader, model);
	if (format > 1)
		read_number_shapes(&reader, &model->numbers);
	read_vocabulary(&reader, &model->vocabulary, feature_count, row_count);
	read_features(&reader, model);
	model->scratch = tw_feature_scratch((int) format);
	return model;
}

int
tw_model_label_count(const TwModel *model)
{
	return model->label_count;
}

const char *
tw_model_label(const TwModel *model, int label)
{
	return model->labels[label];
}

const char *
tw_model_module(const TwModel *model, int label)
{
	return model->modules[label];
}
