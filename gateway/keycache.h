/*
 * Key cache: what the listener may hold of its tenants' keys, for as many tenants as
 * there is room; the longest unused goes first. Everything is wiped when it leaves.
 *
 * What was loaded while a tenant was forgotten must not come back: whoever loads takes
 * the epoch before it begins, and keeping under an older epoch does nothing.
 * Called by tenant.c, from any thread.
 */
#ifndef KEYHOUSE_KEYCACHE_H
#define KEYHOUSE_KEYCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vault/vault.h"

#define KEYCACHE_ID_LEN 64u

struct keycache;

/* Room for max tenants, at least one. NULL: memory is short. */
struct keycache *keycache_new(unsigned max);
void keycache_free(struct keycache *c); /* NULL is fine */

/* ids have at most KEYCACHE_ID_LEN bytes. *epoch is set in either case. Secrets: the caller wipes out. */
bool keycache_keys(struct keycache *c, const char *id, struct vault_content_keys *out, uint64_t *epoch);
void keycache_keep_keys(struct keycache *c, const char *id, uint64_t epoch, const struct vault_content_keys *keys);

/* A second value of a tenant, a list of fixed-size things as bytes; room is out's. It lies beside the keys, so keeping
 * it does nothing where no keys are kept. An empty list is a value too. */
bool keycache_list(struct keycache *c, const char *id, void *out, size_t room, size_t *len, uint64_t *epoch);
void keycache_keep_list(struct keycache *c, const char *id, uint64_t epoch, const void *list, size_t len);

/* Forgets one tenant, and whatever is being loaded now. */
void keycache_forget(struct keycache *c, const char *id);

#endif
