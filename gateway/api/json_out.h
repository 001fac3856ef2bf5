/*
 * Building answers. Running out of memory is remembered and told once, by out_send
 * or out_end, so that the callers between need not ask.
 *
 * Internal to gateway/api.
 */
#ifndef KEYHOUSE_API_JSON_OUT_H
#define KEYHOUSE_API_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/api/api.h"

struct cJSON;

struct out {
	struct cJSON *object;
	bool failed;
};

void out_begin(struct out *o);
void out_text(struct out *o, const char *key, const char *text); /* NULL and "" become null */
void out_number(struct out *o, const char *key, int64_t number);
void out_bool(struct out *o, const char *key, bool is);
void out_time(struct out *o, const char *key, int64_t ms); /* RFC 3339, UTC; 0 becomes null */
/* Takes value. NULL: memory was short. */
void out_value(struct out *o, const char *key, struct cJSON *value);
void out_null(struct out *o, const char *key);

/* Ends the building. Owns: the caller deletes it; NULL when memory was short. */
struct cJSON *out_end(struct out *o);
/* Ends the building as an answer; 503 without a body when memory was short. */
void out_send(struct out *o, struct api_response *res, int status);
/* The same for a tree; takes it, NULL: memory was short. */
void out_send_tree(struct cJSON *tree, struct api_response *res, int status);

#endif
