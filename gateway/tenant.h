/*
 * Tenants: the keys that the listener may hold for a business, found in the
 * store, opened by the vault, cached.
 *
 * Content and index keys and verifiers stay in a cache of bounded size, wiped when
 * they leave it. Never a credential: sealing one goes through the vault each time.
 *
 * Called by everything in the listener that seals, opens or looks up content.
 */
#ifndef KEYHOUSE_TENANT_H
#define KEYHOUSE_TENANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"
#include "vault/vault.h"

struct tenants;

/* What the vault calls the owner of the deployment's own keys, whose business is "" in the store; no business's id begins
 * with '_'. */
#define TENANT_DEPLOYMENT "_deployment"

enum tenant_error {
	TENANT_OK = 0,
	TENANT_NOT_FOUND, /* no such business, or its keys are destroyed */
	TENANT_BAD_DATA, /* sealed data does not open: damaged, moved, or another master key */
	TENANT_VAULT, /* the vault does not answer */
	TENANT_STORE,
	TENANT_NO_MEMORY,
};

/* Borrows store and vault. cache_max businesses are kept, the longest unused go first. */
enum tenant_error tenants_open(struct tenants **out, struct store *store, struct vault_client *vault,
	unsigned cache_max) __attribute__((warn_unused_result));
void tenants_close(struct tenants *t);
/* Forgets one business (removed, suspended, credentials changed), wiping its keys. */
void tenants_forget(struct tenants *t, const char *business_id);

struct store *tenants_store(struct tenants *t);
struct vault_client *tenants_vault(struct tenants *t);

/* Makes the three keys of a new business, wrapped, ready for store_business_add. */
enum tenant_error tenant_keys_new(struct tenants *t, const char *business_id, struct store_tenant_key keys[static 3])
	__attribute__((warn_unused_result));

/* Where a record of a business lies: fills every part but the deployment, which it adds. */
struct tenant_place {
	const char *business_id;
	const char *table;
	const char *record_id;
	const char *field;
	uint64_t record_version;
};

/* Seals content. Owns: caller frees *blob. */
enum tenant_error tenant_seal(struct tenants *t, const struct tenant_place *where, const void *plain, size_t len,
	uint8_t **blob, size_t *blob_len) __attribute__((warn_unused_result));
/* Opens content of any key version. Owns: caller wipes and frees *plain (NUL after *len). */
enum tenant_error tenant_open(struct tenants *t, const struct tenant_place *where, const uint8_t *blob, size_t blob_len,
	uint8_t **plain, size_t *len) __attribute__((warn_unused_result));
/* Blind index of a value; kind as in vault_blind_index. */
enum tenant_error tenant_index(struct tenants *t, const char *business_id, const char *kind, const void *value,
	size_t len, uint8_t out[static STORE_INDEX_LEN]) __attribute__((warn_unused_result));

/* Blind index of a conversation: a number and a customer, who is a user id, or phone digits without "+". */
enum tenant_error tenant_conversation(struct tenants *t, const char *business_id, const char *number,
	const char *customer, uint8_t out[static STORE_INDEX_LEN]) __attribute__((warn_unused_result));

/* Seals a credential through the vault; fills blob, fingerprint, last4 and key_version of *out
 * (its connection_id, field and version must be set). Owns: caller frees *blob, to which out->blob points. */
enum tenant_error tenant_credential_seal(struct tenants *t, const char *business_id, const struct secret *plain,
	struct store_credential *out, uint8_t **blob) __attribute__((warn_unused_result));

/* A tenant key as the store has it, for the vault; version 0: the newest. TENANT_BAD_DATA: its row is damaged. */
enum tenant_error tenant_key_get(struct tenants *t, const char *business_id, enum store_purpose purpose,
	uint32_t version, struct vault_wrapped_key *out) __attribute__((warn_unused_result));
/* The other way: one that the vault made or wrapped anew, for the store. */
struct store_tenant_key tenant_key_row(enum store_purpose purpose, const struct vault_wrapped_key *key);
/* What the vault is asked to wrap anew; business_id "" for the deployment's own, else borrowed. False: its row is damaged. */
bool tenant_key_rewrap(const char *business_id, const struct store_tenant_key *key, struct vault_rewrap *out)
	__attribute__((warn_unused_result));

/* The wrapped credential key under which a credential's blob is sealed: while keys are being replaced each has its own.
 * TENANT_BAD_DATA: it is no blob. TENANT_NOT_FOUND: that key is gone. */
enum tenant_error tenant_credential_key(struct tenants *t, const char *business_id, const uint8_t *blob,
	size_t blob_len, struct vault_wrapped_key *out) __attribute__((warn_unused_result));

/* The wrapped key from which the vault derives that of the audit's seals. */
enum tenant_error tenant_audit_key(struct tenants *t, struct vault_wrapped_key *out)
	__attribute__((warn_unused_result));

/* Whether what answered so will never open: it is damaged, or the key that it was sealed under is gone. */
bool tenant_is_damaged(enum tenant_error err);

/* Whether a sealed value opens, nothing of which is handed out: TENANT_OK; TENANT_BAD_DATA, TENANT_NOT_FOUND: it does not. */
enum tenant_error tenant_credential_check(struct tenants *t, const char *business_id, const struct store_credential *c)
	__attribute__((warn_unused_result));
enum tenant_error tenant_sealed_check(struct tenants *t, const char *business_id, const struct store_sealed *v)
	__attribute__((warn_unused_result));
/* The same of a tenant key; business_id "" for the deployment's own. */
enum tenant_error tenant_key_check(struct tenants *t, const char *business_id, const struct store_tenant_key *key)
	__attribute__((warn_unused_result));

/* How a webhook proves where it comes from. */
enum tenant_proof {
	TENANT_PROOF_SIGNATURE = 1, /* Meta: X-Hub-Signature-256 under the app secret */
	TENANT_PROOF_SECRET, /* 360dialog: our header carries the connection's webhook secret */
	TENANT_PROOF_PLATFORM, /* 360dialog: besides, x-360dialog-signature under the platform secret, where one is held */
};

/* One secret that webhooks of a business are known by. Those of one connection stand together. */
struct tenant_verifier {
	char connection_id[STORE_ID_LEN + 1];
	enum tenant_proof proof;
	uint64_t unproven; /* the version of a current secret that nothing came by yet; else 0 */
	int64_t ends_at; /* of a previous secret; else 0 */
	struct vault_verifier verifier;
};
#define TENANT_CONNECTIONS_MAX 32u /* of one business */
#define TENANT_VERIFIERS_MAX (4u * TENANT_CONNECTIONS_MAX) /* two secrets at most, current and previous */

/* The verifiers (current secrets, and previous ones that have not ended) of every connection of the business that is not
 * suspended. A connection one of whose secrets cannot be opened has none at all. Returns
 * TENANT_NOT_FOUND also for a suspended business. */
enum tenant_error tenant_verifiers(struct tenants *t, const char *business_id,
	struct tenant_verifier out[static TENANT_VERIFIERS_MAX], size_t *len) __attribute__((warn_unused_result));

/* A webhook came by this verifier, which is unproven: noted, and the secret before it ends within TENANT_UNDER_WAY_MS,
 * in which webhooks that are on their way under it still come. TENANT_OK also where that is known by now, or the secret
 * was replaced since. */
#define TENANT_UNDER_WAY_MS (INT64_C(10) * 60 * 1000)
enum tenant_error tenant_verifier_worked(struct tenants *t, const char *business_id, const struct tenant_verifier *v)
	__attribute__((warn_unused_result));

#endif
