/*
 * Rewrapping: tenant keys that another master key wraps, brought under the current one a page at a time.
 *
 * They are opened and wrapped in the vault. Called by rotation.c, from one thread.
 */
#ifndef KEYHOUSE_REWRAP_H
#define KEYHOUSE_REWRAP_H

#include "gateway/tenant.h"

/* A look through all tenant keys. Zeroed, it stands at their beginning. */
struct rewrap {
	char master_key_id[VAULT_KEY_ID_LEN + 1]; /* that was current; with another one it begins anew */
	struct store_rewrapped at; /* the last that was looked at; its version is 0 at the beginning */
	int64_t damaged; /* of those since the beginning, which stay as they are; each is logged */
};

#define REWRAP_PAGE_MAX 200u

/* One page of at most so many, durably. Takes only rows that are still what was read. STORE_OK: there may be more;
 * STORE_NOT_FOUND: no other is left, and the look stands at the beginning again, as after an error. */
enum store_error rewrap_page(struct rewrap *w, struct tenants *tenants, unsigned limit)
	__attribute__((warn_unused_result));

#endif
