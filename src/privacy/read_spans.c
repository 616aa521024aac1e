/*
 * read_spans.c
 *		The shapes in which clients and tools write the spans of entities.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "privacy/entity_spans.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#define MAX_POSITION 999999999

/*
 * Rasa, spaCy, Label Studio, Doccano, CRF taggers, Wit, Comprehend, Hugging Face,
 * Azure, Snips. Not endIndex, which is a last position.
 */
static const char *const start_keys[] = {
	"start", "startPos", "start_pos", "start_offset", "startOffset", "start_char", "begin", "beginOffset",
	"BeginOffset", "from", NULL
};
static const char *const end_keys[] = {
	"end", "endPos", "end_pos", "end_offset", "endOffset", "end_char", "stop", "EndOffset", "to", NULL
};
static const char *const offset_keys[] = {"offset", "startIndex", "start", NULL};
static const char *const length_keys[] = {"length", "len", NULL};
static const char *const label_keys[] = {
	"label", "entity", "type", "labels", "entity_group", "entityType", "entity_type", "category", "slotName", "tag",
	"name", "Type", NULL
};
static const char *const words_keys[] = {
	"text", "body", "sourceText", "source_text", "rawValue", "substring", "Text", NULL
};

/* What holds the positions within an entity, and what holds the entities. */
static const char *const inner_keys[] = {"value", "range", NULL};
static const char *const pair_keys[] = {"location", "position", "span", NULL};
static const char *const outer_keys[] = {"entities", "spans", "ents", "label", NULL};

static JsonbValue *
field(const JsonbValue *object, const char *key)
{
	if (object->type != jbvBinary || !JsonContainerIsObject(object->val.binary.data))
		return NULL;
	return getKeyJsonValueFromContainer(object->val.binary.data, key, (int) strlen(key), NULL);
}

static JsonbValue *
element(const JsonbValue *array, uint32 index)
{
	if (array->type != jbvBinary || !JsonContainerIsArray(array->val.binary.data))
		return NULL;
	return getIthJsonbValueFromContainer(array->val.binary.data, index);
}

static uint32
elements(const JsonbValue *array)
{
	if (array == NULL || array->type != jbvBinary || !JsonContainerIsArray(array->val.binary.data))
		return 0;
	return JsonContainerSize(array->val.binary.data);
}

/* The first of these fields that is there and not null, and its name. */
static JsonbValue *
first_field(const JsonbValue *object, const char *const *keys, const char **key)
{
	for (; *keys != NULL; keys++)
	{
		JsonbValue *value = field(object, *keys);

		if (value != NULL && value->type != jbvNull)
		{
			*key = *keys;
			return value;
		}
	}
	return NULL;
}

/* A whole number, also as 2.0, and as a string of digits. */
static bool
read_position(const JsonbValue *value, int *position)
{
	char	   *digits;
	char	   *end;
	long		number;

	if (value == NULL || (value->type != jbvNumeric && value->type != jbvString))
		return false;
	if (value->type == jbvNumeric)
	{
		if (numeric_is_nan(value->val.numeric) || numeric_is_inf(value->val.numeric))
			return false;
		digits = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
	}
	else
		digits = pnstrdup(value->val.string.val, Min(value->val.string.len, 100));
	if (*digits < '0' || *digits > '9')
		return false;
	errno = 0;
	number = strtol(digits, &end, 10);
	if (*end == '.' && end[1] != '\0')
		end += 1 + strspn(end + 1, "0");
	if (errno != 0 || *end != '\0' || number > MAX_POSITION)
		return false;
	*position = (int) number;
	return true;
}

static TwSpanPath
longer(TwSpanPath path, const char *key)
{
	if (key != NULL && path.count < TW_SPAN_KEYS)
		path.keys[path.count++] = key;
	return path;
}

/* Positions as fields of an object, which is the entity or lies in it. */
static bool
read_fields(const JsonbValue *object, TwSpanPath path, TwSpan *span)
{
	const char *key = NULL;

	if (read_position(first_field(object, start_keys, &key), &span->start))
	{
		span->start_path = longer(path, key);
		if (read_position(first_field(object, end_keys, &key), &span->end))
		{
			span->end_path = longer(path, key);
			return true;
		}
	}
	if (!read_position(first_field(object, offset_keys, &key), &span->start))
		return false;
	span->start_path = longer(path, key);
	if (!read_position(first_field(object, length_keys, &key), &span->end))
		return false;
	span->end_path = longer(path, key);
	span->end += span->start;
	span->has_length = true;
	return true;
}

/* Positions as neighbours in an array. */
static bool
read_pair(const JsonbValue *array, uint32 index, TwSpanPath path, TwSpan *span)
{
	if (!read_position(element(array, index), &span->start) || !read_position(element(array, index + 1), &span->end))
		return false;
	span->start_path = longer(path, index == 0 ? "0" : "1");
	span->end_path = longer(path, index == 0 ? "1" : "2");
	return true;
}

