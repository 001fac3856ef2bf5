/*
 * Kinds of jobs: the one table that says what the sender may ask a provider, with which
 * credential in which header, and which fields of the answer leave the sender.
 * Called by both halves of outbound.
 */
#ifndef KEYHOUSE_OUTBOUND_KINDS_H
#define KEYHOUSE_OUTBOUND_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/outbound/outbound.h"

#define KIND_CREDENTIALS_MAX 2u

enum kind_auth {
	KIND_BEARER_TOKEN, /* Bearer {first credential} */
	KIND_BEARER_APP, /* Bearer {app_id}|{second credential} */
};

struct kind {
	enum outbound_kind kind;
	bool post; /* with a JSON body; else GET without one */
	const char *path; /* after the pinned base URL; {version}, {number}, {token} are put in */
	bool wants_number, wants_app;
	enum kind_auth auth;
	const char *credentials[KIND_CREDENTIALS_MAX]; /* their fields, in order; NULL: none */
	const char *expects; /* what a good answer has, or it is an odd one */
	const char *const *fields; /* paths that go back; ends with NULL */
};

/* NULL: there is no such kind. */
const struct kind *kind_find(uint32_t number);
size_t kind_credentials(const struct kind *k);

/* What may go into a path: 1 to STORE_PROVIDER_ID_LEN digits, "v" digits "." digits. */
bool kind_digits_ok(const char *text);
bool kind_version_ok(const char *text);

/* What fills a path's holes. token is for {token} only and is percent-encoded. */
struct kind_target {
	const char *base_url; /* without a final slash */
	const char *version;
	const char *number;
	const struct secret *token;
};
/* Owns: caller wipes and frees. NULL: a value breaks its rule, or memory is short. */
char *kind_url(const struct kind *k, const struct kind_target *target);

/* The value of the Authorization header, "Bearer ...". Owns: caller wipes and frees. NULL: the
 * credential holds bytes that a header must not carry, or memory is short. */
char *kind_authorization(const struct kind *k, const char *app_id, const struct secret *const *secrets);

#endif
