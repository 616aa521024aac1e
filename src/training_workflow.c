/*
 * training_workflow.c
 *		Module magic and start-up of the extension.
 */
#include "postgres.h"

#include "fmgr.h"

#include "base/cached_table.h"
#include "base/compat.h"
#include "base/time_argument.h"
#include "capture/conversation_id.h"
#include "capture/log_check.h"
#include "capture/log_columns.h"
#include "capture/privilege_errors.h"
#include "capture/sample_table.h"
#include "capture/unstored_row.h"
#include "governance/drop_guard.h"
#include "runs/job_lock.h"
#include "utils/guc.h"

tw_module_magic("training_workflow");

void		_PG_init(void);

void
_PG_init(void)
{
	tw_cached_table_init();
	tw_log_columns_init();
	tw_log_check_init();
	tw_conversation_id_init();
	tw_sample_table_init();
	tw_privilege_errors_init();
	tw_unstored_row_init();
	tw_drop_guard_init();
	tw_time_argument_init();
	tw_job_lock_init();
	MarkGUCPrefixReserved("training_workflow");
}
