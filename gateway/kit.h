/*
 * Whether a recovery kit was made of the master key in use. Until then losing the key
 * file loses everything, and everybody who can change that is told.
 *
 * Called by listener (log), gateway/api, gateway/settings, and through the API by commands.
 */
#ifndef KEYHOUSE_KIT_H
#define KEYHOUSE_KIT_H

#include "gateway/tenant.h"

/* Sentences: what is so, and what to do. */
#define KIT_DUE                                                                                                        \
	"No recovery kit was made of the master key in use. Losing the key file loses every shop's key, and nothing "  \
	"brings them back."
#define KIT_REMEDY "Print one, and keep it on paper: keyhouse key kit"

struct kit {
	char master_key_id[VAULT_KEY_ID_LEN + 1]; /* in use */
	char made_for[VAULT_KEY_ID_LEN + 1]; /* "": none was ever made */
	int64_t made_at;
	bool due; /* none was made for the key in use */
};

enum tenant_error kit_look(struct tenants *t, struct kit *out) __attribute__((warn_unused_result));
/* One was made for the key in use. TENANT_NOT_FOUND: that is another key. */
enum tenant_error kit_made(struct tenants *t, const char *key_id) __attribute__((warn_unused_result));

#endif
