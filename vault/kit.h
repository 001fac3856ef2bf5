/*
 * The recovery kit, inside the vault module: a ring of master keys sealed to a
 * passphrase. DESIGN.md gives the bytes. Cost is a parameter here so that tests can
 * open thousands; what people get is KIT_COST.
 */
#ifndef KEYHOUSE_VAULT_KIT_H
#define KEYHOUSE_VAULT_KIT_H

#include "vault/keyfile.h"

/* What one guess at the passphrase costs: Argon2id's passes over so much memory. */
struct kit_cost {
	uint16_t passes;
	uint32_t memory_kib;
};
#define KIT_COST ((struct kit_cost){3, 256u * 1024u})
#define KIT_PASSES_MAX 8u /* a kit that asks for more was not made here */
#define KIT_MEMORY_KIB_MIN 8u
#define KIT_MEMORY_KIB_MAX (512u * 1024u)

#define KIT_LABELLED_LEN 60u /* all before the ciphertext */
#define KIT_LEN(keys) (KIT_LABELLED_LEN + 1u + VAULT_KEY_LEN * (keys) + 16u)

_Static_assert(KIT_LEN(KEY_RING_MAX) == VAULT_KIT_MAX, "a kit has room for every key of a key file");

/* Returns VAULT_OK, VAULT_NO_MEMORY. */
enum vault_error kit_seal(const struct key_ring *ring, const struct secret *passphrase, struct kit_cost cost,
	struct vault_kit *out) __attribute__((warn_unused_result));
/* Returns VAULT_OK, VAULT_BAD_BLOB (not of a kit's form), VAULT_WRONG_KEY (another passphrase, or bytes were changed),
 * VAULT_NO_MEMORY. Owns: caller frees *out with vault_key_ring_free. */
enum vault_error kit_open(const struct vault_kit *kit, const struct secret *passphrase, struct key_ring **out)
	__attribute__((warn_unused_result));

#endif
