/*
 * features.h
 *		The features of a text: hashed words, word pairs and characters.
 */
#ifndef TW_FEATURES_H
#define TW_FEATURES_H

/*
 * The version of the features that routers are trained with. An artifact tells with which version it was trained: its
 * format.
 */
#define TW_FEATURES 2

/* The low bits of a key are its bucket. */
#define TW_BUCKET_BITS 20
#define TW_BUCKETS (1 << TW_BUCKET_BITS)

/* Set beside the bucket in the id of a character feature that is not weighed yet. */
#define TW_CHARACTER_BLOCK ((uint32) 1 << 31)

typedef struct TwFeature
{
	uint32		id;				/* bucket and block; once weighed, the row in the vocabulary */
	float		value;
} TwFeature;

/* The known buckets in their order, and the weight of each. */
typedef struct TwVocabulary
{
	int			count;
	uint64	   *bits;			/* one bit for each bucket */
	uint32	   *ranks;			/* number of bits set before each word of bits */
	float	   *idf;			/* one for each known bucket */
} TwVocabulary;

typedef struct TwFeatureScratch TwFeatureScratch;

extern TwFeatureScratch *tw_feature_scratch(int version);
extern int	tw_extract_features(TwFeatureScratch *scratch, const char *text, int length, TwFeature **features);
extern int	tw_weigh_features(TwFeatureScratch *scratch, const TwVocabulary *vocabulary, TwFeature *features,
							  int count);

extern void tw_init_vocabulary(TwVocabulary *vocabulary, int count);
extern void tw_number_vocabulary(TwVocabulary *vocabulary);
extern float tw_idf(int row_count, int frequency);

static inline void
tw_add_bucket(TwVocabulary *vocabulary, uint32 bucket)
{
	vocabulary->bits[bucket >> 6] |= (uint64) 1 << (bucket & 63);
}

#endif							/* TW_FEATURES_H */
