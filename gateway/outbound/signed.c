/*
 * HMAC-SHA-256 over what is asked, twice: over "id.timestamp.body" with the bytes that the secret's
 * text carries, and over the body with the whole text. Called by request.c.
 */
#include "gateway/outbound/signed.h"

#include <stdio.h>
#include <string.h>

static const char prefix[] = "whsec_";
#define PREFIX_LEN (sizeof(prefix) - 1)

const char *signed_key_text(const struct secret *secret)
{
	const char *text = (const char *)secret_bytes(secret);

	return strncmp(text, prefix, PREFIX_LEN) == 0 ? text + PREFIX_LEN : text;
}

bool signed_make(const struct secret *secret, const struct signed_what *what, struct signed_headers *out)
{
	const uint8_t *text = secret_bytes(secret);
	const size_t len = secret_len(secret);
	uint8_t key[SIGNED_KEY_MAX], mac[VAULT_SIGNATURE_LEN];
	size_t key_len = 0;
	bool ok = len > PREFIX_LEN && memcmp(text, prefix, PREFIX_LEN) == 0 &&
		vault_base64_read((const char *)text + PREFIX_LEN, len - PREFIX_LEN, key, sizeof(key), &key_len) &&
		key_len >= SIGNED_KEY_MIN;

	if (ok) {
		(void)snprintf(out->timestamp, sizeof(out->timestamp), "%lld", (long long)what->at);
		const struct vault_part parts[] = {{what->id, strlen(what->id)}, {".", 1},
			{out->timestamp, strlen(out->timestamp)}, {".", 1}, {what->body, what->body_len}};

		vault_sign(key, key_len, parts, sizeof(parts) / sizeof(parts[0]), mac);
		memcpy(out->standard, "v1,", 3);
		vault_base64(mac, sizeof(mac), out->standard + 3);
		vault_sign(text, len, &parts[4], 1, mac);
		memcpy(out->hub, "sha256=", 7);
		vault_hex(mac, sizeof(mac), out->hub + 7);
	}
	vault_wipe(key, sizeof(key));
	return ok;
}
