/*
 * A note in the store: the id of the key, and when.
 */
#include "gateway/kit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTE "kit"

enum tenant_error kit_look(struct tenants *t, struct kit *out)
{
	char note[STORE_TEXT_LEN + 1];

	*out = (struct kit){.due = true};
	if (vault_status(tenants_vault(t), out->master_key_id) != VAULT_OK)
		return TENANT_VAULT;
	if (store_note_get(tenants_store(t), NOTE, note) != STORE_OK)
		return TENANT_STORE;
	if (strlen(note) <= VAULT_KEY_ID_LEN)
		return TENANT_OK;
	memcpy(out->made_for, note, VAULT_KEY_ID_LEN);
	out->made_at = strtoll(note + VAULT_KEY_ID_LEN, NULL, 10);
	out->due = strcmp(out->made_for, out->master_key_id) != 0;
	return TENANT_OK;
}

enum tenant_error kit_made(struct tenants *t, const char *key_id)
{
	char note[STORE_TEXT_LEN + 1], id[VAULT_KEY_ID_LEN + 1];

	if (vault_status(tenants_vault(t), id) != VAULT_OK)
		return TENANT_VAULT;
	if (strcmp(id, key_id) != 0)
		return TENANT_NOT_FOUND;
	(void)snprintf(note, sizeof(note), "%s %" PRId64, id, store_now_ms());
	return store_note_put(tenants_store(t), NOTE, note) == STORE_OK ? TENANT_OK : TENANT_STORE;
}
