/*
 * masking.h
 *		A text of which parts are marked, and masked: every digit becomes '0' and
 *		every letter 'x', so that spans in code points stay valid.
 */
#ifndef TW_MASKING_H
#define TW_MASKING_H

/* A text on its way through the rules. */
typedef struct TwRedaction
{
	const uint8 *data;
	const uint8 *end;
	uint8	   *marks;			/* one a byte of data, 1 = redact; NULL = none so far */
} TwRedaction;

extern void tw_redaction_mark(TwRedaction *redaction, const uint8 *start, const uint8 *end);
extern uint8 *tw_write_masked(const TwRedaction *redaction, uint8 *out);

#endif							/* TW_MASKING_H */
