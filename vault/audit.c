/*
 * Seals over the audit's chain. Rows come as digests; the vault chains them itself, so
 * that each new end lies behind the one before it. An extension may be done anew, once
 * its transaction failed: that is counted, and the count is sealed.
 */
#include "vault/audit.h"

#include <sodium.h>
#include <string.h>

#define KEY_LABEL "keyhouse-audit-key-1"
#define HEAD_LABEL "keyhouse-audit-head-1"

static void put_u64(crypto_generichash_state *state, uint64_t n)
{
	uint8_t bytes[8];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(n >> (8 * (7 - i)));
	crypto_generichash_update(state, bytes, sizeof(bytes));
}

static void seal(const struct audit_keeper *k, const struct vault_audit_head *head, uint8_t mac[static AUDIT_MAC_LEN])
{
	const size_t len = strlen(k->deployment_id);
	crypto_generichash_state state;

	crypto_generichash_init(&state, k->key, sizeof(k->key), AUDIT_MAC_LEN);
	crypto_generichash_update(&state, (const uint8_t *)HEAD_LABEL, sizeof(HEAD_LABEL) - 1);
	put_u64(&state, len);
	crypto_generichash_update(&state, (const uint8_t *)k->deployment_id, len);
	put_u64(&state, head->seq);
	put_u64(&state, head->at);
	crypto_generichash_update(&state, head->hash, sizeof(head->hash));
	put_u64(&state, head->refused);
	put_u64(&state, head->undone);
	crypto_generichash_final(&state, mac, AUDIT_MAC_LEN);
	vault_wipe(&state, sizeof(state));
}

/* Goes on counting from what a head says and from what earlier vaults knew, whichever is more. */
static void counts_begin(struct audit_memory *kept, uint64_t refused, uint64_t undone)
{
	const uint64_t base = refused > kept->sealed ? refused : kept->sealed;

	kept->refused = base + (kept->refused - kept->sealed);
	kept->sealed = base;
	if (undone > kept->undone)
		kept->undone = undone;
}

enum vault_error audit_keeper_begin(struct audit_keeper *k, const uint8_t key[static VAULT_KEY_LEN],
	const char *deployment_id, const struct vault_audit_head *head, size_t mac_len)
{
	uint8_t mac[AUDIT_MAC_LEN];
	const size_t len = strlen(deployment_id);

	if (k->extended || len > BLOB_TEXT_MAX || (mac_len != 0 && mac_len != AUDIT_MAC_LEN))
		return VAULT_BAD_REQUEST;
	crypto_generichash(
		k->key, sizeof(k->key), (const uint8_t *)KEY_LABEL, sizeof(KEY_LABEL) - 1, key, VAULT_KEY_LEN);
	memcpy(k->deployment_id, deployment_id, len + 1);
	k->begun = false;
	k->end = (struct audit_end){.seq = head->seq};
	if (mac_len > 0) {
		seal(k, head, mac);
		if (!vault_equal(mac, head->mac, sizeof(mac)) || head->seq < k->kept->before)
			return VAULT_BAD_BLOB;
		memcpy(k->end.hash, head->hash, sizeof(k->end.hash));
		counts_begin(k->kept, head->refused, head->undone);
	} else if (head->seq < k->kept->before) {
		k->kept->undone++;
	}
	k->before = k->end;
	k->kept->before = head->seq;
	k->begun = true;
	return VAULT_OK;
}

enum vault_error audit_keeper_extend(struct audit_keeper *k, uint64_t from, const uint8_t *digests, size_t rows,
	uint64_t now_ms, struct vault_audit_head *out)
{
	uint8_t both[2 * VAULT_HASH_LEN];
	const bool anew = from == k->before.seq && from != k->end.seq;

	if (!k->begun || rows == 0 || (from != k->end.seq && !anew))
		return VAULT_BAD_REQUEST;
	if (anew) {
		k->end = k->before;
		k->kept->undone++;
	}
	k->before = k->end;
	k->kept->before = k->end.seq;
	k->extended = true;
	for (size_t i = 0; i < rows; i++) {
		memcpy(both, k->end.hash, VAULT_HASH_LEN);
		memcpy(both + VAULT_HASH_LEN, digests + i * VAULT_HASH_LEN, VAULT_HASH_LEN);
		vault_hash(both, sizeof(both), k->end.hash);
		k->end.seq++;
	}
	out->seq = k->end.seq;
	out->at = now_ms;
	memcpy(out->hash, k->end.hash, sizeof(out->hash));
	out->refused = k->kept->sealed = k->kept->refused;
	out->undone = k->kept->undone;
	seal(k, out, out->mac);
	return VAULT_OK;
}
