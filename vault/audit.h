/*
 * What the vault remembers of the audit: where its chain ends, so that nobody who asks
 * it can take back or rewrite what it has sealed. Private to vault/, called by process.c.
 */
#ifndef KEYHOUSE_VAULT_AUDIT_H
#define KEYHOUSE_VAULT_AUDIT_H

#include "vault/blob.h"

#define AUDIT_MAC_LEN 32u

/* One end of the chain: the hash of the newest row, and its number. */
struct audit_end {
	uint64_t seq;
	uint8_t hash[VAULT_HASH_LEN];
};

/* What outlives the vault, so that whoever makes it end makes it forget nothing: all zeros at first, and only vaults
 * write it. It lives as long as the supervisor. */
struct audit_memory {
	uint64_t refused, sealed; /* questions over all lives; those of them that a seal has counted */
	uint64_t undone;
	uint64_t before; /* the row after which the last extension began: an older head than that was put back */
};

/* Lies in guarded memory, zeroed at first but for kept. */
struct audit_keeper {
	uint8_t key[VAULT_KEY_LEN]; /* of the seals; derived */
	char deployment_id[BLOB_TEXT_MAX + 1];
	bool begun, extended;
	struct audit_end end;
	struct audit_end before; /* the last extension: that one alone can be done anew */
	struct audit_memory *kept; /* borrowed */
};

/* Derives the key of the seals, and stands where head says. mac_len 0: a new chain that begins after head->seq, else
 * head must have been sealed under that key. VAULT_BAD_REQUEST: rows were sealed since; VAULT_BAD_BLOB: no such seal, or
 * one of a time before the last extension but one. A new chain that takes back rows is counted as undone. */
enum vault_error audit_keeper_begin(struct audit_keeper *k, const uint8_t key[static VAULT_KEY_LEN],
	const char *deployment_id, const struct vault_audit_head *head, size_t mac_len);
/* Chains rows by their digests after row from, which is the end or where the last extension began, and seals the new end.
 * Fills out but its hash. VAULT_BAD_REQUEST: any other from, or not begun. */
enum vault_error audit_keeper_extend(struct audit_keeper *k, uint64_t from, const uint8_t *digests, size_t rows,
	uint64_t now_ms, struct vault_audit_head *out);

#endif
