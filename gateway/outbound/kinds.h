/*
 * Kinds of jobs: the one table that says what the sender may ask of whom, with which credential in
 * which header, and what of the answer leaves the sender.
 * Called by both halves of outbound.
 */
#ifndef KEYHOUSE_OUTBOUND_KINDS_H
#define KEYHOUSE_OUTBOUND_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/outbound/outbound.h"
#include "vault/vault.h"

#define KIND_CREDENTIALS_MAX 2u

/* Who asks for it: a leased message, a check that somebody waits for, an ask of a responder. */
enum kind_use { KIND_SEND = 1, KIND_CHECK, KIND_ASK };

/* Where it goes. A provider's key goes to no other host than its row's. */
enum kind_host { KIND_META = 1, KIND_D360, KIND_D360_SANDBOX, KIND_JOB_URL, KIND_OURSELVES /* below public_url */ };

enum kind_auth {
	/* Authorization: Bearer {first credential}. Where there is a second, the app secret, the call is proven by it. */
	KIND_BEARER_TOKEN = 1,
	KIND_BEARER_APP, /* Authorization: Bearer {app_id}|{last credential} */
	KIND_D360_KEY, /* D360-API-KEY: {first credential} */
	KIND_IN_URL, /* no header: the path has holes for both credentials, since the provider documents no other way */
	KIND_SIGNED, /* no key: the body is signed with the first credential */
	KIND_NO_KEY,
};

/* What a job of the kind carries, as bits; everything else must be empty. */
#define KIND_WANTS_NUMBER 1u
#define KIND_WANTS_APP 2u
#define KIND_WANTS_WABA 4u
#define KIND_WANTS_URL 8u
#define KIND_WANTS_BODY 16u

/* How a good answer is read. */
enum kind_answer {
	KIND_FIELDS = 1, /* the fields named by the row, if one of expects is there */
	KIND_NUMBER, /* the same, and "health": {"can_send", "why" (scrubbed), "entities": [{"type", "id"}]} */
	KIND_SUCCESS, /* the fields named by the row, if success is true or "true" */
	KIND_LIST, /* {"data": [...]}: the fields named by the row, of each */
	KIND_APP_CALLBACK, /* callback.h: what of it leaves the sender */
	KIND_WABA_CALLBACK,
	KIND_D360_CALLBACK,
	KIND_NOTHING, /* any object or nothing; {} goes back */
	KIND_TOKEN, /* exchange.h: a token, sealed before it leaves the sender */
	KIND_JSON, /* any JSON, as it came, or nothing */
	KIND_REFUSAL, /* 403 is the good one; nothing of it goes back */
};

struct kind {
	enum outbound_kind kind;
	const char *name; /* what it is for, as the audit says it */
	enum kind_use use;
	enum kind_host host;
	bool post; /* else GET */
	const char *path; /* after the host's base URL: {version} {number} {app} {waba} {token} {proof} are put in */
	unsigned wants; /* KIND_WANTS_* */
	enum kind_auth auth;
	const char *credentials[KIND_CREDENTIALS_MAX]; /* their fields, in order; NULL: none */
	enum kind_answer answer;
	const char *expects[2]; /* either tells a good answer from an odd one */
	const char *const *fields; /* paths that go back; ends with NULL */
};

/* NULL: there is no such kind. */
const struct kind *kind_find(uint32_t number);
/* Whether it speaks to 360dialog, live or its sandbox. */
bool kind_is_d360(const struct kind *k);
/* Whether it registers our webhook there: the sender makes the body. */
bool kind_sets_webhook(const struct kind *k);
size_t kind_credentials(const struct kind *k);
bool kind_wants(const struct kind *k, unsigned what);
/* Whether its calls carry appsecret_proof, which some apps demand (facts/meta.md 5). */
bool kind_is_proven(const struct kind *k);
/* appsecret_proof: HMAC-SHA-256 of the first secret, the token, with the second, the app secret, in hex and NUL
 * (facts/meta.md 5). Good for as long as both are: the caller wipes out. */
#define KIND_PROOF_LEN VAULT_HEX_LEN(VAULT_SIGNATURE_LEN)
void kind_proof(const struct secret *const *secrets, char out[static KIND_PROOF_LEN + 1]);

/* What may go into a path: 1 to STORE_PROVIDER_ID_LEN digits, "v" digits "." digits. */
bool kind_digits_ok(const char *text);
bool kind_version_ok(const char *text);

/* What fills a path's holes. */
struct kind_target {
	const char *base_url; /* without a final slash */
	const char *version;
	const char *number, *app_id, *waba_id;
	const struct secret *token; /* and secret: for the holes of that name alone; percent-encoded */
	const struct secret *secret;
	const char *proof; /* only where the kind is proven */
};
/* Not for KIND_JOB_URL and KIND_OURSELVES. Owns: caller wipes and frees. NULL: a value breaks its rule, or memory is short. */
char *kind_url(const struct kind *k, const struct kind_target *target);

/* The header that carries the key, and its value. Not for KIND_SIGNED and KIND_NO_KEY. Owns: caller wipes and frees the value.
 * NULL: the credential holds bytes that a header must not carry, or memory is short. */
const char *kind_key_header(const struct kind *k);
char *kind_key_value(const struct kind *k, const char *app_id, const struct secret *const *secrets);

/* Whether a header may carry it: printable ASCII without spaces. */
bool kind_header_safe(const struct secret *s);

#endif
