/*
 * log_columns.h
 *		The columns of conversation_logs, as conversation_logs.sql orders them.
 *
 * The numbers are fixed: later versions append columns and never reorder them,
 * and a restored table is always made by the install script.
 */
#ifndef TW_LOG_COLUMNS_H
#define TW_LOG_COLUMNS_H

#include "utils/rel.h"

typedef enum TwLogColumn
{
	TW_LOG_ID = 1,
	TW_LOG_SESSION_ID = 2,
	TW_LOG_PHONE_NUMBER,
	TW_LOG_USER_ID,
	TW_LOG_USER_MESSAGE,
	TW_LOG_MESSAGE_TYPE,
	TW_LOG_MESSAGE_LANGUAGE,
	TW_LOG_NLU_INTENT = 8,
	TW_LOG_NLU_CONFIDENCE = 9,
	TW_LOG_NLU_MODULE_ID = 10,
	TW_LOG_NLU_MODULE_TYPE = 11,
	TW_LOG_NLU_PROVIDER = 12,
	TW_LOG_NLU_MODEL_VERSION = 13,
	TW_LOG_NLU_ENTITIES = 14,
	TW_LOG_NLU_TONE,
	TW_LOG_ROUTED_TO = 17,
	TW_LOG_RESPONSE_TEXT,
	TW_LOG_RESPONSE_SUCCESS,
	TW_LOG_USER_FEEDBACK = 20,
	TW_LOG_USER_CORRECTION,
	TW_LOG_BACKEND_REFERENCE,
	TW_LOG_METADATA,
	TW_LOG_IS_TRAINING_CANDIDATE,
	TW_LOG_REVIEW_STATUS,
	TW_LOG_REVIEW_PRIORITY,
	TW_LOG_REVIEW_REASON,
	TW_LOG_FILTER_OUTCOME,
	TW_LOG_FILTER_POLICY_ID,
	TW_LOG_IS_AUDIT,
	TW_LOG_SELECTION_PROBABILITY,
	TW_LOG_FILTERED_AT,
	TW_LOG_CREATED_AT,
	TW_LOG_CREATED_ON,
	/* Not in the tables of 0.1.0. */
	TW_LOG_IDEMPOTENCY_KEY,
	TW_LOG_ANONYMISED_AT
} TwLogColumn;

/* How a column lies in a row. */
typedef struct TwColumnLayout
{
	int16		length;			/* -1: a text or another value of any length */
	uint8		alignment;
	bool		by_value;
} TwColumnLayout;

extern void tw_log_columns_init(void);
extern void tw_check_log_columns(Relation rel);
extern bool tw_has_added_columns(void);
extern const TwColumnLayout *tw_log_layout(Relation rel);

#endif							/* TW_LOG_COLUMNS_H */
