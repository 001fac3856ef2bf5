/*
 * Verifiers: HMAC-SHA-256 cut off after its key block. Made in the vault, used
 * by the listener for each webhook. The library's hash state keeps the block it
 * hashed last (key XOR pad), so only the chaining values are taken out of it.
 */
#include "vault/verifier.h"

#include <sodium.h>
#include <string.h>

#define BLOCK 64u

_Static_assert(VAULT_SIGNATURE_LEN == crypto_hash_sha256_BYTES, "signature length");

static void chaining_value(const uint8_t key_block[static BLOCK], uint8_t pad, uint8_t out[static 32])
{
	crypto_hash_sha256_state state;
	uint8_t block[BLOCK];

	for (size_t i = 0; i < BLOCK; i++)
		block[i] = key_block[i] ^ pad;
	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, block, BLOCK);
	for (size_t i = 0; i < 32; i++)
		out[i] = (uint8_t)(state.state[i / 4] >> (24 - 8 * (i % 4)));
	vault_wipe(block, sizeof(block));
	vault_wipe(&state, sizeof(state));
}

/* A state as it is after one block, without the block. */
static void resume(crypto_hash_sha256_state *state, const uint8_t chaining[static 32])
{
	for (size_t i = 0; i < 8; i++) {
		const uint8_t *at = chaining + 4 * i;

		state->state[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
	}
	state->count = BLOCK * 8;
	memset(state->buf, 0, sizeof(state->buf));
}

void vault_verifier_make(const uint8_t *key, size_t len, struct vault_verifier *out)
{
	uint8_t key_block[BLOCK] = {0};

	if (len > BLOCK)
		crypto_hash_sha256(key_block, key, len);
	else if (len > 0)
		memcpy(key_block, key, len);
	chaining_value(key_block, 0x36, out->inner);
	chaining_value(key_block, 0x5c, out->outer);
	vault_wipe(key_block, sizeof(key_block));
}

bool vault_field_has_verifier(const char *field)
{
	static const char *const fields[] = {"app_secret", "webhook_secret", "platform_secret"};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(fields[i], field) == 0)
			return true;
	return false;
}

bool vault_verifier_is_of(const struct vault_verifier *v, const void *value, size_t len)
{
	struct vault_verifier other;
	bool same;

	vault_verifier_make(value, len, &other);
	same = vault_equal(&other, v, sizeof(other));
	vault_wipe(&other, sizeof(other));
	return same;
}

void vault_sign(const void *key, size_t key_len, const struct vault_part *parts, size_t parts_len,
	uint8_t out[static VAULT_SIGNATURE_LEN])
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key, key_len);
	for (size_t i = 0; i < parts_len; i++)
		crypto_auth_hmacsha256_update(&state, parts[i].data, parts[i].len);
	crypto_auth_hmacsha256_final(&state, out);
	vault_wipe(&state, sizeof(state));
}

bool vault_verifier_check(const struct vault_verifier *v, const void *body, size_t len,
	const uint8_t signature[static VAULT_SIGNATURE_LEN])
{
	crypto_hash_sha256_state state;
	uint8_t digest[crypto_hash_sha256_BYTES];
	bool same;

	resume(&state, v->inner);
	crypto_hash_sha256_update(&state, body, len);
	crypto_hash_sha256_final(&state, digest);
	resume(&state, v->outer);
	crypto_hash_sha256_update(&state, digest, sizeof(digest));
	crypto_hash_sha256_final(&state, digest);
	same = vault_equal(digest, signature, sizeof(digest));
	vault_wipe(digest, sizeof(digest));
	vault_wipe(&state, sizeof(state));
	return same;
}