static void
add_label(TwSpan *span, const JsonbValue *value)
{
	TwSlice		label = TW_NULL_SLICE;

	if (value->type == jbvString)
		label = (TwSlice) {value->val.string.val, value->val.string.len};
	else if (value->type == jbvNumeric)
	{
		label.data = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		label.length = (int) strlen(label.data);
	}
	if (label.length > 0 && span->labels_count < TW_SPAN_LABELS)
		span->labels[span->labels_count++] = label;
}

/* A label, or an array of labels. */
static void
add_labels(TwSpan *span, const JsonbValue *value)
{
	uint32		count = elements(value);

	if (value == NULL)
		return;
	if (count == 0)
		add_label(span, value);
	for (uint32 i = 0; i < count && i < TW_SPAN_LABELS; i++)
		add_label(span, element(value, i));
}

/* What the entity says that its words are. */
static void
read_words(TwSpan *span, const JsonbValue *object)
{
	const char *key = NULL;
	JsonbValue *words = first_field(object, words_keys, &key);
	JsonbValue *value = field(object, "value");

	if (span->words.data != NULL)
		return;
	if (words == NULL || words->type != jbvString)
	{
		words = value;
		span->is_value = true;
	}
	if (words != NULL && words->type == jbvString && words->val.string.len > 0)
		span->words = (TwSlice) {words->val.string.val, words->val.string.len};
}

/* An object with positions, or with an object or an array that has them. */
static bool
read_object(const JsonbValue *object, TwSpanPath path, TwSpan *span)
{
	const char *key = NULL;
	const JsonbValue *inner = object;
	bool		found = read_fields(object, path, span);

	for (int i = 0; !found && inner_keys[i] != NULL; i++)
	{
		inner = field(object, inner_keys[i]);
		found = inner != NULL && read_fields(inner, longer(path, inner_keys[i]), span);
	}
	for (int i = 0; !found && pair_keys[i] != NULL; i++)
	{
		inner = field(object, pair_keys[i]);
		found = elements(inner) == 2 && read_pair(inner, 0, longer(path, pair_keys[i]), span);
	}
	if (!found)
		return false;
	/* Label Studio has "type": "labels" beside the value that holds the labels. */
	if (inner != object && field(inner, "labels") != NULL)
		add_labels(span, field(inner, "labels"));
	else
		add_labels(span, first_field(object, label_keys, &key));
	read_words(span, object);
	if (inner != object)
		read_words(span, inner);
	return true;
}

/* [2, 7, "F"] and ["F", 2, 7]. */
static bool
read_array(const JsonbValue *array, TwSpanPath path, TwSpan *span)
{
	if (elements(array) < 3)
		return false;
	if (read_pair(array, 0, path, span))
		add_labels(span, element(array, 2));
	else if (read_pair(array, 1, path, span))
		add_labels(span, element(array, 0));
	else
		return false;
	return true;
}

static bool
read_span(const JsonbValue *entity, TwSpanPath path, TwSpan *span)
{
	memset(span, 0, sizeof(TwSpan));
	if (entity->type != jbvBinary)
		return false;
	span->entity = *entity;
	return JsonContainerIsObject(entity->val.binary.data) ? read_object(entity, path, span) :
		read_array(entity, path, span);
}

/* The array of entities: the value itself, or a field of it. */
static const JsonbValue *
find_list(const JsonbValue *root, TwSpanPath *path)
{
	if (!JsonContainerIsObject(root->val.binary.data))
		return root;
	for (int i = 0; outer_keys[i] != NULL; i++)
	{
		const JsonbValue *list = field(root, outer_keys[i]);

		if (elements(list) > 0)
		{
			*path = longer(*path, outer_keys[i]);
			return list;
		}
	}
	return NULL;
}

/* The entities that have positions, in their order. */
TwSpans
tw_read_spans(Jsonb *entities)
{
	TwSpans		result = {0};
	TwSpanPath	path = {0};
	JsonbValue	root = {.type = jbvBinary};
	const JsonbValue *list;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	entity;
	int			number = 0;

	if (JB_ROOT_IS_SCALAR(entities))
		return result;
	root.val.binary.data = &entities->root;
	root.val.binary.len = VARSIZE_ANY_EXHDR(entities);
	list = find_list(&root, &path);
	if (list == NULL)
	{
		result.spans = palloc(sizeof(TwSpan));
		if (read_span(&root, path, result.spans))
			result.count = 1;
		return result;
	}
	result.spans = palloc_extended(sizeof(TwSpan) * Max(elements(list), 1), MCXT_ALLOC_HUGE);
	iterator = JsonbIteratorInit(list->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &entity, true)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		if (token != WJB_ELEM)
			continue;
		if (entity.type == jbvBinary && read_span(&entity, longer(path, psprintf("%d", number)),
												  &result.spans[result.count]))
			result.count++;
		number++;
	}
	return result;
}
