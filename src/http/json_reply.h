/*
 * json_reply.h
 *		JSON from another server.
 */
#ifndef TW_JSON_REPLY_H
#define TW_JSON_REPLY_H

extern bool tw_json_reply(char *body, size_t length, Datum *reply);

#endif							/* TW_JSON_REPLY_H */
