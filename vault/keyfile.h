/*
 * The key file, inside the vault module: from a descriptor to a ring of master
 * keys. Only the vault process reads one.
 */
#ifndef KEYHOUSE_VAULT_KEYFILE_H
#define KEYHOUSE_VAULT_KEYFILE_H

#include "vault/vault.h"

#define KEY_RING_MAX 9u /* the current key and up to 8 previous ones */

struct master_key {
	uint8_t key[VAULT_KEY_LEN];
	char id[VAULT_KEY_ID_LEN + 1];
};

/* keys[0] is the current one. */
struct key_ring {
	size_t len;
	struct master_key keys[KEY_RING_MAX];
};

/* Reads fd from its beginning, wherever its offset stands; fd stays open.
 * Returns VAULT_OK, VAULT_KEY_FILE, VAULT_KEY_FILE_OPEN_TO_OTHERS, VAULT_NO_MEMORY.
 * Owns: caller frees *out with vault_key_ring_free. It lies in guarded memory, read only. */
enum vault_error vault_key_ring_read(int fd, struct key_ring **out) __attribute__((warn_unused_result));
void vault_key_ring_free(struct key_ring *ring);

#endif
