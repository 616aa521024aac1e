/*
 * remote.c
 *		Module magic and start-up of the library that connects to other servers.
 *
 * It is a separate library because of libcurl: loading that and its 32 libraries takes 6 ms or more, which most
 * sessions need not spend.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"

#include <curl/curl.h>

tw_module_magic("training_workflow_remote");

void		_PG_init(void);

void
_PG_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("libcurl could not be initialised")));
}
