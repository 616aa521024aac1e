/*
 * sample_table.h
 *		What an insertion into training_samples without an executor needs to
 *		know of the table.
 */
#ifndef TW_SAMPLE_TABLE_H
#define TW_SAMPLE_TABLE_H

#include "fmgr.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

/* The columns of training_samples, as training_samples.sql orders them. */
typedef enum TwSampleColumn
{
	TW_SAMPLE_ID = 1,
	TW_SAMPLE_CONVERSATION_LOG_ID,
	TW_SAMPLE_TEXT,
	TW_SAMPLE_TEXT_HASH,
	TW_SAMPLE_NORMALIZER,
	TW_SAMPLE_INTENT,
	TW_SAMPLE_MODULE_ID,
	TW_SAMPLE_MODULE_TYPE,
	TW_SAMPLE_ENTITIES,
	TW_SAMPLE_LANGUAGE,
	TW_SAMPLE_EXPECTED_SERVICE,
	TW_SAMPLE_REVIEW_STATUS,
	TW_SAMPLE_LABEL_SOURCE,
	TW_SAMPLE_REVIEWED_BY,
	TW_SAMPLE_REVIEWED_AT,
	TW_SAMPLE_SOURCE,
	TW_SAMPLE_SPLIT,
	TW_SAMPLE_SELECTION_PROBABILITY,
	TW_SAMPLE_QUALITY_SCORE,
	TW_SAMPLE_MODEL_VERSION_TARGET,
	TW_SAMPLE_CREATED_AT,
	TW_SAMPLE_UPDATED_AT,
	TW_SAMPLE_PENDING_REASON,
	TW_SAMPLE_REVIEW_PRIORITY,
	TW_SAMPLE_REVIEW_REASON
} TwSampleColumn;

#define TW_SAMPLE_COLUMNS TW_SAMPLE_REVIEW_REASON

/* Valid until the next call of tw_sample_table(). */
typedef struct TwSampleTable
{
	bool		is_plain;		/* whether rows can be inserted without an executor; else nothing below is set */
	Oid			id_sequence;
	FmgrInfo	sample_text;
	FmgrInfo	text_hash;
	FmgrInfo	sample_entities;
	int			index_count;
	Oid		   *indexes;
	IndexInfo **index_infos;	/* ready to evaluate expressions and predicates */
	EState	   *state;			/* what they are evaluated in */
} TwSampleTable;

extern void tw_sample_table_init(void);
extern TwSampleTable *tw_sample_table(Relation samples);

#endif							/* TW_SAMPLE_TABLE_H */
