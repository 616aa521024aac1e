/*
 * entity_spans.c
 *		The positions of entities: which unit they are in, and their conversion to
 *		code points.
 *
 * JavaScript counts UTF-16 code units, and Go and C count bytes of UTF-8. What
 * an entity says of its own words tells the unit. Code points win whenever they
 * agree with it. Entities that say nothing follow the others of their list, if
 * these leave no choice.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "privacy/entity_spans.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* A longer message becomes no sample, and no message has so many entities: their positions are left as they are. */
#define MAX_BYTES (64 * 1024 * 1024)
#define MAX_ENTITIES 2000

typedef enum Unit
{
	CODE_POINTS,
	UTF16_UNITS,
	UTF8_BYTES,
	UNITS,
	SILENT = UNITS,				/* the entity says nothing of its words */
	NOWHERE						/* it is at none of the places that its positions may mean */
} Unit;

/* A message, and the byte at which each position of a unit begins; -1 within a character. */
typedef struct Message
{
	TwSlice		text;
	int			count[UNITS];
	int		   *bytes[UNITS];
} Message;

static bool
is_boundary(const Message *message, int byte)
{
	return byte == message->text.length || (message->text.data[byte] & 0xC0) != 0x80;
}

static Message
index_message(TwSlice text)
{
	Message		message = {.text = text};
	int			points = 0;
	int			units = 0;

	message.bytes[CODE_POINTS] = palloc_extended(sizeof(int) * ((Size) text.length + 1), MCXT_ALLOC_HUGE);
	message.bytes[UTF16_UNITS] = palloc_extended(sizeof(int) * ((Size) text.length + 1), MCXT_ALLOC_HUGE);
	for (int at = 0; at < text.length;)
	{
		int			length = pg_utf_mblen((const unsigned char *) text.data + at);

		message.bytes[CODE_POINTS][points++] = at;
		message.bytes[UTF16_UNITS][units++] = at;
		if (length == 4)
			message.bytes[UTF16_UNITS][units++] = -1;
		at += length;
	}
	message.bytes[CODE_POINTS][points] = text.length;
	message.bytes[UTF16_UNITS][units] = text.length;
	message.count[CODE_POINTS] = points;
	message.count[UTF16_UNITS] = units;
	message.count[UTF8_BYTES] = text.length;
	return message;
}

/* The byte that this position means; -1 = none. */
static int
byte_of(const Message *message, Unit unit, int position)
{
	if (position > message->count[unit])
		return -1;
	if (unit == UTF8_BYTES)
		return is_boundary(message, position) ? position : -1;
	return message->bytes[unit][position];
}

