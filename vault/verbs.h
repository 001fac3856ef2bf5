/*
 * The vault's verbs: what may be asked, by whom, and how long question and
 * answer may be. One table; both sides are built from it. A verb without an
 * answer to "which role may ask" does not compile.
 *
 * An answer carries the question's type with VERB_ANSWER set; its first byte is
 * an enum vault_error, and only after VAULT_OK do fields follow.
 */
#ifndef KEYHOUSE_VAULT_VERBS_H
#define KEYHOUSE_VAULT_VERBS_H

#include "vault/blob.h"

#define VERB_ANSWER 0x80u

/* Which roles may ask, as bits. */
#define ASK_LISTENER (1u << VAULT_ROLE_LISTENER)
#define ASK_SENDER (1u << VAULT_ROLE_SENDER)
#define ASK_ROLES 2u

/* The longest each field can be on the wire. */
#define WIRE_BYTES(n) (4u + (n))
#define WIRE_TEXT WIRE_BYTES(BLOB_TEXT_MAX + 1u)
#define WIRE_WRAPPED (WIRE_BYTES(VAULT_WRAPPED_LEN) + 4u)
#define WIRE_CONTEXT (5u * WIRE_TEXT + 8u)
#define WIRE_SECRET WIRE_BYTES(VAULT_SECRET_MAX)
#define WIRE_BLOB WIRE_BYTES(BLOB_LEN(VAULT_SECRET_MAX))
#define WIRE_KEY WIRE_BYTES(VAULT_KEY_LEN)
#define WIRE_KEY_ID WIRE_BYTES(VAULT_KEY_ID_LEN + 1u)
#define WIRE_FINGERPRINT WIRE_BYTES(VAULT_FINGERPRINT_LEN + 1u)
#define WIRE_DIGESTS WIRE_BYTES(VAULT_AUDIT_ROWS_MAX *VAULT_HASH_LEN)
#define WIRE_VERIFIER (2u * WIRE_BYTES(32u))

/* X(number, NAME, function, who may ask, question, answer's fields)
 *
 * STATUS          -                                      key id of the current master key
 * TENANT_KEY_NEW  deployment, business, u8 purpose,      blob, master key id
 *                 u32 version
 * CONTENT_KEYS    deployment, business, wrapped content, content key, index key
 *                 wrapped index
 * SEAL            wrapped, context, secret               blob, fingerprint
 * VERIFIER        wrapped, context, blob                 inner, outer       (of the fields in vault_field_has_verifier)
 * OPEN            job id, wrapped, context, blob         secret
 * CHECK           wrapped, context, blob                 -                  (whether it opens, and nothing of what is in it)
 * REWRAP_KEYS     deployment, u8 count, and so often     master key id, and so often
 *                 business, u8 purpose, wrapped          u8 error, blob        (under the current master key; empty)
 * REWRAP          wrapped, wrapped, context, blob        blob, fingerprint     (a credential, from one key to the other)
 * AUDIT_BEGIN     deployment, business, wrapped, u64 seq, -
 *                 bytes hash, u64 at, u64 refused,
 *                 u64 undone, bytes mac                  (hash and mac empty: a new chain begins after seq)
 * AUDIT_EXTEND    u64 from, bytes digests                u64 at, u64 refused, u64 undone, bytes mac
 *
 * wrapped: blob, u32 version; context: five texts, u64 record version. */
#define VAULT_VERBS(X)                                                                                                 \
	X(1, STATUS, status, ASK_LISTENER | ASK_SENDER, 0u, WIRE_KEY_ID)                                               \
	X(2, TENANT_KEY_NEW, tenant_key_new, ASK_LISTENER, 2u * WIRE_TEXT + 5u,                                        \
		WIRE_BYTES(VAULT_WRAPPED_LEN) + WIRE_KEY_ID)                                                           \
	X(3, CONTENT_KEYS, content_keys, ASK_LISTENER, 2u * WIRE_TEXT + 2u * WIRE_WRAPPED, 2u * WIRE_KEY)              \
	X(4, SEAL, seal, ASK_LISTENER | ASK_SENDER, WIRE_WRAPPED + WIRE_CONTEXT + WIRE_SECRET,                         \
		WIRE_BLOB + WIRE_FINGERPRINT)                                                                          \
	X(5, VERIFIER, verifier, ASK_LISTENER, WIRE_WRAPPED + WIRE_CONTEXT + WIRE_BLOB, WIRE_VERIFIER)                 \
	X(6, OPEN, open, ASK_SENDER, WIRE_TEXT + WIRE_WRAPPED + WIRE_CONTEXT + WIRE_BLOB, WIRE_SECRET)                 \
	X(7, CHECK, check, ASK_LISTENER, WIRE_WRAPPED + WIRE_CONTEXT + WIRE_BLOB, 0u)                                  \
	X(8, REWRAP_KEYS, rewrap_keys, ASK_LISTENER,                                                                   \
		WIRE_TEXT + 1u + VAULT_REWRAP_MAX * (WIRE_TEXT + 1u + WIRE_WRAPPED),                                   \
		WIRE_KEY_ID + VAULT_REWRAP_MAX * (1u + WIRE_BYTES(VAULT_WRAPPED_LEN)))                                 \
	X(9, REWRAP, rewrap, ASK_LISTENER, 2u * WIRE_WRAPPED + WIRE_CONTEXT + WIRE_BLOB, WIRE_BLOB + WIRE_FINGERPRINT) \
	X(10, AUDIT_BEGIN, audit_begin, ASK_LISTENER,                                                                  \
		2u * WIRE_TEXT + WIRE_WRAPPED + 4u * 8u + 2u * WIRE_BYTES(VAULT_HASH_LEN), 0u)                         \
	X(11, AUDIT_EXTEND, audit_extend, ASK_LISTENER, 8u + WIRE_DIGESTS, 3u * 8u + WIRE_BYTES(VAULT_HASH_LEN))

#define VERB_NUMBER(number, name, function, roles, question, answer) VERB_##name = number,
enum vault_verb { VAULT_VERBS(VERB_NUMBER) };
#undef VERB_NUMBER

#define VERB_CHECK(number, name, function, roles, question, answer)                                                    \
	_Static_assert((number) > 0 && (number) < VERB_ANSWER, #name " needs a number below the answers'");            \
	_Static_assert((roles) != 0, #name " needs an answer to: which role may ask");                                 \
	_Static_assert((roles) < 1u << ASK_ROLES, #name " names a role that does not exist");
VAULT_VERBS(VERB_CHECK)
#undef VERB_CHECK

/* Shared by both sides: where credentials lie. */
#define VERB_TABLE_CREDENTIALS "credentials"

#endif
