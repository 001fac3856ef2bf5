/*
 * Scrubbing: a provider's words before they leave the sender. Called by answer.c and callback.c.
 */
#ifndef KEYHOUSE_OUTBOUND_SCRUB_H
#define KEYHOUSE_OUTBOUND_SCRUB_H

#include <stdbool.h>
#include <stddef.h>

#include "vault/vault.h"

/* What must not leave: a job's secrets, and what is made of them and as good as they are. */
#define HELD_MAX 4u
struct held_bytes {
	const uint8_t *bytes; /* borrowed */
	size_t len;
};
struct held {
	size_t len;
	struct held_bytes each[HELD_MAX];
	char proof[VAULT_HEX_LEN(VAULT_SIGNATURE_LEN) + 1]; /* room for one that is made (kind_proof) */
};

/* Zero-initialise h. Nothing is added where len is 0; at most HELD_MAX. */
void held_add(struct held *h, const void *bytes, size_t len);

/* Blanks each whole secret where it stands: as it is, percent-encoded (in part, in any case, once or twice), or, from 8
 * characters on, somewhere within base64. Where several overlap, all that any of them covers. text only gets shorter. */
void scrub_text(char *text, const struct held *h);
/* The same in JSON, written with whatever escapes; text stays JSON. False: a secret stands outside of all strings, as a
 * number, and text is of no use any more. */
bool scrub_json(char *text, const struct held *h) __attribute__((warn_unused_result));

/* Blanks the values of access_token= and appsecret_proof=, whosever they are: a provider puts keys into the addresses of
 * its pages, its own among them. Written plainly, percent-encoded up to twice or with JSON's escapes, in letters of either
 * case. text only gets shorter. json: it stays JSON. */
void scrub_parameters(char *text, bool json);

/* A reason for people: no secret, and by its look no piece of one (long runs of letters and digits become ***);
 * control characters become spaces, digit runs that may be a customer's phone and message ids (they carry one)
 * become ***, cut to fit between characters, broken UTF-8 becomes '?'. text is changed. */
void scrub_reason(char *text, const struct held *h, char *out, size_t out_len);

#endif
