/*
 * Settings links, made. Called by api and settings.
 */
#include "gateway/link.h"

#include <stdio.h>
#include <string.h>

#include "vault/vault.h"

enum store_error link_make(struct store *s, const char *public_url, const char *business_id, int64_t life_ms,
	struct store_link *out, char url[static LINK_URL_MAX + 1])
{
	char token[VAULT_RANDOM_TEXT_LEN + 1];
	uint8_t hash[VAULT_HASH_LEN];
	enum store_error err;

	*out = (struct store_link){.created_at = store_now_ms()};
	out->expires_at = out->created_at + life_ms;
	store_id_new(out->id);
	(void)snprintf(out->business_id, sizeof(out->business_id), "%s", business_id);
	vault_random_text("", true, token);
	vault_hash(token, strlen(token), hash);
	(void)snprintf(url, LINK_URL_MAX + 1, "%s/settings/open#%s", public_url, token);
	err = store_link_add(s, out, hash);
	vault_wipe(token, sizeof(token));
	vault_wipe(hash, sizeof(hash));
	if (err != STORE_OK)
		vault_wipe(url, LINK_URL_MAX + 1);
	return err;
}
