/*
 * backend.h
 *		What stands in for the server when the router's core runs without one.
 */
#ifndef TW_TEST_BACKEND_H
#define TW_TEST_BACKEND_H

/* The C library's own, not those of the server's port library. */
#undef printf
#undef fprintf
#undef vsnprintf
#undef vprintf
#undef snprintf
#undef qsort

extern void backend_init(void);

/* Runs work(arg); the error's code if it raised one (its text is in backend_message), 0 otherwise. */
extern int	backend_try(void (*work) (void *arg), void *arg);
extern char backend_message[1024];

/* Bytes that are allocated now, and the most there were since the last reset. */
extern Size backend_allocated(void);
extern Size backend_peak(void);
extern void backend_reset_peak(void);

#endif							/* TW_TEST_BACKEND_H */
