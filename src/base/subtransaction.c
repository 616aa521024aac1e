/*
 * subtransaction.c
 *		Work that can fail without failing the transaction.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/subtransaction.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/*
 * Errors not caused by the work: the transaction cannot continue (40),
 * resources are exhausted (53), an operator intervened (57), an internal error
 * (XX), or the stack depth limit (54001). Catching the last at every level of
 * a runaway recursion would never end.
 */
static bool
must_not_be_swallowed(int sqlerrcode)
{
	if (sqlerrcode == ERRCODE_STATEMENT_TOO_COMPLEX)
		return true;
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_INTERNAL_ERROR:
			return true;
		default:
			return false;
	}
}

/*
 * Does the work in a subtransaction. Returns NULL on success; on failure rolls
 * the work back and returns the error, in the caller's memory context. Errors
 * of the classes 40, 53, 57 and XX, and 54001, are raised again.
 *
 * The current user is restored afterwards, even if the work changed it and
 * failed.
 */
ErrorData *
tw_try(void (*work) (void *arg), void *arg)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);

	PG_TRY();
	{
		work(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();

	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;

	if (error != NULL && must_not_be_swallowed(error->sqlerrcode))
		ReThrowError(error);
	return error;
}
