/*
 * import_rasa.c
 *		Reads rasa: NLU training data in YAML, version 2 and 3.
 *
 * The parser is libyaml, whose memory comes from malloc: the reader holds the
 * parser and the current event, and end_rasa() frees them. All examples are
 * found first; import_marks.c makes a sample of each. Aliases are refused, as a
 * file of some lines could stand for gigabytes; so is nesting without end.
 */
#include "postgres.h"

#include <yaml.h>

#include "base/compat.h"
#include "base/excerpt.h"
#include "exchange/export_words.h"
#include "exchange/import_marks.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* How deep lists and mappings may be nested. Training data has six levels. */
#define MAX_DEPTH 64

/* What a file may hold beside examples of intents, which is counted. */
typedef enum Beside
{
	SYNONYM, LOOKUP, REGEX, METADATA, SECTION, BESIDE_KINDS
} Beside;

static const char *const beside_keys[] = {"synonym", "lookup", "regex"};
static const char *const beside_names[BESIDE_KINDS] = {
	"synonyms", "lookup tables", "regular expressions", "pieces of metadata", "sections"
};

typedef struct Example
{
	int64		number;
	TwSlice		intent;
	TwSlice		words;
	bool		is_line;		/* a line of a block, which begins with - */
} Example;

typedef struct Rasa
{
	yaml_parser_t parser;
	bool		has_parser;
	yaml_event_t event;
	bool		has_event;
	TwSlice		rest;			/* what the parser has not read yet */
	int64		first_number;	/* of the line that the parser begins with */
	int			depth;
	int64		beside[BESIDE_KINDS];
	bool		has_nlu;
	/* the examples, and the next one to make a sample of */
	Example    *examples;
	int64		count;
	int64		room;
	int64		next;
} Rasa;

static int64
number_of(const Rasa *rasa, yaml_mark_t mark)
{
	return rasa->first_number + (int64) mark.line;
}

pg_noreturn static void
refuse_yaml(TwImportReader *reader, yaml_mark_t mark, const char *what)
{
	const Rasa *rasa = reader->state;

	reader->place.number = number_of(rasa, mark);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("line %lld, column %lld: this is not training data of Rasa", (long long) reader->place.number,
					(long long) mark.column + 1),
			 errdetail("%s", what),
			 errhint("A file of Rasa NLU holds nlu: with a list of intents and their examples. " TW_NOTHING_STAYS)));
}

static int
give_piece(void *arg, unsigned char *buffer, size_t size, size_t *given)
{
	Rasa	   *rasa = arg;

	if (tw_import_is_interrupted())
		return 0;
	size = Min(size, (size_t) rasa->rest.length);
	memcpy(buffer, rasa->rest.data, size);
	rasa->rest.data += size;
	rasa->rest.length -= (int) size;
	*given = size;
	return 1;
}

pg_noreturn static void
refuse_syntax(TwImportReader *reader)
{
	Rasa	   *rasa = reader->state;
	const char *problem = rasa->parser.problem;

	if (rasa->parser.error == YAML_MEMORY_ERROR)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
						errdetail("Failed while parsing the data.")));
	CHECK_FOR_INTERRUPTS();
	refuse_yaml(reader, rasa->parser.error == YAML_READER_ERROR ? rasa->parser.mark : rasa->parser.problem_mark,
				problem != NULL ? psprintf("The parser says: %s.", problem) : "The parser does not understand it.");
}

/* Reads the next event into rasa->event. */
static yaml_event_type_t
next_event(TwImportReader *reader)
{
	Rasa	   *rasa = reader->state;
	yaml_event_type_t type;

	CHECK_FOR_INTERRUPTS();
	if (rasa->has_event)
		yaml_event_delete(&rasa->event);
	rasa->has_event = false;
	if (!yaml_parser_parse(&rasa->parser, &rasa->event))
		refuse_syntax(reader);
	rasa->has_event = true;
	type = rasa->event.type;
	if (type == YAML_ALIAS_EVENT)
		refuse_yaml(reader, rasa->event.start_mark, "It uses an alias (*), which is not read: write out what it stands "
					"for.");
	if (type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT)
	{
		if (++rasa->depth > MAX_DEPTH)
			refuse_yaml(reader, rasa->event.start_mark, psprintf("It is nested more than %d levels deep.", MAX_DEPTH));
	}
	else if (type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT)
		rasa->depth--;
	return type;
}

