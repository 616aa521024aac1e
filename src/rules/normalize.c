/*
 * normalize.c
 *		Normalisation of texts, and the hash by which equal texts are found.
 *
 * Stored hashes are never recomputed: a text must normalise to the same result
 * on every machine and with every version of this library. A change here needs
 * a new TW_NORMALIZER. (NFKC follows the server's Unicode version; for
 * assigned characters Unicode's stability policy guarantees the result.)
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/compat.h"
#include "base/hash.h"
#include "base/slice.h"
#include "base/table_triggers.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "rules/normalize.h"
#include "rules/stream_safe.h"
#include "utils/builtins.h"
#include "utils/rel.h"

/* Characters without meaning. The joiners U+200C and U+200D are not among them: they shape Devanagari and emoji. */
static bool
is_invisible(pg_wchar c)
{
	return c == 0x200B || c == 0x2060 || c == 0xFEFF || c == 0xAD;
}

/* Punctuation that people put around a message: ASCII, general punctuation, danda, Arabic and CJK marks. */
static bool
is_punctuation(pg_wchar c)
{
	return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) ||
		(c >= 0x7B && c <= 0x7E) ||
		c == 0xA1 || c == 0xAB || c == 0xB7 || c == 0xBB || c == 0xBF || c == 0x0964 || c == 0x0965 ||
		c == 0x060C || c == 0x061B || c == 0x061F || c == 0x06D4 ||
		(c >= 0x2010 && c <= 0x2027) || (c >= 0x2030 && c <= 0x205E) || (c >= 0x3001 && c <= 0x3003) ||
		(c >= 0x3008 && c <= 0x3011) || (c >= 0x3014 && c <= 0x301F);
}

static CodePoints
decode(TwSlice text)
{
	CodePoints	points;
	const unsigned char *at = (const unsigned char *) text.data;
	const unsigned char *end = at + text.length;

	points.at = palloc_extended(sizeof(pg_wchar) * ((Size) text.length + 1), MCXT_ALLOC_HUGE);
	points.count = 0;
	while (at < end)
	{
		pg_wchar	c = utf8_to_unicode(at);

		at += pg_utf_mblen(at);
		if (!is_invisible(c))
			points.at[points.count++] = c;
	}
	return points;
}

/* Lowers A to Z; returns whether there were any. */
static bool
fold_ascii(CodePoints points)
{
	bool		folded = false;

	for (int i = 0; i < points.count; i++)
	{
		if (points.at[i] >= 'A' && points.at[i] <= 'Z')
		{
			points.at[i] += 'a' - 'A';
			folded = true;
		}
	}
	return folded;
}

/* One space for every run of white space, and none at the ends. */
static CodePoints
collapse_white_space(CodePoints points)
{
	int			count = 0;
	bool		pending = false;

	for (int i = 0; i < points.count; i++)
	{
		if (tw_is_white_space(points.at[i]))
			pending = count > 0;
		else
		{
			if (pending)
				points.at[count++] = ' ';
			pending = false;
			points.at[count++] = points.at[i];
		}
	}
	points.count = count;
	return points;
}

/* Drops punctuation around the text, unless the text is all punctuation: "?" and "!!" differ. */
static CodePoints
trim_punctuation(CodePoints points)
{
	int			start = 0;
	int			end = points.count;

	while (start < end && (is_punctuation(points.at[start]) || points.at[start] == ' '))
		start++;
	while (end > start && (is_punctuation(points.at[end - 1]) || points.at[end - 1] == ' '))
		end--;
	if (start < end)
	{
		points.at += start;
		points.count = end - start;
	}
	return points;
}

static text *
encode(CodePoints points)
{
	text	   *result = palloc_extended(VARHDRSZ + (Size) points.count * 4, MCXT_ALLOC_HUGE);
	unsigned char *at = (unsigned char *) VARDATA(result);

	for (int i = 0; i < points.count; i++)
	{
		unicode_to_utf8(points.at[i], at);
		at += pg_utf_mblen(at);
	}
	tw_check_normal_length((char *) at - VARDATA(result));
	SET_VARSIZE(result, (char *) at - (char *) result);
	return result;
}

