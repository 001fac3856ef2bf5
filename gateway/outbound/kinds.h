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

/* Who asks for it: a leased message, a check that somebody waits for, an ask of a responder, a client whose call is passed
 * through. */
enum kind_use { KIND_SEND = 1, KIND_CHECK, KIND_ASK, KIND_PASS };

/* What may be asked with, as bits. All but passes have one. */
enum kind_method { KIND_GET = 1, KIND_POST = 2, KIND_DELETE = 4 };

/* Where it goes. A provider's key goes to no other host than its row's. */
enum kind_host {
	KIND_META = 1,
	KIND_D360,
	KIND_D360_SANDBOX,
	KIND_JOB_URL,
	KIND_OURSELVES, /* below public_url */
	KIND_META_MEDIA, /* where Meta keeps what was sent to a number */
};

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
#define KIND_WANTS_OBJECT 32u
#define KIND_WANTS_PATH 64u
#define KIND_WANTS_NAME 128u /* a template's, in the place of an object's id */

/* What a pass may carry, as bits. A POST has a body: in the job, or streamed. */
#define KIND_QUERY 1u /* the client's query */
#define KIND_UPLOAD 2u /* the body is streamed to the provider */
#define KIND_DOWNLOAD 4u /* a good answer is streamed back */

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
	KIND_VERBATIM, /* a pass: as it came */
};

struct kind {
	enum outbound_kind kind;
	const char *name; /* what it is for, as the audit says it */
	enum kind_use use;
	enum kind_host host;
	unsigned methods; /* KIND_GET, KIND_POST, KIND_DELETE */
	const char
		*path; /* after the host's base URL: {version} {number} {app} {waba} {object} {path} {token} {proof} are
			   * put in */
	unsigned wants; /* KIND_WANTS_* */
	unsigned carries; /* KIND_QUERY, KIND_UPLOAD, KIND_DOWNLOAD */
	enum kind_auth auth;
	const char *credentials[KIND_CREDENTIALS_MAX]; /* their fields, in order; NULL: none */
	bool optional; /* the last credential may be missing */
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
bool kind_carries(const struct kind *k, unsigned what);
/* Whether it names Meta's version in its path. */
bool kind_has_version(const struct kind *k);
/* Whether its calls carry appsecret_proof, which some apps demand (facts/meta.md 5); of a pass, where the app secret is
 * held. */
bool kind_is_proven(const struct kind *k);
/* appsecret_proof: HMAC-SHA-256 of the first secret, the token, with the second, the app secret, in hex and NUL
 * (facts/meta.md 5). Good for as long as both are: the caller wipes out. */
#define KIND_PROOF_LEN VAULT_HEX_LEN(VAULT_SIGNATURE_LEN)
void kind_proof(const struct secret *const *secrets, char out[static KIND_PROOF_LEN + 1]);

/* What may go into a path: 1 to STORE_PROVIDER_ID_LEN digits, "v" digits "." digits. */
bool kind_digits_ok(const char *text);
bool kind_name_ok(const char *text); /* 1 to 512 small letters, digits and "_" */
bool kind_version_ok(const char *text);

/* What a client may have added to a call: printable ASCII without spaces and "#", at most KIND_QUERY_MAX bytes, and no
 * parameter, however it is written, that says who asks or with which method (access_token, appsecret_proof and the like,
 * method), asks for other objects than the path's (ids, batch, metadata, fields of fields) or for an answer that is no JSON
 * or of another status (callback, suppress_http_code, include_headers). query: without its "?"; a form's body is one, too. */
#define KIND_QUERY_MAX 4096u
bool kind_query_ok(const char *query);
/* The same of one name, decoded: of a field of a body, too. */
bool kind_parameter_ok(const char *name);
/* A path as Meta's answer named it: begins with a slash, printable ASCII without spaces, "?", "#" and a backslash, no
 * segment that begins with a dot, at most KIND_PATH_MAX bytes. */
#define KIND_PATH_MAX 1024u
bool kind_path_ok(const char *path);
/* A Content-Type as a header may carry it: at most KIND_TYPE_MAX bytes. */
#define KIND_TYPE_MAX 255u
bool kind_type_ok(const char *type);
/* Whether a JSON or form body, as its type says, says nothing of that either; one of another type is refused. */
bool kind_body_ok(const char *type, const char *body, size_t len);

/* What fills a path's holes. */
struct kind_target {
	const char *base_url; /* without a final slash */
	const char *version;
	const char *number, *app_id, *waba_id;
	const char *object_id, *path, *query; /* of a pass; NULL or "" where the kind has none */
	const struct secret *token; /* and secret: for the holes of that name alone; percent-encoded */
	const struct secret *secret;
	const char *proof; /* only where the call is proven; else NULL */
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
