/*
 * The headers that carry a signature, X-Hub-Signature-256 and x-360dialog-signature.
 * Called by accept.c with a stranger's header values.
 */
#ifndef KEYHOUSE_INBOUND_SIGNATURE_H
#define KEYHOUSE_INBOUND_SIGNATURE_H

#include <stdbool.h>
#include <stdint.h>

#include "vault/vault.h"

/* Reads the value of X-Hub-Signature-256 (NULL: it was not sent): "sha256=" and 64 hex digits, nothing
 * else. Digits may be of either case (facts/meta.md 1.2: Meta sends lower case). Writes out only when
 * it returns true. */
bool signature_parse(const char *header, uint8_t out[static VAULT_SIGNATURE_LEN]);

/* The same for x-360dialog-signature, which also comes as bare digits (facts/360dialog.md 2.3). */
bool signature_parse_platform(const char *header, uint8_t out[static VAULT_SIGNATURE_LEN]);

#endif
