/*
 * import_task.c
 *		Tasks of Label Studio's JSON export: with the controls of our own projects,
 *		or with any one control of choices.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/excerpt.h"
#include "exchange/import_objects.h"

#define LINE(reader) ((long long) (reader)->place.number)

pg_noreturn static void
refuse_task(const TwImportReader *reader, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("line %lld: the task cannot be imported", LINE(reader)),
			 errdetail("%s", detail),
			 errhint("%s " TW_NOTHING_STAYS, hint)));
}

static json_t *
annotations_of(const json_t *task)
{
	json_t	   *annotations = json_object_get(task, "annotations");

	/* Until 2020 they had another name. */
	return annotations != NULL ? annotations : json_object_get(task, "completions");
}

/* Whether the object is a task with its data and annotations. */
bool
tw_import_is_task(const json_t *object)
{
	return json_is_object(json_object_get(object, "data")) && json_is_array(annotations_of(object));
}

static bool
is_true(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

static const char *
string_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_string(value) ? json_string_value(value) : "";
}

/* The first choice, or the first text, of a control in an annotation's result; NULL = none. */
static const json_t *
answer_of(const json_t *result, const char *control)
{
	size_t		i;
	json_t	   *item;

	json_array_foreach(result, i, item)
	{
		const json_t *value = json_object_get(item, "value");
		const json_t *answer = json_object_get(value, "choices");

		if (strcmp(string_of(item, "from_name"), control) != 0)
			continue;
		if (answer == NULL)
			answer = json_object_get(value, "text");
		if (json_is_array(answer) && json_array_size(answer) == 1)
			answer = json_array_get(answer, 0);
		if (json_is_string(answer) && !tw_slice_is_blank(tw_json_slice(answer)))
			return answer;
	}
	return NULL;
}

/* The choice of the only control of choices that an annotation has; NULL = there is none, or none with one choice. */
static const json_t *
only_choice(const json_t *result)
{
	const json_t *found = NULL;
	size_t		i;
	json_t	   *item;

	json_array_foreach(result, i, item)
	{
		const json_t *choices = json_object_get(json_object_get(item, "value"), "choices");

		if (choices == NULL)
			continue;
		if (found != NULL || json_array_size(choices) != 1)
			return NULL;
		found = json_array_get(choices, 0);
	}
	return json_is_string(found) ? found : NULL;
}

/* The model's answer, which people approved. */
static const json_t *
predicted_intent(const json_t *task)
{
	return answer_of(json_object_get(json_array_get(json_object_get(task, "predictions"), 0), "result"), "intent");
}

/*
 * The intent that an annotation names; NULL = none. With the controls of our projects, *rejected says whether the
 * person rejected the answer.
 */
static const json_t *
intent_of(const json_t *task, const json_t *annotation, bool *rejected)
{
	static const char *const none[] = {"reject", "unclear", "no such intent", "no answer"};
	const json_t *result = json_object_get(annotation, "result");
	const json_t *verdict = answer_of(result, "verdict");
	const json_t *intent = answer_of(result, "new_intent");

	*rejected = false;
	if (intent == NULL)
		intent = answer_of(result, "intent");
	if (verdict == NULL)
		return intent != NULL ? intent : only_choice(result);
	for (size_t i = 0; i < lengthof(none); i++)
		*rejected |= strcmp(json_string_value(verdict), none[i]) == 0;
	if (*rejected)
		return NULL;
	if (intent != NULL)
		return intent;
	/* Where two models disagree, the verdict is one of their answers. */
	return strcmp(json_string_value(verdict), "approve") == 0 ? predicted_intent(task) : verdict;
}

/*
 * The annotation that counts, with its intent: what is marked as ground truth, or else the last one. All that are not
 * cancelled have to agree otherwise. NULL = nobody gave an answer.
 */