/* The same for ASCII, which NFKC does not change. Most captured text is ASCII, and capture normalises every sample. */
static text *
normalize_ascii(TwSlice text)
{
	struct varlena *result = palloc(VARHDRSZ + text.length);
	char	   *start = VARDATA(result);
	char	   *end = start;
	bool		pending = false;

	for (const char *at = text.data; at < text.data + text.length; at++)
	{
		unsigned char c = *at;

		if (c <= ' ' && tw_is_white_space(c))
		{
			pending = end > start;
			continue;
		}
		if (pending)
			*end++ = ' ';
		pending = false;
		*end++ = c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
	}
	SET_VARSIZE(result, end - (char *) result);

	while (start < end && (is_punctuation((unsigned char) *start) || *start == ' '))
		start++;
	while (end > start && (is_punctuation((unsigned char) end[-1]) || end[-1] == ' '))
		end--;
	if (start < end)
	{
		memmove(VARDATA(result), start, end - start);
		SET_VARSIZE(result, VARHDRSZ + end - start);
	}
	return result;
}

/* Whether no byte has its highest bit set; eight bytes at once. */
static bool
is_ascii(TwSlice text)
{
	const char *at = text.data;
	const char *end = at + text.length;
	uint64		bits = 0;

	for (; end - at >= (int) sizeof(bits); at += sizeof(bits))
	{
		uint64		bytes;

		memcpy(&bytes, at, sizeof(bytes));
		bits |= bytes;
	}
	for (; at < end; at++)
		bits |= *at & 0x80;
	return (bits & UINT64CONST(0x8080808080808080)) == 0;
}

/*
 * The normal form by which equal texts are recognised: NFKC, ASCII letters
 * lowered, white space collapsed, outer punctuation dropped. It is idempotent.
 * For that, ASCII is folded before and after NFKC: a letter and the mark after
 * it may compose in lower case only. The result is a new text, which the
 * caller may change.
 */
text *
tw_normalize(TwSlice text)
{
	CodePoints	points;

	if (is_ascii(text))
		return normalize_ascii(text);

	points = decode(text);
	fold_ascii(points);
	points = tw_nfkc(tw_bound_marks(points));
	if (fold_ascii(points))
		points = tw_nfkc(points);
	return encode(trim_punctuation(collapse_white_space(points)));
}

PG_FUNCTION_INFO_V1(tw_normalize_text);

/* normalize_text(text) */
Datum
tw_normalize_text(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(tw_normalize(tw_text_slice(PG_GETARG_DATUM(0), false)));
}

/* The hash of the normalised text: FNV-1a with 64 bits and murmur3's finaliser. */
int64
tw_hash_text(TwSlice input)
{
	text	   *normal = tw_normalize(input);

	return (int64) tw_finalise(tw_fnv(TW_FNV_BASIS, VARDATA_ANY(normal), VARSIZE_ANY_EXHDR(normal)));
}

PG_FUNCTION_INFO_V1(tw_text_hash);

/* text_hash(text): the hash of the normalised text. */
Datum
tw_text_hash(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(tw_hash_text(tw_text_slice(PG_GETARG_DATUM(0), false)));
}

PG_FUNCTION_INFO_V1(tw_fill_text_hash);

/* BEFORE INSERT OR UPDATE of a sample: for a text without a hash, or a changed text. */
Datum
tw_fill_text_hash(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	HeapTuple	tuple;
	int			columns[2];
	Datum		values[2];
	bool		nulls[2] = {false};
	Datum		value;
	bool		isnull;

	tw_check_trigger(fcinfo, "tw_fill_text_hash", TW_BEFORE | TW_ROW | TW_ON_INSERT | TW_ON_UPDATE);
	desc = RelationGetDescr(trigdata->tg_relation);
	tuple = TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? trigdata->tg_newtuple : trigdata->tg_trigtuple;
	value = SPI_getbinval(tuple, desc, SPI_fnumber(desc, "text"), &isnull);
	/* The NOT NULL constraint raises the error. */
	if (isnull)
		return PointerGetDatum(tuple);

	columns[0] = SPI_fnumber(desc, "text_hash");
	columns[1] = SPI_fnumber(desc, "normalizer");
	values[0] = Int64GetDatum(tw_hash_text(tw_text_slice(value, false)));
	values[1] = Int16GetDatum(TW_NORMALIZER);
	return PointerGetDatum(heap_modify_tuple_by_cols(tuple, desc, 2, columns, values, nulls));
}

PG_FUNCTION_INFO_V1(tw_is_blank);

/* tw_is_blank(text): whether it is NULL, empty, or blank by capture's rule. */
Datum
tw_is_blank(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(PG_ARGISNULL(0) || tw_slice_is_blank(tw_text_slice(PG_GETARG_DATUM(0), false)));
}
