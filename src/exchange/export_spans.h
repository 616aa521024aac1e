/*
 * export_spans.h
 *		The entities of a sample as spans of its text.
 */
#ifndef TW_EXPORT_SPANS_H
#define TW_EXPORT_SPANS_H

#include "exchange/export_samples.h"

typedef struct TwEntitySpan
{
	int			start;			/* in code points; the end is excluded */
	int			end;
	int			first_byte;
	int			end_byte;
	char	   *label;
	/* for formats with wants_attributes, NULL = the entity has none, or for the value what the span holds */
	char	   *value;
	char	   *role;
	char	   *group;
} TwEntitySpan;

extern int	tw_export_spans(TwExport *export, TwEntitySpan **spans);
extern int	tw_export_flat_spans(TwExport *export, TwEntitySpan **spans);

#endif							/* TW_EXPORT_SPANS_H */