/* Goes behind the value that the current event begins. */
static void
skip_value(TwImportReader *reader)
{
	Rasa	   *rasa = reader->state;
	yaml_event_type_t type = rasa->event.type;
	int			depth = rasa->depth;

	if (type != YAML_MAPPING_START_EVENT && type != YAML_SEQUENCE_START_EVENT)
		return;
	while (rasa->depth >= depth)
		(void) next_event(reader);
}

/* The current event's scalar. */
static TwSlice
copy_scalar(TwImportReader *reader)
{
	Rasa	   *rasa = reader->state;
	const char *value = (const char *) rasa->event.data.scalar.value;
	int			length = (int) rasa->event.data.scalar.length;

	if (rasa->event.type != YAML_SCALAR_EVENT)
		refuse_yaml(reader, rasa->event.start_mark, "A text stands here in other files.");
	if (memchr(value, '\0', length) != NULL)
		refuse_yaml(reader, rasa->event.start_mark, "The character \\0 cannot be stored in a text.");
	return (TwSlice) {pnstrdup(value, length), length};
}

static bool
slice_is(TwSlice slice, const char *word)
{
	return slice.length == (int) strlen(word) && memcmp(slice.data, word, slice.length) == 0;
}

static void
add_example(Rasa *rasa, int64 number, TwSlice words, bool is_line)
{
	if (rasa->count == rasa->room)
	{
		rasa->room = Max(64, rasa->room * 2);
		rasa->examples = rasa->examples == NULL ? palloc(sizeof(Example) * rasa->room) :
			repalloc_huge(rasa->examples, sizeof(Example) * rasa->room);
	}
	rasa->examples[rasa->count++] = (Example) {.number = number, .words = words, .is_line = is_line};
}

static const char *
end_of_line(const char *at, const char *end)
{
	while (at < end && !tw_ends_line(utf8_to_unicode((const unsigned char *) at)))
		at += pg_utf_mblen((const unsigned char *) at);
	return at;
}

/* The examples of a block: a line each. Only of a literal block (|) is known which line of the data it is. */
static void
add_block(TwImportReader *reader)
{
	Rasa	   *rasa = reader->state;
	bool		is_literal = rasa->event.data.scalar.style == YAML_LITERAL_SCALAR_STYLE;
	int64		number = number_of(rasa, rasa->event.start_mark) + (is_literal ? 1 : 0);
	TwSlice		block = copy_scalar(reader);
	const char *at = block.data;
	const char *end = at + block.length;

	while (at < end)
	{
		const char *line_end = end_of_line(at, end);
		TwSlice		words = {at, (int) (line_end - at)};

		CHECK_FOR_INTERRUPTS();
		if (!tw_slice_is_blank(words))
			add_example(rasa, number, words, true);
		if (is_literal && line_end < end && *line_end == '\n')
			number++;
		at = line_end < end ? line_end + pg_utf_mblen((const unsigned char *) line_end) : end;
	}
}

static TwSlice
strip(TwSlice words)
{
	while (words.length > 0 && strchr("\n\r ", words.data[0]) != NULL)
		words = (TwSlice) {words.data + 1, words.length - 1};
	while (words.length > 0 && strchr("\n\r ", words.data[words.length - 1]) != NULL)
		words.length--;
	return words;
}

