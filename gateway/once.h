/*
 * Calls that may come twice: one that carries an Idempotency-Key is done once, and its first answer is given again, for
 * 7 days. The key and what is asked are kept as blind indexes of the business, or as hashes where the call concerns
 * none; the answer is sealed with the business's content key. It is not sealed anew when that key is replaced: what was
 * answered before is then still known to be done, but not with which answer. Called by api and the front.
 */
#ifndef KEYHOUSE_ONCE_H
#define KEYHOUSE_ONCE_H

#include <stdbool.h>

#include "gateway/tenant.h"

#define ONCE_KEPT_MAX (64u * 1024u) /* of an answer */

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
	ONCE_LOST, /* it was done, but its answer is not known here, or not kept: it is not done again */
	ONCE_OTHER, /* the key was used for another body */
	ONCE_IN_FLIGHT,
	ONCE_TENANT, /* *tenant says what failed */
	ONCE_STORE, /* *store says what failed */
};
struct once_fault {
	enum tenant_error tenant;
	enum store_error store;
};
/* Owns: with ONCE_ANSWERED the caller frees first->body, which ends with a NUL. */
enum once once_begin(struct tenants *t, const struct once_call *call, struct store_once *out,
	struct store_once_answer *first, struct once_fault *fault) __attribute__((warn_unused_result));
/* Keeps the answer of a call that was done. One that is NULL, too long or cannot be sealed is lost. */
enum store_error once_keep(struct tenants *t, const struct store_once *once, int http_status, const char *body,
	size_t body_len) __attribute__((warn_unused_result));
/* It came to nothing, and may be made again. */
enum store_error once_forget(struct tenants *t, const struct store_once *once) __attribute__((warn_unused_result));
/* For an answer that is kept in the change that does what was asked: end->body becomes what is kept. Owns: caller frees
 * *sealed, which is NULL where nothing had to be sealed. */
enum tenant_error once_seal(struct tenants *t, const struct store_once *once, struct store_once_end *end,
	uint8_t **sealed) __attribute__((warn_unused_result));

#endif
