/*
 * The key that a value was sealed under is looked up once for as long as the values that
 * follow have the same. What does not open is told apart from what could not be tried.
 */
#include "gateway/reseal.h"

#include <stdlib.h>
#include <string.h>

struct reseal {
	struct tenants *tenants;
	struct vault_client *vault;
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	enum store_purpose purpose;
	struct vault_wrapped_key to, from, index; /* from.version 0: not looked up yet */
	struct vault_content_keys to_keys, from_keys;
};

static enum reseal_result from_vault(enum vault_error err)
{
	switch (err) {
	case VAULT_OK:
		return RESEAL_DONE;
	case VAULT_BAD_BLOB:
	case VAULT_WRONG_KEY:
	case VAULT_BAD_REQUEST:
		return RESEAL_DAMAGED;
	case VAULT_DENIED:
	case VAULT_KEY_FILE:
	case VAULT_KEY_FILE_OPEN_TO_OTHERS:
	case VAULT_NO_MEMORY:
	case VAULT_GONE:
		return RESEAL_LATER;
	}
	return RESEAL_LATER;
}

/* A key that is gone, or whose row is damaged, opens nothing. */
static enum reseal_result key_get(
	struct reseal *r, enum store_purpose purpose, uint32_t version, struct vault_wrapped_key *out)
{
	const enum tenant_error err = tenant_key_get(r->tenants, r->business_id, purpose, version, out);

	if (err == TENANT_OK)
		return RESEAL_DONE;
	return err == TENANT_NOT_FOUND || err == TENANT_BAD_DATA ? RESEAL_DAMAGED : RESEAL_LATER;
}

static enum reseal_result content_open(
	struct reseal *r, const struct vault_wrapped_key *content, struct vault_content_keys *out)
{
	return from_vault(vault_content_keys_get(
		r->vault, store_deployment_id(tenants_store(r->tenants)), r->business_id, content, &r->index, out));
}

struct reseal *reseal_open(struct tenants *tenants, const char *business_id, enum store_purpose purpose, uint32_t to)
{
	struct reseal *r = calloc(1, sizeof(*r));
	enum reseal_result result;

	if (r == NULL || strlen(business_id) > STORE_BUSINESS_ID_LEN) {
		free(r);
		return NULL;
	}
	r->tenants = tenants;
	r->vault = tenants_vault(tenants);
	r->purpose = purpose;
	memcpy(r->business_id, business_id, strlen(business_id) + 1);
	result = key_get(r, purpose, to, &r->to);
	if (result == RESEAL_DONE && purpose == STORE_KEY_CONTENT) {
		result = key_get(r, STORE_KEY_INDEX, 0, &r->index);
		if (result == RESEAL_DONE)
			result = content_open(r, &r->to, &r->to_keys);
	}
	if (result == RESEAL_DONE)
		return r;
	reseal_close(r);
	return NULL;
}

void reseal_close(struct reseal *r)
{
	if (r != NULL)
		vault_wipe(r, sizeof(*r));
	free(r);
}

/* Makes r->from the key of that version. */
static enum reseal_result from_load(struct reseal *r, uint32_t version)
{
	enum reseal_result result;

	if (r->from.version == version)
		return RESEAL_DONE;
	r->from.version = 0;
	result = key_get(r, r->purpose, version, &r->from);
	if (result == RESEAL_DONE && r->purpose == STORE_KEY_CONTENT)
		result = content_open(r, &r->from, &r->from_keys);
	if (result != RESEAL_DONE)
		r->from.version = 0;
	return result;
}

static enum vault_error content_again(
	struct reseal *r, const struct vault_context *where, const struct store_sealed *v, uint8_t *blob)
{
	uint8_t *plain = malloc(v->blob_len);
	enum vault_error err = VAULT_NO_MEMORY;
	size_t len = 0;

	if (plain != NULL)
		err = vault_content_open(&r->from_keys, where, v->blob, v->blob_len, plain, &len);
	if (err == VAULT_OK)
		err = vault_content_seal(&r->to_keys, where, plain, len, blob);
	if (plain != NULL)
		vault_wipe(plain, v->blob_len);
	free(plain);
	return err;
}

enum reseal_result reseal_value(struct reseal *r, const struct store_sealed *v, uint8_t **blob,
	char fingerprint[static VAULT_FINGERPRINT_LEN + 1])
{
	const struct vault_context where = {.deployment_id = store_deployment_id(tenants_store(r->tenants)),
		.business_id = r->business_id,
		.table = v->table,
		.record_id = v->record_id,
		.field = v->field,
		.record_version = v->version};
	enum reseal_result result;
	uint32_t version;
	uint8_t *again;

	if (vault_blob_key_version(v->blob, v->blob_len, &version) != VAULT_OK || version > r->to.version)
		return RESEAL_DAMAGED;
	if (version == r->to.version)
		return RESEAL_CURRENT;
	result = from_load(r, version);
	if (result != RESEAL_DONE)
		return result;
	again = malloc(v->blob_len);
	if (again == NULL)
		return RESEAL_LATER;
	fingerprint[0] = '\0';
	result =
		from_vault(r->purpose == STORE_KEY_CONTENT ? content_again(r, &where, v, again)
							   : vault_credential_rewrap(r->vault, &r->from, &r->to, &where,
								     v->blob, v->blob_len, again, fingerprint));
	if (result == RESEAL_DONE)
		*blob = again;
	else
		free(again);
	return result;
}
