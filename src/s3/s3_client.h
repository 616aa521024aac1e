/*
 * s3_client.h
 *		Objects in a bucket: put, get, head, delete.
 */
#ifndef TW_S3_CLIENT_H
#define TW_S3_CLIENT_H

#include "base/compat.h"
#include "common/sha2.h"
#include "http/endpoint.h"
#include "http/http.h"

#define TW_SHA256_LENGTH (2 * PG_SHA256_DIGEST_LENGTH)

/* One request stores at most 5 GB. */
#define TW_S3_MAX_BYTES (INT64CONST(5) * 1024 * 1024 * 1024)

typedef struct TwS3Store
{
	TwEndpoint *endpoint;
	const char *bucket;
	char	   *root;			/* the URL up to the key */
	TwHttpSigning signing;
} TwS3Store;

/* The content of an object: bytes in memory, or a file's. */
typedef struct TwS3Content
{
	const char *bytes;
	bool		is_file;
	int			file;
	int64		length;
	bool		only_new;		/* an existing object must not be replaced */
	char		sha256[TW_SHA256_LENGTH + 1];
} TwS3Content;

/* A store's refusal, explained. */
typedef struct TwS3Refusal
{
	int			sqlerrcode;
	char	   *code;			/* the store's code, or NULL */
	char	   *message;
	char	   *detail;			/* or NULL */
	char	   *hint;
} TwS3Refusal;

extern TwS3Store *tw_s3_store(const char *server);
extern char *tw_s3_key(const TwS3Store *store, const char *name);
extern char *tw_s3_location(const TwS3Store *store, const char *key);

extern void tw_s3_init_request(const TwS3Store *store, TwHttpRequest *request, const char *method, const char *key);
extern void tw_s3_try(TwHttpRequest *request, const TwS3Content *content, TwHttpResponse *response);
extern void tw_s3_perform(const TwS3Store *store, TwHttpRequest *request, const TwS3Content *content,
						  TwHttpResponse *response);
extern void tw_s3_put(const TwS3Store *store, const char *key, const TwS3Content *content);
extern int64 tw_s3_read(const TwS3Store *store, const char *key, int64 max_bytes, char *sha256);

extern void tw_s3_explain(const TwS3Store *store, const TwHttpRequest *request, const TwHttpResponse *response,
						  TwS3Refusal *refusal);
pg_noreturn extern void tw_s3_refuse(const TwS3Store *store, const TwHttpRequest *request,
									 const TwHttpResponse *response);

/* s3_xml.c */
extern char *tw_s3_error_part(const char *body, size_t length, const char *name, size_t max_bytes);

#endif							/* TW_S3_CLIENT_H */
