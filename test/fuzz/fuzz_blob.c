/*
 * Fuzzing sealed blobs: arbitrary bytes never open under a key that they were not made with, and a real blob, whatever
 * was done to it, opens as itself or not at all.
 *
 *   1 byte   what: 0 bytes as they come, 1 changes to a real blob, 2 a real blob with another rest
 *   1 byte   the type (1 to 3) that is sealed; and, for the changes, how much is cut off or added
 *   n bytes  the bytes, the changes (each XORed onto the byte at its place), or the rest
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vault/blob.h"

#define PLAIN_LEN 70u
#define REAL_LEN BLOB_LEN(PLAIN_LEN)
#define HEAD_LEN (BLOB_HEADER_LEN + BLOB_NONCE_LEN + BLOB_COMMITMENT_LEN)

static const struct vault_context home = {"dep", "shop", "credentials", "rec", "field", 1};
static const uint8_t key[VAULT_KEY_LEN] = {1, 2, 3};
static uint8_t plain[PLAIN_LEN], real[BLOB_CONTENT + 1][REAL_LEN];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void make_real(void)
{
	static bool made;

	if (made)
		return;
	if (vault_init() != VAULT_OK)
		abort();
	vault_random(plain, sizeof(plain));
	for (int type = BLOB_TENANT_KEY; type <= BLOB_CONTENT; type++) {
		const struct blob_key with = {(enum blob_type)type, 1, key};

		if (vault_blob_seal(&with, &home, plain, sizeof(plain), real[type]) != VAULT_OK)
			abort();
	}
	made = true;
}

/* As every type, and under the version that the blob claims and another. */
static void open_all(const uint8_t *blob, size_t len)
{
	uint8_t *out = malloc(len > BLOB_OVERHEAD ? len - BLOB_OVERHEAD : 1);
	uint32_t claimed = 1;

	if (out == NULL)
		return;
	if (vault_blob_key_version(blob, len, &claimed) != VAULT_OK && len >= BLOB_LEN(0) && len <= REAL_LEN &&
		(len - BLOB_OVERHEAD) % BLOB_BLOCK == 0 && memcmp(blob, real[1], 5) == 0)
		abort(); /* it looks like one */
	for (int type = BLOB_TENANT_KEY; type <= BLOB_CONTENT; type++)
		for (uint32_t other = 0; other <= 1; other++) {
			const struct blob_key with = {(enum blob_type)type, claimed + other, key};
			size_t out_len = 0;

			if (vault_blob_open(&with, &home, blob, len, out, &out_len) != VAULT_OK)
				continue;
			if (other != 0 || len != REAL_LEN || memcmp(blob, real[type], REAL_LEN) != 0 ||
				out_len != sizeof(plain) || memcmp(out, plain, sizeof(plain)) != 0)
				abort();
		}
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const unsigned what = len > 0 ? data[0] % 3u : 0, type = len > 1 ? 1 + data[1] % 3u : 1;
	const size_t by = len > 1 ? data[1] / 3u : 0;
	uint8_t *blob;
	size_t blob_len;

	make_real();
	if (len < 2)
		return 0;
	data += 2;
	len -= 2;
	blob_len = what == 0 ? len : what == 1 ? (by < 43 ? REAL_LEN + by : REAL_LEN - (by - 42)) : HEAD_LEN + len;
	blob = calloc(1, blob_len + 1);
	if (blob == NULL)
		return 0;
	if (what == 0)
		memcpy(blob, data, len);
	else
		memcpy(blob, real[type], what == 2 ? HEAD_LEN : blob_len < REAL_LEN ? blob_len : REAL_LEN);
	for (size_t i = 0; what == 1 && i < len; i++)
		blob[i % blob_len] ^= data[i];
	if (what == 2)
		memcpy(blob + HEAD_LEN, data, len);
	open_all(blob, blob_len);
	free(blob);
	return 0;
}
