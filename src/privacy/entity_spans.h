/*
 * entity_spans.h
 *		Entities as spans of a text, in whatever shape and unit a client wrote
 *		them.
 */
#ifndef TW_ENTITY_SPANS_H
#define TW_ENTITY_SPANS_H

#include "base/slice.h"
#include "utils/jsonb.h"

/* Most labels of one span. */
#define TW_SPAN_LABELS 8

/* Most keys between the entities and a position. */
#define TW_SPAN_KEYS 4

/* Where a number stands: keys and indexes from the root of the entities. */
typedef struct TwSpanPath
{
	int			count;
	const char *keys[TW_SPAN_KEYS];
} TwSpanPath;

/* An entity with positions. */
typedef struct TwSpan
{
	int			start;
	int			end;			/* excluded */
	bool		has_length;		/* the second number is a length */
	TwSpanPath	start_path;
	TwSpanPath	end_path;		/* of the end, or of the length */
	int			labels_count;
	TwSlice		labels[TW_SPAN_LABELS];
	TwSlice		words;			/* what the entity says that it holds; a null slice = nothing */
	bool		is_value;		/* a value, which may be another name for the words */
	JsonbValue	entity;
} TwSpan;

typedef struct TwSpans
{
	int			count;
	TwSpan	   *spans;
} TwSpans;

extern TwSpans tw_read_spans(Jsonb *entities);
extern Jsonb *tw_fit_entities(Jsonb *entities, TwSlice message, const TwSpan **misplaced);

#endif							/* TW_ENTITY_SPANS_H */
