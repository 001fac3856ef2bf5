/*
 * Guarded memory, inside the vault module: what holds an opened secret lies
 * between pages that nobody may touch, out of core dumps, and locked against swap
 * as far as the limit goes (vault_memory_locked).
 */
#ifndef KEYHOUSE_VAULT_GUARDED_H
#define KEYHOUSE_VAULT_GUARDED_H

#include <stddef.h>

/* len bytes, aligned for any type. Owns: caller ends it with sodium_free, which wipes. NULL: memory is short. */
void *guarded_new(size_t len);

#endif
