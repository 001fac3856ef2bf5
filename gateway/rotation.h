/*
 * Rotation: keys are replaced while the service runs.
 *
 * Master key: the key file has a new one, the vault takes it, and each tenant key is wrapped anew. Tenant keys: a new
 * version seals from now on, what older ones sealed is sealed anew in small steps, and once nothing is left, nor can be on
 * its way any more, the older ones are destroyed. All of it goes on after a restart where it stood, and so does the removal
 * of a business (gateway/removal.h).
 *
 * Called by listener (a thread of its own), by session (off line: without) and by gateway/api.
 */
#ifndef KEYHOUSE_ROTATION_H
#define KEYHOUSE_ROTATION_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/tenant.h"

struct rotation;

struct rotation_options {
	struct tenants *tenants; /* borrowed */
	/* Has the vault read the key file again. False, with one sentence for people. NULL: it was started with it just now. */
	bool (*reload)(void *ctx, char *why, size_t why_len);
	void *ctx;
	/* How long something may be on its way that was sealed under an older key: nobody else writes where this is 0. */
	unsigned grace_s;
};

struct rotation *rotation_new(const struct rotation_options *opt); /* NULL: memory is short */
/* Goes on with what an earlier run began, and with what is asked for from now on. False: no thread can be had. */
bool rotation_start(struct rotation *r);
void rotation_free(struct rotation *r); /* ends the thread; NULL is fine */

/* Where no thread runs (off line), what is asked for below is done when it returns. */
enum rotation_error {
	ROTATION_OK = 0,
	ROTATION_NOT_FOUND, /* no such business, or its keys are destroyed */
	ROTATION_UNDER_WAY, /* the business's keys are being replaced already */
	ROTATION_REFUSED, /* the key file cannot be taken; the sentence says why */
	ROTATION_UNAVAILABLE, /* vault or store do not answer */
};
/* The key file was changed: the vault takes it, and tenant keys go under its current key. */
enum rotation_error rotation_master(struct rotation *r, char *why, size_t why_len);
/* New credential and content keys for one business, or for all that there are now. */
enum rotation_error rotation_business(struct rotation *r, const char *business_id);
enum rotation_error rotation_all(struct rotation *r);

/* How many of its total sealed values are done with. */
int64_t rotation_done(const struct store_rotation *of);

struct rotation_status {
	char master_key_id[VAULT_KEY_ID_LEN + 1]; /* the current one */
	int64_t keys, keys_under_others; /* tenant keys, and those that an older master key wraps */
	int64_t rotations; /* tenant keys that are being replaced */
	int64_t rotations_to_come; /* those that are still to be */
	int64_t done, total; /* sealed values of the rotations that stand first, at most STORE_LIST_MAX of them */
	int64_t keys_damaged; /* of keys_under_others those that did not open when they were looked at last */
	int64_t damaged; /* values, and tenant keys that were to be replaced, that did not open in this run, and were left */
};
enum rotation_error rotation_status(struct rotation *r, struct rotation_status *out);

#endif
