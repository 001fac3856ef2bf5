/*
 * Scrubbing: a provider's words before they leave the sender. Called by answer.c.
 */
#ifndef KEYHOUSE_OUTBOUND_SCRUB_H
#define KEYHOUSE_OUTBOUND_SCRUB_H

#include <stddef.h>

#include "vault/vault.h"

/* Blanks each whole secret in text where it stands, raw or percent-encoded. text only gets shorter.
 * NULL secrets are passed over. */
void scrub_secrets(char *text, const struct secret *const *secrets, size_t secrets_len);

/* A reason for people: no secret, and by its look no piece of one (long runs of letters and digits become ***);
 * control characters become spaces, digit runs that may be a customer's phone and message ids (they carry one)
 * become ***, cut to fit between characters, broken UTF-8 becomes '?'. text is changed. */
void scrub_reason(char *text, const struct secret *const *secrets, size_t secrets_len, char *out, size_t out_len);

#endif
