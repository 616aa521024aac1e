/*
 * policy_columns.h
 *		The columns of review_policies, as review_policies.sql orders them.
 */
#ifndef TW_POLICY_COLUMNS_H
#define TW_POLICY_COLUMNS_H

#define TW_POLICY_ID					1
#define TW_POLICY_MODULE_TYPE			2
#define TW_POLICY_INTENT				3
#define TW_POLICY_REVIEW_BELOW			4
#define TW_POLICY_APPROVE_ABOVE			5
#define TW_POLICY_TRUSTED_PROVIDERS		6
#define TW_POLICY_FALLBACK_PROVIDERS	7
#define TW_POLICY_AUDIT_RATE_APPROVED	8
#define TW_POLICY_AUDIT_RATE_REVIEW		9

#endif							/* TW_POLICY_COLUMNS_H */
