/*
 * The key file, inside the vault module: from a descriptor to a ring of master
 * keys. Only the vault process reads one, and whoever makes a recovery kit of it.
 */
#ifndef KEYHOUSE_VAULT_KEYFILE_H
#define KEYHOUSE_VAULT_KEYFILE_H

#include "vault/vault.h"

#define KEY_FILE_MAX 4096u
#define KEY_LINE_MAGIC "keyhouse-master-key-1 "
#define KEY_BASE64_LEN 44u /* of 32 bytes, without the NUL */
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

/* Writes ring as a key file to fd, as vault_key_file_create does. */
enum vault_error vault_key_file_put(int fd, const struct key_ring *ring) __attribute__((warn_unused_result));

/* The id that is computed from a key. */
void vault_key_id(const uint8_t key[static VAULT_KEY_LEN], char out[static VAULT_KEY_ID_LEN + 1]);

#endif
