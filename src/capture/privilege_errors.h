/*
 * privilege_errors.h
 *		What an application without the privilege for a statement can do
 *		instead.
 */
#ifndef TW_PRIVILEGE_ERRORS_H
#define TW_PRIVILEGE_ERRORS_H

extern void tw_privilege_errors_init(void);

#endif							/* TW_PRIVILEGE_ERRORS_H */
