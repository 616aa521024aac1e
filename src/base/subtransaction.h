/*
 * subtransaction.h
 *		Work that can fail without failing the transaction.
 */
#ifndef TW_SUBTRANSACTION_H
#define TW_SUBTRANSACTION_H

extern ErrorData *tw_try(void (*work) (void *arg), void *arg);

#endif							/* TW_SUBTRANSACTION_H */
