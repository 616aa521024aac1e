/*
 * s3_xml.c
 *		The text of one element in the XML of a store's refusal.
 *
 * This is no XML parser. It knows the five predefined entities and no others, skips declarations, reads plain elements
 * only, and returns printable ASCII only.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "s3/s3_client.h"

#define MAX_DOCUMENT (64 * 1024)

typedef struct Entity
{
	const char *name;
	char		character;
} Entity;

static const Entity entities[] = {
	{"&lt;", '<'},
	{"&gt;", '>'},
	{"&amp;", '&'},
	{"&quot;", '"'},
	{"&apos;", '\''},
};

/* The position of the text before the end, or NULL. The buffer is no C string: it may contain a NUL. */
static const char *
find(const char *at, const char *end, const char *text)
{
	size_t		length = strlen(text);

	for (; at != NULL && (size_t) (end - at) >= length; at++)
	{
		at = memchr(at, text[0], end - at);
		if (at == NULL || (size_t) (end - at) < length)
			return NULL;
		if (memcmp(at, text, length) == 0)
			return at;
	}
	return NULL;
}

/* Decodes the character at *at, and advances *at. */
static char
next_character(const char **at, const char *end)
{
	char		character = **at;

	for (size_t i = 0; i < lengthof(entities); i++)
	{
		size_t		length = strlen(entities[i].name);

		if ((size_t) (end - *at) >= length && memcmp(*at, entities[i].name, length) == 0)
		{
			*at += length;
			return entities[i].character;
		}
	}
	*at += 1;
	return character;
}

/* The text of the first element of that name within <Error>, cut to a maximum length; NULL = there is none. */
char *
tw_s3_error_part(const char *body, size_t length, const char *name, size_t max_bytes)
{
	const char *end = body + Min(length, MAX_DOCUMENT);
	char	   *opening = psprintf("<%s>", name);
	char	   *closing = psprintf("</%s>", name);
	const char *at = find(body, end, "<Error");
	StringInfoData result;

	if (at == NULL || find(body, end, "<!") != NULL)
		return NULL;
	at = find(at, end, opening);
	if (at == NULL)
		return NULL;
	at += strlen(opening);
	end = find(at, end, closing);
	if (end == NULL)
		return NULL;

	initStringInfo(&result);
	while (at < end && (size_t) result.len < max_bytes)
	{
		char		character = next_character(&at, end);

		if (character < 0x20 || character > 0x7e)
			character = strchr("\r\n\t", character) != NULL && character != '\0' ? ' ' : '?';
		appendStringInfoChar(&result, character);
	}
	if (at < end)
		appendStringInfoString(&result, "...");
	return result.data;
}
