/*
 * Removal: a business goes, its keys first, and what is left of it is a receipt.
 *
 * Called by gateway/api and gateway/settings; what was cut short is carried on by gateway/rotation's thread, and by a
 * session.
 */
#ifndef KEYHOUSE_REMOVAL_H
#define KEYHOUSE_REMOVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/tenant.h"

/* A tenant key that is destroyed. */
struct removal_key {
	const char *purpose; /* "credential", "content", "index" */
	uint32_t version;
	char id[17]; /* of the wrapped key as it lay in the database, in hex: the same in a backup of that time */
	int64_t created_at; /* 0: not known */
};

struct removal_receipt {
	char id[STORE_ID_LEN + 1];
	char business_id[STORE_BUSINESS_ID_LEN + 1], business_name[STORE_NAME_LEN + 1];
	struct removal_key *keys; /* all of them */
	size_t keys_len, keys_room;
	int64_t removed_at;
	int64_t audit_seq; /* the audit's row that says so; its hash vouches for it and all rows before */
	char audit_hash[65];
	bool flushed; /* neither the database file nor its log hold a destroyed key any more; else the log does, until somebody's
			 reading has ended */
};

/* Destroys its keys, removes all it owns, forgets what is cached of it and empties the log. After an error in between the
 * business is not found any more, and removal_step does the rest. *out is to be cleared when all went well.
 * STORE_NOT_FOUND. */
enum store_error removal_run(struct tenants *t, const char *business_id, struct removal_receipt *out)
	__attribute__((warn_unused_result));
void removal_receipt_clear(struct removal_receipt *r);

/* One small step of a removal that was cut short: a kill, a full disk. STORE_OK: there may be more to do; STORE_NOT_FOUND:
 * there is none. */
enum store_error removal_step(struct tenants *t) __attribute__((warn_unused_result));

#endif
