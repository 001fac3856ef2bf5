/*
 * Binding: does an update belong to the connection whose secret verified it?
 *
 * A shop signs with its own app's secret, so that it could sign anything, also an
 * update about another shop's number. Such an update is quarantined (design section
 * 4, step 4). Called by ready.c and prepare.c.
 */
#ifndef KEYHOUSE_INBOUND_BINDING_H
#define KEYHOUSE_INBOUND_BINDING_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/tenant.h"
#include "store/store.h"

struct binding_peer {
	char connection_id[STORE_ID_LEN + 1];
	char waba_id[STORE_PROVIDER_ID_LEN + 1];
	char number[STORE_PROVIDER_ID_LEN + 1]; /* "": not known yet */
	enum store_connection_status status;
	char display_phone[33]; /* "": not known */
};

/* The connection that verified an event, and the connections of the same business that
 * have the same app secret: one app serves them all, and either could have verified. */
struct binding {
	struct binding_peer peers[TENANT_VERIFIERS_MAX]; /* the first one verified; none: it was removed */
	size_t peers_len;
	enum store_provider provider;
	char taken[STORE_PROVIDER_ID_LEN + 1]; /* another connection's number, which the one that verified would have
						* learned; "" for none */
};

/* Reads them. A connection that is gone gives a binding without peers. Returns what the
 * store returns, but STORE_NOT_FOUND never. */
enum store_error binding_load(struct store *s, const char *business_id, const char *connection_id, struct binding *out)
	__attribute__((warn_unused_result));

/* Whether a text may be a provider's id of a number: digits, as many as are kept. NULL is none. */
bool binding_is_number(const char *text);

/* Gives a 360dialog connection whose number is not known the one that its first webhook names, and
 * notes where that is taken. number must be one; account, the entry's id, may be anything. Returns
 * what the store returns, but STORE_NUMBER_TAKEN, STORE_STALE and STORE_NOT_FOUND never. */
enum store_error binding_learn(struct store *s, const char *business_id, struct binding *b, const char *number,
	const char *account) __attribute__((warn_unused_result));

/* What an update says about where it belongs; NULL where it says nothing. */
struct binding_claim {
	const char *field;
	const char *number; /* metadata.phone_number_id */
	const char *owner; /* the provider's connection of the business that may use number, NULL for none */
	const char *account; /* the entry's id */
};

/* Whether the claim names this very connection: its number or its account. */
bool binding_names(const struct binding_peer *peer, const struct binding_claim *claim);

/* NULL when it belongs here, else the reason of the quarantine, in plain words. */
const char *binding_judge(const struct binding *b, const struct binding_claim *claim);

#endif
