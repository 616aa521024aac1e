/*
 * predict.c
 *		The probability of each label for a text.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "model/model.h"

#include <math.h>

static void
add_feature(const TwModel *model, TwFeature feature, float *scores)
{
	uint32		end = model->starts[feature.id + 1];
	float		value = feature.value * model->scales[feature.id];

	for (uint32 i = model->starts[feature.id]; i < end; i++)
		scores[model->weight_labels[i]] += value * model->weights[i];
}

static void
softmax(float *scores, int count, float temperature)
{
	float		largest = scores[0];
	float		sum = 0;

	for (int k = 1; k < count; k++)
		largest = Max(largest, scores[k]);
	for (int k = 0; k < count; k++)
	{
		scores[k] = expf(temperature * (scores[k] - largest));
		sum += scores[k];
	}
	for (int k = 0; k < count; k++)
		scores[k] /= sum;
}

/*
 * Makes the highest probability at most this one, by mixing with even odds. The order stays: at least a hundredth of
 * the probabilities remains.
 */
static void
limit(float *probabilities, int count, float most)
{
	float		even = 1.0f / count;
	float		largest = 0;
	float		share;

	for (int k = 0; k < count; k++)
		largest = Max(largest, probabilities[k]);
	if (largest <= most || largest <= even)
		return;
	share = Max((most - even) / (largest - even), 0.01f);
	for (int k = 0; k < count; k++)
		probabilities[k] = even + share * (probabilities[k] - even);
}

/* Fills one probability for each label. Returns false, with all of them 0, where the text has no known feature. */
bool
tw_model_probabilities(const TwModel *model, const char *text, int length, float *probabilities)
{
	TwFeature  *features;
	int			count = tw_extract_features(model->scratch, text, length, &features);
	float		sum = 0;

	count = tw_weigh_features(model->scratch, &model->vocabulary, features, count);
	if (count == 0)
	{
		memset(probabilities, 0, sizeof(float) * model->label_count);
		return false;
	}
	for (int i = 0; i < count; i++)
		sum += features[i].value;
	for (int k = 0; k < model->label_count; k++)
		probabilities[k] = model->bias[k] + model->slope[k] * sum;
	for (int i = 0; i < count; i++)
		add_feature(model, features[i], probabilities);
	softmax(probabilities, model->label_count, model->temperature);
	if (model->numbers.count > 0)
		limit(probabilities, model->label_count, tw_number_limit(&model->numbers, text, length));
	return true;
}
