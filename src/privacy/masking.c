/*
 * masking.c
 *		Marks parts of a text, and writes the text with these parts masked.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "privacy/characters.h"
#include "privacy/masking.h"

/* Marks the bytes from `start` to before `end` for redaction. */
void
tw_redaction_mark(TwRedaction *redaction, const uint8 *start, const uint8 *end)
{
	if (redaction->marks == NULL)
		redaction->marks = palloc0(redaction->end - redaction->data);
	memset(redaction->marks + (start - redaction->data), 1, end - start);
}

/* Writes the text with the marked parts masked; returns the end of the output. */
uint8 *
tw_write_masked(const TwRedaction *redaction, uint8 *out)
{
	const uint8 *at = redaction->data;

	while (at < redaction->end)
	{
		const uint8 *mark = memchr(redaction->marks + (at - redaction->data), 1, redaction->end - at);
		const uint8 *stop = mark ? redaction->data + (mark - redaction->marks) : redaction->end;

		memcpy(out, at, stop - at);
		out += stop - at;
		for (at = stop; at < redaction->end && redaction->marks[at - redaction->data];)
		{
			int			length;
			TwCharKind	kind = tw_char_kind(tw_char_at(at, redaction->end, &length));

			CHECK_FOR_INTERRUPTS();
			if (kind == TW_DIGIT || kind == TW_LETTER)
				*out++ = kind == TW_DIGIT ? '0' : 'x';
			else
			{
				memcpy(out, at, length);
				out += length;
			}
			at += length;
		}
	}
	return out;
}
