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

#define HOUSE_URL "https://house.example"

/* What the sender is told; NULL and 0 take what house_open says. */
struct house_world {
	const char *meta_api_url, *meta_media_url, *d360_api_url, *d360_sandbox_url, *responder_allow;
	unsigned responder_timeout_ms, slow_ms;
};
void house_open_in(struct house *h, const struct house_world *world);
/* Both providers at base_url, HOUSE_URL as public URL, no responder allowed beyond the rule, 15 seconds for it. */
void house_open(struct house *h, const char *base_url);
/* Ends both. Returns the sender's wait status. */
int house_close(struct house *h);
int house_sender_wait(struct house *h); /* the sender ends by itself, within 10 s */

void house_business(struct house *h, const char *business_id);
/* Seals a credential as the store would hold it. Owns: caller frees *blob. */
void house_credential(struct house *h, const char *business_id, const char *connection_id, const char *field,
	const char *plain, struct store_credential *out, uint8_t **blob);
/* The same of the version that out has. */
void house_credential_again(struct house *h, const char *business_id, const char *connection_id, const char *field,
	const char *plain, struct store_credential *out, uint8_t **blob);

#endif
