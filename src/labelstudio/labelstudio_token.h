/*
 * labelstudio_token.h
 *		Label Studio's two kinds of tokens.
 */
#ifndef TW_LABELSTUDIO_TOKEN_H
#define TW_LABELSTUDIO_TOKEN_H

/* The least remaining lifetime of an access token, in seconds, for a new request. */
#define TW_ACCESS_TOKEN_MARGIN 60

extern bool tw_is_personal_access_token(const char *token);
extern char *tw_access_token_of_reply(const char *body, size_t length);

extern char *tw_kept_access_token(Oid server_id, const char *personal_token);
extern void tw_keep_access_token(Oid server_id, const char *personal_token, const char *access_token);
extern void tw_forget_access_token(Oid server_id);

#endif							/* TW_LABELSTUDIO_TOKEN_H */
