/*
 * Sealed blobs, format 1: XChaCha20-Poly1305 under a key of each blob's own,
 * with a commitment to the sealing key and every part of the blob's place bound
 * in. Trusts the caller's keys, not the blob. Called by the vault process for
 * tenant keys and credentials, by the listener for content.
 */
#include "vault/blob.h"

#include <sodium.h>
#include <string.h>

#define FORMAT 1u
#define SUITE 1u /* XChaCha20-Poly1305-IETF, BLAKE2b commitment */
#define KEY_LABEL "keyhouse-blob-1"
#define INDEX_LABEL "keyhouse-index-1"
#define LABEL_LEN(label) (sizeof(label) - 1)

#define CIPHER_AT (BLOB_HEADER_LEN + BLOB_NONCE_LEN + BLOB_COMMITMENT_LEN)
#define AD_PARTS 7u
#define AD_MAX (AD_PARTS * 4u + BLOB_HEADER_LEN + 5u * BLOB_TEXT_MAX + 8u)

static const uint8_t magic[4] = {'K', 'H', 'S', 'B'};

_Static_assert(BLOB_NONCE_LEN == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce");
_Static_assert(BLOB_TAG_LEN == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag");
_Static_assert(VAULT_KEY_LEN == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");
_Static_assert(BLOB_LEN(VAULT_KEY_LEN) == VAULT_WRAPPED_LEN, "a wrapped key is a blob");

/* What each blob is sealed with: never used for another one. */
struct record_keys {
	uint8_t encryption[VAULT_KEY_LEN];
	uint8_t commitment[BLOB_COMMITMENT_LEN];
};

_Static_assert(sizeof(struct record_keys) == 64, "one BLAKE2b output fills both");

struct associated {
	uint8_t bytes[AD_MAX];
	size_t len;
};

static void put_u32(uint8_t *to, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void write_header(uint8_t *to, enum blob_type type, uint32_t version)
{
	memcpy(to, magic, sizeof(magic));
	to[4] = FORMAT;
	to[5] = SUITE;
	to[6] = (uint8_t)type;
	to[7] = 0;
	put_u32(to + 8, version);
}

static uint32_t header_version(const uint8_t *blob)
{
	return (uint32_t)blob[8] << 24 | (uint32_t)blob[9] << 16 | (uint32_t)blob[10] << 8 | (uint32_t)blob[11];
}

static bool blob_len_possible(size_t len)
{
	return len >= BLOB_LEN(0) && len <= BLOB_LEN(VAULT_CONTENT_MAX) && (len - BLOB_OVERHEAD) % BLOB_BLOCK == 0;
}

/* The derivation covers header and nonce, which lie together at the blob's start. */
static void derive(const uint8_t *key, const uint8_t *blob, struct record_keys *out)
{
	uint8_t message[LABEL_LEN(KEY_LABEL) + BLOB_HEADER_LEN + BLOB_NONCE_LEN];

	memcpy(message, KEY_LABEL, LABEL_LEN(KEY_LABEL));
	memcpy(message + LABEL_LEN(KEY_LABEL), blob, BLOB_HEADER_LEN + BLOB_NONCE_LEN);
	crypto_generichash((uint8_t *)out, sizeof(*out), message, sizeof(message), key, VAULT_KEY_LEN);
}

static void associate_part(struct associated *ad, const void *part, size_t len)
{
	put_u32(ad->bytes + ad->len, (uint32_t)len);
	memcpy(ad->bytes + ad->len + 4, part, len);
	ad->len += 4 + len;
}

static enum vault_error associate(const uint8_t *header, const struct vault_context *where, struct associated *ad)
{
	const char *texts[] = {where->deployment_id, where->business_id, where->table, where->record_id, where->field};
	uint8_t version[8];

	ad->len = 0;
	associate_part(ad, header, BLOB_HEADER_LEN);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const size_t len = texts[i] == NULL ? SIZE_MAX : strnlen(texts[i], BLOB_TEXT_MAX + 1);

		if (len > BLOB_TEXT_MAX)
			return VAULT_BAD_REQUEST;
		associate_part(ad, texts[i], len);
	}
	put_u32(version, (uint32_t)(where->record_version >> 32));
	put_u32(version + 4, (uint32_t)where->record_version);
	associate_part(ad, version, sizeof(version));
	return VAULT_OK;
}

void vault_aead_seal(const uint8_t key[static VAULT_KEY_LEN], const uint8_t nonce[static BLOB_NONCE_LEN],
	const uint8_t *ad, size_t ad_len, uint8_t *text, size_t len, uint8_t tag[static BLOB_TAG_LEN])
{
	crypto_aead_xchacha20poly1305_ietf_encrypt_detached(text, tag, NULL, text, len, ad, ad_len, NULL, nonce, key);
}

bool vault_aead_open(const uint8_t key[static VAULT_KEY_LEN], const uint8_t nonce[static BLOB_NONCE_LEN],
	const uint8_t *ad, size_t ad_len, const uint8_t *cipher, size_t len, const uint8_t tag[static BLOB_TAG_LEN],
	uint8_t *plain)
{
	return crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
		       plain, NULL, cipher, len, tag, ad, ad_len, nonce, key) == 0;
}

enum vault_error vault_blob_seal(
	const struct blob_key *with, const struct vault_context *where, const void *plain, size_t len, uint8_t *blob)
{
	uint8_t *cipher = blob + CIPHER_AT;
	struct associated ad;
	struct record_keys keys;
	size_t padded;

	if (len > VAULT_CONTENT_MAX)
		return VAULT_BAD_REQUEST;
	write_header(blob, with->type, with->version);
	if (associate(blob, where, &ad) != VAULT_OK)
		return VAULT_BAD_REQUEST;
	vault_random(blob + BLOB_HEADER_LEN, BLOB_NONCE_LEN);
	derive(with->key, blob, &keys);
	memcpy(blob + BLOB_HEADER_LEN + BLOB_NONCE_LEN, keys.commitment, BLOB_COMMITMENT_LEN);
	if (len > 0)
		memcpy(cipher, plain, len);
	sodium_pad(&padded, cipher, len, BLOB_BLOCK, BLOB_PADDED_LEN(len)); /* cannot fail: it fits */
	vault_aead_seal(keys.encryption, blob + BLOB_HEADER_LEN, ad.bytes, ad.len, cipher, padded, cipher + padded);
	vault_wipe(&keys, sizeof(keys));
	return VAULT_OK;
}

/* Version and commitment: is this the key that sealed the blob? Everything that
 * is the same for each key is checked before. */
static enum vault_error keys_of_blob(const struct blob_key *with, const uint8_t *blob, struct record_keys *keys)
{
	uint8_t expected[BLOB_HEADER_LEN];

	write_header(expected, with->type, header_version(blob));
	if (memcmp(expected, blob, BLOB_HEADER_LEN) != 0)
		return VAULT_BAD_BLOB;
	if (header_version(blob) != with->version)
		return VAULT_WRONG_KEY;
	derive(with->key, blob, keys);
	if (!vault_equal(keys->commitment, blob + BLOB_HEADER_LEN + BLOB_NONCE_LEN, BLOB_COMMITMENT_LEN))
		return VAULT_WRONG_KEY;
	return VAULT_OK;
}

enum vault_error vault_blob_open(const struct blob_key *with, const struct vault_context *where, const uint8_t *blob,
	size_t blob_len, uint8_t *plain, size_t *plain_len)
{
	struct associated ad;
	struct record_keys keys = {0};
	enum vault_error err;
	size_t padded, len;

	if (!blob_len_possible(blob_len))
		return VAULT_BAD_BLOB;
	padded = blob_len - BLOB_OVERHEAD;
	err = associate(blob, where, &ad);
	if (err != VAULT_OK)
		return err;
	err = keys_of_blob(with, blob, &keys);
	if (err != VAULT_OK)
		goto out;
	err = VAULT_BAD_BLOB;
	if (!vault_aead_open(keys.encryption, blob + BLOB_HEADER_LEN, ad.bytes, ad.len, blob + CIPHER_AT, padded,
		    blob + CIPHER_AT + padded, plain))
		goto out;
	if (sodium_unpad(&len, plain, padded, BLOB_BLOCK) != 0)
		goto out;
	*plain_len = len;
	err = VAULT_OK;
out:
	if (err != VAULT_OK)
		vault_wipe(plain, padded);
	vault_wipe(&keys, sizeof(keys));
	return err;
}

/* ------------------------------------------------------------ what the listener may do itself */

size_t vault_blob_len(size_t plain_len)
{
	return BLOB_LEN(plain_len);
}

enum vault_error vault_content_seal(const struct vault_content_keys *keys, const struct vault_context *where,
	const void *plain, size_t plain_len, uint8_t *blob)
{
	const struct blob_key with = {BLOB_CONTENT, keys->content_version, keys->content};

	return vault_blob_seal(&with, where, plain, plain_len, blob);
}

enum vault_error vault_content_open(const struct vault_content_keys *keys, const struct vault_context *where,
	const uint8_t *blob, size_t blob_len, uint8_t *plain, size_t *plain_len)
{
	const struct blob_key with = {BLOB_CONTENT, keys->content_version, keys->content};

	return vault_blob_open(&with, where, blob, blob_len, plain, plain_len);
}

enum vault_error vault_blob_key_version(const uint8_t *blob, size_t blob_len, uint32_t *version)
{
	if (!blob_len_possible(blob_len) || memcmp(blob, magic, sizeof(magic)) != 0 || blob[4] != FORMAT)
		return VAULT_BAD_BLOB;
	*version = header_version(blob);
	return VAULT_OK;
}

void vault_blind_index(const struct vault_content_keys *keys, const char *kind, const void *value, size_t len,
	uint8_t out[static VAULT_INDEX_LEN])
{
	const size_t kind_len = strlen(kind);
	crypto_generichash_state state;
	uint8_t prefix[4];

	put_u32(prefix, (uint32_t)kind_len);
	crypto_generichash_init(&state, keys->index, VAULT_KEY_LEN, VAULT_INDEX_LEN);
	crypto_generichash_update(&state, (const uint8_t *)INDEX_LABEL, LABEL_LEN(INDEX_LABEL));
	crypto_generichash_update(&state, prefix, sizeof(prefix));
	crypto_generichash_update(&state, (const uint8_t *)kind, kind_len);
	crypto_generichash_update(&state, value, len);
	crypto_generichash_final(&state, out, VAULT_INDEX_LEN);
	vault_wipe(&state, sizeof(state));
}