/* An example that is a text of its own. Rasa strips it; what was quoted to keep its blanks, keeps them here. */
static void
add_text(TwImportReader *reader)
{
	Rasa	   *rasa = reader->state;
	bool		is_quoted = rasa->event.type == YAML_SCALAR_EVENT &&
		(rasa->event.data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE ||
		 rasa->event.data.scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE);
	int64		number = number_of(rasa, rasa->event.start_mark);
	TwSlice		words = copy_scalar(reader);

	add_example(rasa, number, is_quoted ? words : strip(words), false);
}

/* {text: ..., metadata: ...} */
static void
read_example(TwImportReader *reader)
{
	Rasa	   *rasa = reader->state;
	yaml_mark_t mark = rasa->event.start_mark;
	bool		has_text = false;

	if (rasa->event.type == YAML_SCALAR_EVENT)
	{
		add_text(reader);
		return;
	}
	if (rasa->event.type != YAML_MAPPING_START_EVENT)
		refuse_yaml(reader, mark, "An example is a text, or text: with a text.");
	while (next_event(reader) != YAML_MAPPING_END_EVENT)
	{
		TwSlice		key = copy_scalar(reader);

		(void) next_event(reader);
		if (slice_is(key, "text"))
		{
			add_text(reader);
			has_text = true;
		}
		else
		{
			rasa->beside[METADATA]++;
			skip_value(reader);
		}
	}
	if (!has_text)
		refuse_yaml(reader, mark, "The example has no text.");
}

static void
read_examples(TwImportReader *reader)
{
	const Rasa *rasa = reader->state;

	if (rasa->event.type == YAML_SCALAR_EVENT)
		add_block(reader);
	else if (rasa->event.type == YAML_SEQUENCE_START_EVENT)
	{
		while (next_event(reader) != YAML_SEQUENCE_END_EVENT)
			read_example(reader);
	}
	else
		refuse_yaml(reader, rasa->event.start_mark, "The examples are neither a block nor a list.");
}

static int
beside_key(TwSlice key)
{
	for (size_t i = 0; i < lengthof(beside_keys); i++)
	{
		if (slice_is(key, beside_keys[i]))
			return (int) i;
	}
	return -1;
}

/* An item of nlu: an intent with its examples; or a synonym, a lookup table or a regular expression. */
static void
read_item(TwImportReader *reader)
{
	Rasa	   *rasa = reader->state;
	yaml_mark_t mark = rasa->event.start_mark;
	int64		first = rasa->count;
	TwSlice		intent = TW_NULL_SLICE;
	int			beside = -1;

	if (rasa->event.type != YAML_MAPPING_START_EVENT)
		refuse_yaml(reader, mark, "An item of nlu: is a mapping with intent: and examples:.");
	while (next_event(reader) != YAML_MAPPING_END_EVENT)
	{
		TwSlice		key = copy_scalar(reader);

		(void) next_event(reader);
		if (slice_is(key, "intent"))
			intent = copy_scalar(reader);
		else if (slice_is(key, "examples"))
			read_examples(reader);
		else
		{
			if (beside_key(key) >= 0)
				beside = beside_key(key);
			else
				rasa->beside[METADATA]++;
			skip_value(reader);
		}
	}
	if (beside >= 0)
	{
		rasa->beside[beside]++;
		rasa->count = first;
		return;
	}
	if (intent.data == NULL)
		refuse_yaml(reader, mark, "The item names no intent.");
	for (int64 i = first; i < rasa->count; i++)
		rasa->examples[i].intent = intent;
}

