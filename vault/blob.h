/*
 * Sealed blobs, format 1, inside the vault module: one way of sealing for
 * tenant keys, credentials and content. DESIGN.md gives the bytes.
 * Called by blob.c's own public half and by the vault process.
 */
#ifndef KEYHOUSE_VAULT_BLOB_H
#define KEYHOUSE_VAULT_BLOB_H

#include "vault/vault.h"

#define BLOB_HEADER_LEN 12u
#define BLOB_NONCE_LEN 24u
#define BLOB_COMMITMENT_LEN 32u
#define BLOB_TAG_LEN 16u
#define BLOB_BLOCK 64u
#define BLOB_OVERHEAD (BLOB_HEADER_LEN + BLOB_NONCE_LEN + BLOB_COMMITMENT_LEN + BLOB_TAG_LEN)
#define BLOB_PADDED_LEN(n) (((n) / BLOB_BLOCK + 1) * BLOB_BLOCK)
#define BLOB_LEN(n) (BLOB_OVERHEAD + BLOB_PADDED_LEN(n))
#define BLOB_TEXT_MAX 128u /* each text of a context */

enum blob_type { BLOB_TENANT_KEY = 1, BLOB_CREDENTIAL = 2, BLOB_CONTENT = 3 };

/* What to seal or open with. version is written into the header, and a blob
 * that carries another one is not opened. */
struct blob_key {
	enum blob_type type;
	uint32_t version;
	const uint8_t *key; /* VAULT_KEY_LEN bytes, borrowed */
};

/* blob has room for BLOB_LEN(len) and does not overlap plain.
 * Returns VAULT_OK, VAULT_BAD_REQUEST (a text missing or too long, plain too long). */
enum vault_error vault_blob_seal(const struct blob_key *with, const struct vault_context *where, const void *plain,
	size_t len, uint8_t *blob) __attribute__((warn_unused_result));

/* plain has room for blob_len - BLOB_OVERHEAD; it is wiped when opening fails.
 * Returns VAULT_OK, VAULT_BAD_REQUEST, VAULT_WRONG_KEY (version or commitment do
 * not match), VAULT_BAD_BLOB (everything else). */
enum vault_error vault_blob_open(const struct blob_key *with, const struct vault_context *where, const uint8_t *blob,
	size_t blob_len, uint8_t *plain, size_t *plain_len) __attribute__((warn_unused_result));

/* The cipher alone, as both of the above use it: apart, so that known values go through the very code that seals. It
 * seals text in place, and opens cipher into plain; both have len bytes. False: something was altered. */
void vault_aead_seal(const uint8_t key[static VAULT_KEY_LEN], const uint8_t nonce[static BLOB_NONCE_LEN],
	const uint8_t *ad, size_t ad_len, uint8_t *text, size_t len, uint8_t tag[static BLOB_TAG_LEN]);
bool vault_aead_open(const uint8_t key[static VAULT_KEY_LEN], const uint8_t nonce[static BLOB_NONCE_LEN],
	const uint8_t *ad, size_t ad_len, const uint8_t *cipher, size_t len, const uint8_t tag[static BLOB_TAG_LEN],
	uint8_t *plain) __attribute__((warn_unused_result));

#endif
