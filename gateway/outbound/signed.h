/*
 * Signing what a responder is asked, in both ways at once: as Standard Webhooks and as Meta does
 * (outbound.h). Pure. Called by request.c.
 */
#ifndef KEYHOUSE_OUTBOUND_SIGNED_H
#define KEYHOUSE_OUTBOUND_SIGNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vault/vault.h"

#define SIGNED_KEY_MIN 24u /* bytes in the secret's base64 */
#define SIGNED_KEY_MAX 64u

/* The values of the headers. */
struct signed_headers {
	char timestamp[24]; /* webhook-timestamp: seconds */
	char standard[3 + 44 + 1]; /* webhook-signature: "v1," and base64 */
	char hub[7 + 2 * VAULT_SIGNATURE_LEN + 1]; /* X-Hub-Signature-256: "sha256=" and hex */
};

struct signed_what {
	const char *id;
	int64_t at; /* seconds since 1970 */
	const char *body;
	size_t body_len;
};
/* Of a secret's text what carries the key: behind "whsec_", if it is there. Borrows from it. */
const char *signed_key_text(const struct secret *secret);
/* False: the secret is not "whsec_" and padded base64 of 24 to 64 bytes. */
bool signed_make(const struct secret *secret, const struct signed_what *what, struct signed_headers *out);

#endif
