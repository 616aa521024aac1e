/*
 * masking.h
 *		Masking of the marked parts of a text: every digit becomes '0' and
 *		every letter 'x', so that spans in code points stay valid.
 */
#ifndef TW_MASKING_H
#define TW_MASKING_H

/* Fewest digits of a match without '@', '/' or a degree sign: those of a PAN. */
#define TW_MIN_DIGITS 4

/* Number of bytes that are looked at between two checks for a cancel request. */
#define TW_INTERRUPT_BYTES 65536

/* A text during redaction. */
typedef struct TwRedaction
{
	const uint8 *data;
	const uint8 *end;
	uint8	   *marks;			/* one for each byte of data, 1 = redact; NULL = no marks so far */
} TwRedaction;

extern void tw_redaction_mark(TwRedaction *redaction, const uint8 *start, const uint8 *end);
extern uint8 *tw_write_masked(const TwRedaction *redaction, uint8 *out);

#endif							/* TW_MASKING_H */