static const json_t *
choose_annotation(TwImportReader *reader, const json_t *task, const json_t **intent, bool *any_rejected)
{
	const json_t *chosen = NULL;
	size_t		i;
	json_t	   *annotation;

	*any_rejected = false;
	json_array_foreach(annotations_of(task), i, annotation)
	{
		bool		rejected;
		const json_t *named;

		if (is_true(annotation, "was_cancelled"))
			continue;
		named = intent_of(task, annotation, &rejected);
		*any_rejected |= rejected;
		if (named == NULL && !rejected)
			refuse_task(reader, "An annotation names no intent, or more than one.",
						"Import tasks with one control of choices, or with a control that is called intent.");
		if (named != NULL && is_true(annotation, "ground_truth"))
		{
			*intent = named;
			*any_rejected = false;
			return annotation;
		}
		if (rejected)
			continue;
		if (chosen != NULL && !json_equal((json_t *) named, (json_t *) *intent))
			refuse_task(reader, "Its annotations name different intents.",
						"Mark the right one as ground truth, or cancel the others.");
		chosen = annotation;
		*intent = named;
	}
	return chosen;
}

/* The text of a task: what the argument columns names, data.text, or the only string of the data. */
static void
put_text(TwImportReader *reader, TwImportLine *line, const json_t *data)
{
	const char *name = reader->columns.keys[TW_IMPORT_TEXT].name;
	const json_t *found = json_object_get(data, name != NULL ? name : "text");
	const char *key;
	json_t	   *value;
	int			strings = 0;

	if (found == NULL && name == NULL)
	{
		json_object_foreach((json_t *) data, key, value)
		{
			if (json_is_string(value) && ++strings == 1)
				found = value;
		}
	}
	if (found == NULL || strings > 1)
		refuse_task(reader, "It does not say which of its data is the text.",
					"Name it: columns => '{\"text\": \"...\"}'.");
	tw_import_put(reader, line, TW_IMPORT_TEXT, name != NULL ? name : "text", found);
}

/* The spans that an annotation marks; what they hold comes with them. */
static void
put_spans(TwImportReader *reader, TwImportLine *line, const json_t *annotation)
{
	StringInfoData entities;
	size_t		i;
	json_t	   *item;

	initStringInfo(&entities);
	json_array_foreach(json_object_get(annotation, "result"), i, item)
	{
		const json_t *value = json_object_get(item, "value");
		const json_t *labels = json_object_get(value, "labels");
		const json_t *words = json_object_get(value, "text");
		const json_t *start = json_object_get(value, "start");
		const json_t *end = json_object_get(value, "end");
		size_t		n;
		json_t	   *label;

		json_array_foreach(labels, n, label)
		{
			if (!json_is_string(label) || !json_is_number(start) || !json_is_number(end))
				continue;
			tw_import_add_span(&entities, (int) json_number_value(start), (int) json_number_value(end),
							   tw_json_slice(label), json_is_string(words) ? tw_json_slice(words) : TW_NULL_SLICE);
		}
	}
	tw_import_end_spans(reader, line, &entities);
}

/* Makes a sample of the current record, a task. */
void
tw_import_read_task(TwImportReader *reader)
{
	const json_t *data = json_object_get(reader->root, "data");
	const json_t *language = json_object_get(data, "language");
	const json_t *intent = NULL;
	bool		rejected;
	const json_t *annotation = choose_annotation(reader, reader->root, &intent, &rejected);
	TwImportLine *line;

	if (annotation == NULL || rejected)
	{
		tw_import_skip(reader, rejected ? "a person rejected it" : "nobody has annotated it");
		return;
	}
	line = tw_import_add_line(reader);
	tw_import_read_constants(reader, line);
	put_text(reader, line, data);
	tw_import_put(reader, line, TW_IMPORT_INTENT, "intent", intent);
	put_spans(reader, line, annotation);
	if (json_is_string(language) && line->values[TW_IMPORT_LANGUAGE].isnull)
		tw_import_put(reader, line, TW_IMPORT_LANGUAGE, "language", language);
	tw_import_finish(reader, line);
}

static void
read_labelstudio(TwImportReader *reader)
{
	tw_import_parse_object(reader);
	if (!tw_import_is_task(reader->root))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("line %lld is not a task of Label Studio", LINE(reader)),
				 errdetail("A task has \"data\", an object, and \"annotations\", an array."),
				 errhint("Export the project as JSON, not as JSON-MIN. " TW_NOTHING_STAYS)));
	tw_import_read_task(reader);
}

const TwImportFormat tw_import_labelstudio = {
	.name = "labelstudio", .has_columns = true, .next = tw_import_next_object, .read = read_labelstudio,
	.end = tw_import_free_object
};
