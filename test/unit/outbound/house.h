/* A vault and a sender in processes of their own, as in the real house, for tests. */
#ifndef KEYHOUSE_TEST_HOUSE_H
#define KEYHOUSE_TEST_HOUSE_H

#include <sys/types.h>

#include "gateway/outbound/job.h"
#include "gateway/tenant.h"

struct house {
	pid_t vault, sender;
	int jobs; /* our end towards the sender; -1 when given away */
	struct vault_client *client;
	struct tenants *tenants;
};

void house_open(struct house *h, const char *base_url);
/* Ends both. Returns the sender's wait status. */
int house_close(struct house *h);
int house_sender_wait(struct house *h); /* the sender ends by itself, within 10 s */

void house_business(struct house *h, const char *business_id);
/* Seals a credential as the store would hold it. Owns: caller frees *blob. */
void house_credential(struct house *h, const char *business_id, const char *connection_id, const char *field,
	const char *plain, struct store_credential *out, uint8_t **blob);

#endif
