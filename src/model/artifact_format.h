/*
 * artifact_format.h
 *		The bytes of a trained router, all numbers little-endian.
 *
 *	 0	magic, 8 bytes
 *	 8	checksum of all later bytes, 8 bytes: FNV-1a with MurmurHash3's finaliser
 *	16	format number, 4 bytes
 *	20	length of the artifact, 8 bytes
 *	28	labels, features, training rows, 4 bytes each; temperature, a float
 *		labels: name and module, each its length and its bytes; a module's length plus 1, 0 = no module
 *		a float for each label: the bias; another: the factor of the sum of a text's values
 *		shapes, a varint: sentences without their numbers; for each, a key of 8 bytes, ascending, and a float, the
 *		highest probability for another number
 *		texts, a varint: keys of the texts that were learned of these shapes, 8 bytes each, ascending
 *		features: distance from the bucket before, at least 1, beginning at bucket -1
 *		features: number of training rows that have it
 *		features: weights, see below
 *
 * The format number is the version of the features (features.h) that the router was trained with, and that it answers
 * with. Format 1 has no shapes and no texts.
 *
 * Up to the format number, later formats stay the same. Lengths, distances and
 * counts are varints: seven bits a byte, the lowest first, 128 added to all but
 * the last.
 *
 * A feature's weights: twice their number, plus 1 if the labels are given as
 * bits; if it has any, a float that they are multiplied by; their labels, as a
 * bit for each label there is, or as distances, beginning at label -1; and the
 * weights, each a signed byte other than 0.
 */
#ifndef TW_ARTIFACT_FORMAT_H
#define TW_ARTIFACT_FORMAT_H

#include "model/features.h"

#define TW_ARTIFACT_MAGIC "TWrouter"
#define TW_ARTIFACT_FORMAT TW_FEATURES

#define TW_CHECKSUM_OFFSET 8
#define TW_CHECKED_OFFSET 16
#define TW_LENGTH_OFFSET 20
#define TW_BODY_OFFSET 28

/* No number in an artifact is larger than this, so that no sum of them overflows. */
#define TW_MOST_WEIGHT 1e6f

#endif							/* TW_ARTIFACT_FORMAT_H */
