/*
 * A token that an answer brings (fb_exchange_token, facts/meta.md 5): sealed here in the sender, so that what goes back
 * to the listener is a blob that it cannot open. Called by answer.c.
 */
#ifndef KEYHOUSE_OUTBOUND_EXCHANGE_H
#define KEYHOUSE_OUTBOUND_EXCHANGE_H

#include "gateway/outbound/job.h"

struct cJSON;

/* Where the new token goes: the place of the one that it was changed for, one version on. */
struct exchange {
	struct vault_client *vault;
	struct vault_wrapped_key key;
	char deployment_id[STORE_BUSINESS_ID_LEN + 1];
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	char connection_id[STORE_ID_LEN + 1];
	uint64_t version;
};

/* Of a job whose kind brings a token. */
void exchange_begin(struct exchange *e, struct vault_client *vault, const struct job *j);

/* {"sealed" in base64, "fingerprint", "last4", "expires_in"}; NULL: the answer brings no token that could be one, or it
 * cannot be sealed. Owns: the caller deletes it. */
struct cJSON *exchange_seal(const struct exchange *e, const struct cJSON *answer);

#endif
