/*
 * Calls that may come twice: one that carries an Idempotency-Key is done once, and its first answer is given again, for
 * 7 days. The key and what is asked are kept as blind indexes of the business, or as hashes where the call concerns
 * none. Called by api and the front.
 */
#ifndef KEYHOUSE_ONCE_H
#define KEYHOUSE_ONCE_H

#include <stdbool.h>

#include "gateway/tenant.h"

#define ONCE_KEPT_MAX (64u * 1024u) /* of an answer; a longer one is not kept, and its call may be made again */

/* Whether it is 1 to 255 printable characters. */
bool once_key_ok(const char *key);

struct once_call {
	const char *business_id; /* "": it concerns none */
	const char *method, *path, *query; /* the key is one of these alone; query may be NULL */
	const char *key; /* as once_key_ok has it */
	const void *body;
	size_t body_len;
};
enum once {
	ONCE_NEW = 1, /* in flight from now on: once_end */
	ONCE_ANSWERED, /* *first has its answer */
	ONCE_OTHER, /* the key was used for another body */
	ONCE_IN_FLIGHT,
	ONCE_TENANT, /* *tenant says what failed */
	ONCE_STORE, /* *store says what failed */
};
struct once_fault {
	enum tenant_error tenant;
	enum store_error store;
};
/* Owns: with ONCE_ANSWERED the caller frees first->body. */
enum once once_begin(struct tenants *t, const struct once_call *call, struct store_once *out,
	struct store_once_answer *first, struct once_fault *fault) __attribute__((warn_unused_result));
/* Keeps the answer, if it is final: what failed (5xx), met a state that may change (409, 429) or is NULL or too long may
 * be tried again. */
enum store_error once_end(struct tenants *t, const struct store_once *once, int http_status, const char *body,
	size_t body_len) __attribute__((warn_unused_result));

#endif
