/*
 * redact.h
 *		Redaction of personal data in UTF-8 text, code point by code point: every
 *		digit of a match becomes '0' and every letter 'x', so that spans in code
 *		points stay valid.
 *
 * Redacting twice changes nothing more. That holds because every rule is one of
 * two kinds, and new ones have to be as well: it looks at the kinds of the
 * characters alone, which redaction does not change; or it asks for a digit that
 * is not 0 in a group, and any other digit that it asks for is in such a group
 * too, so that a group which was redacted never fits it. What is left alone for
 * its digits or letters has to be left alone when some of them are masked, by an
 * address for example. And everything that matches is redacted, overlapping or
 * not: a choice between two matches could come out differently the second time.
 */
#ifndef TW_REDACT_H
#define TW_REDACT_H

#include "utils/jsonb.h"

/* Both return their argument when nothing had to change; neither takes a compressed or external value. */
extern text *tw_redact(text *input);
extern Jsonb *tw_redact_jsonb(Jsonb *input);

#endif							/* TW_REDACT_H */
