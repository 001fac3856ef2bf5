/*
 * Who gets the webhooks, as a provider says. A foreign address may hold a secret: only whose it is
 * leaves, never the address. Called by answer.c.
 */
#ifndef KEYHOUSE_OUTBOUND_CALLBACK_H
#define KEYHOUSE_OUTBOUND_CALLBACK_H

#include <stddef.h>

struct cJSON;
struct held;
struct secret;

#define CALLBACK_OWNER_MAX 120u

/* What an address is compared with. */
struct callback_ours {
	const char *url; /* this business's */
	const char *public_url; /* what all of ours begin with, without a final slash; "": none does */
	const char *app_id; /* whose override is asked about */
	const struct secret *secret; /* our header's value */
	const struct held *held; /* blanked in a foreign address before its host is taken out of it */
};

/* {"callback": {...}} as outbound.h describes it. answer is borrowed. Owns: caller deletes it.
 * NULL: the answer is an odd one, or memory is short. */
struct cJSON *callback_of_app(const struct cJSON *answer, const struct callback_ours *ours);
struct cJSON *callback_of_waba(const struct cJSON *answer, const struct callback_ours *ours);
struct cJSON *callback_of_d360(const struct cJSON *answer, const struct callback_ours *ours);

/* Scheme, host and port of an address, lower case, without user and password, cut to fit; "" where it is not one of
 * http or https. */
void callback_owner(const char *url, char out[static CALLBACK_OWNER_MAX + 1]);

#endif