/* A document. The same key may come more than once, as in files that were put one behind the other. */
static void
read_document(TwImportReader *reader)
{
	Rasa	   *rasa = reader->state;

	if (rasa->event.type == YAML_SCALAR_EVENT && rasa->event.data.scalar.length == 0)
		return;
	if (rasa->event.type != YAML_MAPPING_START_EVENT)
		refuse_yaml(reader, rasa->event.start_mark, "The document is no mapping.");
	while (next_event(reader) != YAML_MAPPING_END_EVENT)
	{
		TwSlice		key = copy_scalar(reader);

		(void) next_event(reader);
		if (slice_is(key, "nlu"))
		{
			rasa->has_nlu = true;
			if (rasa->event.type == YAML_SCALAR_EVENT && rasa->event.data.scalar.length == 0)
				continue;
			if (rasa->event.type != YAML_SEQUENCE_START_EVENT)
				refuse_yaml(reader, rasa->event.start_mark, "What nlu: holds is no list.");
			while (next_event(reader) != YAML_SEQUENCE_END_EVENT)
				read_item(reader);
			continue;
		}
		if (!slice_is(key, "version"))
			rasa->beside[SECTION]++;
		skip_value(reader);
	}
}

/* Says what is no sample and was left out. */
static void
tell_beside(const Rasa *rasa)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < BESIDE_KINDS; i++)
	{
		if (rasa->beside[i] > 0)
			appendStringInfo(&list, "%s%s: %lld", list.len == 0 ? "" : ", ", beside_names[i],
							 (long long) rasa->beside[i]);
	}
	if (list.len > 0)
		ereport(NOTICE,
				(errmsg("not all of the data is samples"),
				 errdetail("Left out are %s.", list.data)));
}

static void
begin_rasa(TwImportReader *reader)
{
	static const yaml_mark_t begin = {0};
	Rasa	   *rasa = palloc0(sizeof(Rasa));

	reader->state = rasa;
	rasa->rest = (TwSlice) {reader->at, (int) (reader->end - reader->at)};
	rasa->first_number = reader->next_number;
	if (!yaml_parser_initialize(&rasa->parser))
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	rasa->has_parser = true;
	yaml_parser_set_encoding(&rasa->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input(&rasa->parser, give_piece, rasa);
	(void) next_event(reader);	/* the stream's begin */
	while (next_event(reader) == YAML_DOCUMENT_START_EVENT)
	{
		(void) next_event(reader);
		read_document(reader);
		(void) next_event(reader);	/* the document's end */
	}
	if (!rasa->has_nlu && reader->at < reader->end)
		refuse_yaml(reader, begin, "It has no key nlu.");
	tell_beside(rasa);
}

static bool
next_rasa(TwImportReader *reader)
{
	Rasa	   *rasa = reader->state;

	if (rasa->next == rasa->count)
		return false;
	reader->place.number = rasa->examples[rasa->next++].number;
	reader->place.has_marks = true;
	return true;
}

static void
read_rasa(TwImportReader *reader)
{
	const Rasa *rasa = reader->state;
	const Example *example = &rasa->examples[rasa->next - 1];
	TwSlice		words = example->words;

	if (example->is_line)
	{
		/* Rasa leaves out what does not begin with -, with a warning. */
		if (words.data[0] == '#')
		{
			tw_import_skip(reader, "a comment in a block of examples");
			return;
		}
		if (words.data[0] != '-')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("line %lld: the example does not begin with -", (long long) reader->place.number),
					 errdetail("It begins with \"%s\".", tw_excerpt_of(words.data, Min(words.length, 60))),
					 errhint("Each line of a block is an example: - good morning. " TW_NOTHING_STAYS)));
		words = strip((TwSlice) {words.data + 1, words.length - 1});
	}
	tw_import_read_marks(reader, example->intent, words);
}

static void
end_rasa(TwImportReader *reader)
{
	Rasa	   *rasa = reader->state;

	if (rasa != NULL && rasa->has_event)
		yaml_event_delete(&rasa->event);
	if (rasa != NULL && rasa->has_parser)
		yaml_parser_delete(&rasa->parser);
	if (rasa != NULL)
		rasa->has_event = rasa->has_parser = false;
	tw_import_free_object(reader);
}

const TwImportFormat tw_import_rasa = {
	.name = "rasa", .begin = begin_rasa, .next = next_rasa, .read = read_rasa, .end = end_rasa
};
