/*
 * Resealing: sealed values of one tenant, from whichever version of a tenant key sealed them to the newest one.
 *
 * Content is opened and sealed here, under keys that the listener may hold; credentials are in the vault, and never leave
 * it. Called by rotation.c.
 */
#ifndef KEYHOUSE_RESEAL_H
#define KEYHOUSE_RESEAL_H

#include <stdbool.h>

#include "gateway/tenant.h"

struct reseal;

/* Purposes credential and content; to is the newest version. NULL: memory is short, the vault does not answer or the key
 * does not open. */
struct reseal *reseal_open(struct tenants *tenants, const char *business_id, enum store_purpose purpose, uint32_t to);
void reseal_close(struct reseal *r); /* wipes; NULL is fine */

enum reseal_result {
	RESEAL_DONE,
	RESEAL_CURRENT, /* it is under the newest version already */
	RESEAL_DAMAGED, /* it does not open, and never will */
	RESEAL_LATER, /* the vault or the store does not answer, memory is short */
};
/* Owns: caller frees *blob, which is as long as v's; fingerprint is that of a credential, else "". */
enum reseal_result reseal_value(struct reseal *r, const struct store_sealed *v, uint8_t **blob,
	char fingerprint[static VAULT_FINGERPRINT_LEN + 1]);

#endif
