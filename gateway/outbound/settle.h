/*
 * Settling: writing down what came of an attempt, and what it says about the connection. Any
 * thread. Called by schedule.c and results.c.
 */
#ifndef KEYHOUSE_OUTBOUND_SETTLE_H
#define KEYHOUSE_OUTBOUND_SETTLE_H

#include <stdatomic.h>

#include "gateway/outbound/kinds.h"
#include "gateway/outbound/lanes.h"
#include "gateway/outbound/outbound.h"

/* A message on its way. */
struct sending {
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	char connection_id[STORE_ID_LEN + 1];
	char message_id[STORE_ID_LEN + 1];
	uint32_t attempt;
	enum store_policy policy;
	int64_t expires_at;
	bool once; /* somebody waits for its end */
	bool maybe_sent; /* an attempt before this one may have been accepted */
	bool version_is_clients; /* of Meta's API, in the path */
	char virtual_key_id[STORE_ID_LEN + 1]; /* that it was counted for; "": none */
	int64_t spent_at; /* when */
	uint8_t conversation[STORE_INDEX_LEN];
	const struct kind *kind; /* what it was sent as */
	uint64_t credential_version; /* of the kind's first credential, which it was sent with */
	bool credential_unproven; /* nothing is known to have been accepted with it */
};

/* What it tells of those that go after it; wait_ms: so long, 0: there is no wait. */
struct settled {
	enum lanes_came came;
	enum lanes_scope scope;
	int64_t wait_ms;
};
/* An attempt that ended. */
struct settling {
	const struct sending *sending;
	const struct outbound_result *result;
	struct settled settled; /* when it is */
};
#define SETTLING_MAX 32u
/* Settles these attempts, with one commit, again and again while the store is busy or full, until *stop. Left
 * unsettled one becomes UNKNOWN at the next start. */
void settle_sends(struct tenants *t, struct settling *all, size_t len, const atomic_bool *stop);

/* Whether debug_token's answer says that the token is dead, or that it works. A time-out or a 5xx says neither. Where it
 * is refused, that is about the app's secret, which it was asked with: then a refusal that spoke of the key alone
 * is taken at its word, and no other. */
bool settle_token_is_dead(const struct outbound_result *r, bool of_the_key);
bool settle_token_works(const struct outbound_result *r);
/* The key is dead: where it never worked and the one before it is still there, that one is used again; else the
 * connection becomes KEY_REFUSED. Nothing of that where the key was changed since. True: something may be due. */
bool settle_key_refused(struct tenants *t, const struct sending *s);

#endif
