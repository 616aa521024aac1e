/*
 * endpoint.h
 *		Foreign servers of our wrappers, and the secrets of their user mappings.
 */
#ifndef TW_ENDPOINT_H
#define TW_ENDPOINT_H

#include "nodes/pg_list.h"

#define TW_LABELSTUDIO_WRAPPER "training_workflow_labelstudio"
#define TW_S3_WRAPPER "training_workflow_s3"

/* Defaults and maximum, in seconds. */
#define TW_CONNECT_TIMEOUT 5
#define TW_TIMEOUT 30
#define TW_IMPORT_TIMEOUT 120
#define TW_LONGEST_TIMEOUT 3600

/* Allocated in the current memory context. */
typedef struct TwEndpoint
{
	Oid			server_id;
	char	   *server;			/* the server's name */
	List	   *server_options;
	List	   *mapping_options;
} TwEndpoint;

extern TwEndpoint *tw_endpoint(const char *server, const char *wrapper);
extern const char *tw_endpoint_text(const TwEndpoint *endpoint, const char *option);
extern char *tw_endpoint_url(const TwEndpoint *endpoint, const char *option);
extern bool tw_endpoint_bool(const TwEndpoint *endpoint, const char *option, bool standard);
extern double tw_endpoint_seconds(const TwEndpoint *endpoint, const char *option, double standard);
extern char *tw_endpoint_secret(const TwEndpoint *endpoint, const char *option);

extern const char *tw_secret_fault(const char *secret, size_t length);

#endif							/* TW_ENDPOINT_H */
