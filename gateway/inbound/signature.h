/*
 * The header X-Hub-Signature-256: "sha256=" and 64 hex digits, nothing else.
 * Called by accept.c with a stranger's header value.
 */
#ifndef KEYHOUSE_INBOUND_SIGNATURE_H
#define KEYHOUSE_INBOUND_SIGNATURE_H

#include <stdbool.h>
#include <stdint.h>

#include "vault/vault.h"

/* Reads the value of the header (NULL: it was not sent). Hex digits may be of either
 * case (facts/meta.md 1.2: Meta sends lower case). Writes out only when it returns true. */
bool signature_parse(const char *header, uint8_t out[static VAULT_SIGNATURE_LEN]);

#endif
