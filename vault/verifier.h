/*
 * Making verifiers, inside the vault module: only the vault process does it,
 * from an app secret that it opened.
 */
#ifndef KEYHOUSE_VAULT_VERIFIER_H
#define KEYHOUSE_VAULT_VERIFIER_H

#include "vault/vault.h"

/* Secrets: key is borrowed, nothing of it is kept but the two chaining values. */
void vault_verifier_make(const uint8_t *key, size_t len, struct vault_verifier *out);

/* Whether the listener may have the verifier of this credential field. Never of one that opens a provider's API as it
 * is: only secrets by which webhooks are known. */
bool vault_field_has_verifier(const char *field);

#endif
