/*
 * redact.h
 *		Redaction of personal data in UTF-8 text, code point by code point: every
 *		digit of a match becomes '0' and every letter 'x', so that spans in code
 *		points stay valid.
 *
 * Redaction is idempotent. For that, every rule has to be of one of two kinds.
 * The first kind tests only the kinds of characters, which redaction does not
 * change. The second kind requires a nonzero digit in each group whose digits
 * it tests, so that it never matches a redacted group. An exception for
 * certain digits or letters must still hold when some of them are masked, for
 * example by an address. All matches are redacted, overlapping or not: a
 * choice between two matches could differ the second time.
 */
#ifndef TW_REDACT_H
#define TW_REDACT_H

#include "utils/jsonb.h"

/*
 * Both return their argument if nothing changes; neither accepts a compressed
 * or external value. `locations` says whether coordinates are masked too.
 */
extern text *tw_redact(text *input, bool locations);
extern Jsonb *tw_redact_jsonb(Jsonb *input, bool locations);

#endif							/* TW_REDACT_H */