static int
code_point_of(const Message *message, int byte)
{
	int			low = 0;
	int			high = message->count[CODE_POINTS];

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (message->bytes[CODE_POINTS][middle] < byte)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The part of the message that the positions mean in this unit; a null slice = none. */
static TwSlice
part_of(const Message *message, Unit unit, const TwSpan *span)
{
	int			first = byte_of(message, unit, span->start);
	int			end = byte_of(message, unit, span->end);

	if (first < 0 || end <= first)
		return TW_NULL_SLICE;
	return (TwSlice) {message->text.data + first, end - first};
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/*
 * Whether these are the words, without regard to ASCII case. A masked
 * character agrees with what it may have been: the message and the words are
 * masked each by itself.
 */
static bool
agrees(TwSlice part, TwSlice words)
{
	if (part.data == NULL || part.length != words.length)
		return false;
	for (int i = 0; i < part.length; i++)
	{
		char		a = part.data[i];
		char		b = words.data[i];

		if (a != b && !(is_letter(a) && is_letter(b) && ((a ^ b) == 0x20 || a == 'x' || b == 'x')) &&
			!(a >= '0' && a <= '9' && b >= '0' && b <= '9' && (a == '0' || b == '0')))
			return false;
	}
	return true;
}

static Unit
unit_of(const Message *message, const TwSpan *span)
{
	if (span->words.data == NULL)
		return SILENT;
	if (agrees(part_of(message, CODE_POINTS, span), span->words))
		return CODE_POINTS;
	for (Unit unit = UTF16_UNITS; unit < UNITS; unit++)
	{
		TwSlice		part = part_of(message, unit, span);

		if (part.data != NULL && tw_slice_compare(part, span->words) == 0)
			return unit;
	}
	return NOWHERE;
}

/* Whether there is a letter or a digit on both sides of this byte. */
static bool
cuts_word(const Message *message, int byte)
{
	int			before = byte;
	bool		is_word[2];

	if (byte == 0 || byte == message->text.length)
		return false;
	do
		before--;
	while (!is_boundary(message, before));
	for (int i = 0; i < 2; i++)
	{
		pg_wchar	c = utf8_to_unicode((const unsigned char *) message->text.data + (i == 0 ? before : byte));

		is_word[i] = c < 0x80 ? is_letter((char) c) || (c >= '0' && c <= '9') :
			(c >= 0xC0 && c < 0x2000) || (c >= 0x3040 && c < 0xE000);
	}
	return is_word[0] && is_word[1];
}

static bool
holds(TwSlice text, TwSlice words)
{
	return words.length <= text.length && memmem(text.data, text.length, words.data, words.length) != NULL;
}

/*
 * Whether an entity that is at none of the places is misplaced. The value of
 * one may be another name for its words: then it is not, unless the span cuts
 * a word and the value stands elsewhere in the message.
 */
static bool
is_misplaced(const Message *message, const TwSpan *span)
{
	TwSlice		part = part_of(message, CODE_POINTS, span);
	int			first;

	/* An empty span marks no words that could contradict it. */
	if (span->start == span->end)
		return false;
	if (part.data == NULL || !span->is_value)
		return true;
	first = (int) (part.data - message->text.data);
	return (cuts_word(message, first) || cuts_word(message, first + part.length)) && !holds(part, span->words) &&
		holds(message->text, span->words);
}

/* The unit of entities that say nothing of their words: code points unless the others agree on another one. */
static Unit
unit_of_silent(const Message *message, const TwSpans *read, const Unit *units)
{
	Unit		result = CODE_POINTS;

	for (int i = 0; i < read->count; i++)
	{
		const TwSpan *span = &read->spans[i];

		if (units[i] == CODE_POINTS &&
			byte_of(message, CODE_POINTS, span->end) == byte_of(message, UTF8_BYTES, span->end))
			continue;
		if (units[i] >= UNITS)
			continue;
		if (units[i] == CODE_POINTS || (result != CODE_POINTS && result != units[i]))
			return CODE_POINTS;
		result = units[i];
	}
	return result;
}

static Jsonb *
set_number(Jsonb *entities, const TwSpanPath *path, int number)
{
	Datum		keys[TW_SPAN_KEYS];
	JsonbValue	value = {.type = jbvNumeric};

	for (int i = 0; i < path->count; i++)
		keys[i] = CStringGetTextDatum(path->keys[i]);
	value.val.numeric = DatumGetNumeric(DirectFunctionCall1(int4_numeric, Int32GetDatum(number)));
	return DatumGetJsonbP(DirectFunctionCall4(jsonb_set, JsonbPGetDatum(entities),
											  PointerGetDatum(construct_array(keys, path->count, TEXTOID, -1, false,
																			  TYPALIGN_INT)),
											  JsonbPGetDatum(JsonbValueToJsonb(&value)), BoolGetDatum(false)));
}

/* The entities with the positions of this one in code points. */
static Jsonb *
convert(Jsonb *entities, const Message *message, const TwSpan *span, TwSlice part)
{
	int			first = (int) (part.data - message->text.data);
	int			start = code_point_of(message, first);
	int			end = code_point_of(message, first + part.length);

	entities = set_number(entities, &span->start_path, start);
	return set_number(entities, &span->end_path, span->has_length ? end - start : end);
}

static bool
is_ascii(TwSlice text)
{
	for (int i = 0; i < text.length; i++)
	{
		if ((unsigned char) text.data[i] >= 0x80)
			return false;
	}
	return true;
}

/*
 * The entities with their positions in code points of the message; the argument
 * itself where they are. If `misplaced` is not NULL, it is set to the first
 * entity that fits the message in no unit, or to NULL.
 */
Jsonb *
tw_fit_entities(Jsonb *entities, TwSlice message_text, const TwSpan **misplaced)
{
	TwSpans		read;
	Message		message;
	Unit	   *units;
	Unit		silent;
	Jsonb	   *result = entities;

	if (misplaced != NULL)
		*misplaced = NULL;
	if (message_text.length > MAX_BYTES || (misplaced == NULL && is_ascii(message_text)))
		return entities;
	read = tw_read_spans(entities);
	if (read.count == 0 || read.count > MAX_ENTITIES)
		return entities;
	message = index_message(message_text);
	units = palloc_extended(sizeof(Unit) * read.count, MCXT_ALLOC_HUGE);
	for (int i = 0; i < read.count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		units[i] = unit_of(&message, &read.spans[i]);
		if (misplaced != NULL && *misplaced == NULL && units[i] == NOWHERE && is_misplaced(&message, &read.spans[i]))
			*misplaced = &read.spans[i];
	}
	silent = unit_of_silent(&message, &read, units);
	for (int i = 0; i < read.count; i++)
	{
		Unit		unit = units[i] == SILENT ? silent : units[i];
		TwSlice		part;

		CHECK_FOR_INTERRUPTS();
		if (unit == CODE_POINTS || unit == NOWHERE)
			continue;
		part = part_of(&message, unit, &read.spans[i]);
		if (part.data != NULL)
			result = convert(result, &message, &read.spans[i], part);
	}
	return result;
}
