/*
 * Hiding what a call is known by, and keeping its answer sealed. Called by api/idempotency.c, api/sending.c and
 * front/messages.c.
 */
#include "gateway/once.h"

#include <stdlib.h>
#include <string.h>

#define KEY_MAX 255u

bool once_key_ok(const char *key)
{
	const size_t len = strlen(key);

	if (len < 1 || len > KEY_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)key[i] < 0x20 || (unsigned char)key[i] > 0x7e)
			return false;
	return true;
}

/* A value as it is remembered: never itself. */
static enum tenant_error hide(
	struct tenants *t, const char *business_id, const void *value, size_t len, uint8_t out[static STORE_INDEX_LEN])
{
	uint8_t hash[VAULT_HASH_LEN];

	if (business_id[0] != '\0')
		return tenant_index(t, business_id, "idempotency", value, len, out);
	vault_hash(value, len, hash);
	memcpy(out, hash, STORE_INDEX_LEN);
	return TENANT_OK;
}

static enum tenant_error hide_key(struct tenants *t, const struct once_call *call, uint8_t out[static STORE_INDEX_LEN])
{
	const char *const parts[] = {call->method, call->path, call->query != NULL ? call->query : "", call->key};
	size_t len = 0, room = 0;
	enum tenant_error err;
	char *text;

	for (size_t i = 0; i < 4; i++)
		room += strlen(parts[i]) + 1;
	text = malloc(room);
	if (text == NULL)
		return TENANT_NO_MEMORY;
	for (size_t i = 0; i < 4; i++) {
		memcpy(text + len, parts[i], strlen(parts[i]) + 1);
		len += strlen(parts[i]) + 1;
	}
	err = hide(t, call->business_id, text, len, out);
	vault_wipe(text, len);
	free(text);
	return err;
}

/* ------------------------------------------------------------ what is kept */

#define RECORD_ROOM (2u * STORE_INDEX_LEN + 1u)

/* Where a kept answer lies. record: for the row's key in hex. */
static struct tenant_place place_of(const struct store_once *once, char record[static RECORD_ROOM])
{
	vault_hex(once->key, sizeof(once->key), record);
	return (struct tenant_place){once->business_id, "once", record, "body", 1};
}

/* Before answers were sealed they were kept as the JSON objects that they are. */
static bool is_clear(const struct store_once *once, const struct store_once_answer *kept)
{
	return once->business_id[0] == '\0' || kept->body[0] == '{';
}

/* Exchanges what is kept for the answer. Owns: with anything but ONCE_ANSWERED nothing is left in *first. */
static enum once answer_open(
	struct tenants *t, const struct store_once *once, struct store_once_answer *first, struct once_fault *fault)
{
	char record[RECORD_ROOM];
	const struct tenant_place place = place_of(once, record);
	uint8_t *plain = NULL;
	size_t len = 0;

	if (first->body_len == 0 ? first->http_status != STORE_ONCE_LOST : is_clear(once, first))
		return ONCE_ANSWERED;
	if (first->body_len == 0)
		fault->tenant = TENANT_NOT_FOUND;
	else
		fault->tenant = tenant_open(t, &place, (const uint8_t *)first->body, first->body_len, &plain, &len);
	free(first->body);
	*first = (struct store_once_answer){.http_status = first->http_status, .body = (char *)plain, .body_len = len};
	if (fault->tenant == TENANT_OK)
		return ONCE_ANSWERED;
	return tenant_is_damaged(fault->tenant) ? ONCE_LOST : ONCE_TENANT;
}

enum tenant_error once_seal(
	struct tenants *t, const struct store_once *once, struct store_once_end *end, uint8_t **sealed)
{
	char record[RECORD_ROOM];
	const struct tenant_place place = place_of(once, record);
	enum tenant_error err;
	size_t len;

	*sealed = NULL;
	if (once->business_id[0] == '\0' || end->body_len == 0)
		return TENANT_OK;
	err = tenant_seal(t, &place, end->body, end->body_len, sealed, &len);
	if (err != TENANT_OK)
		return err;
	end->body = *sealed;
	end->body_len = len;
	return TENANT_OK;
}

/* ------------------------------------------------------------ a call */

enum once once_begin(struct tenants *t, const struct once_call *call, struct store_once *out,
	struct store_once_answer *first, struct once_fault *fault)
{
	*first = (struct store_once_answer){0};
	*fault = (struct once_fault){TENANT_OK, STORE_OK};
	*out = (struct store_once){.key = {0}};
	memcpy(out->business_id, call->business_id, strlen(call->business_id) + 1);
	fault->tenant = hide_key(t, call, out->key);
	if (fault->tenant == TENANT_OK)
		fault->tenant = hide(t, call->business_id, call->body, call->body_len, out->request);
	if (fault->tenant != TENANT_OK)
		return ONCE_TENANT;
	fault->store = store_once_begin(tenants_store(t), out, first);
	if (fault->store == STORE_OK)
		return ONCE_NEW;
	if (fault->store == STORE_EXISTS)
		return answer_open(t, out, first, fault);
	if (fault->store == STORE_STALE)
		return ONCE_OTHER;
	return fault->store == STORE_BUSY ? ONCE_IN_FLIGHT : ONCE_STORE;
}

enum store_error once_keep(
	struct tenants *t, const struct store_once *once, int http_status, const char *body, size_t body_len)
{
	struct store_once_end end = {.key = once->key, .http_status = http_status, .body = body, .body_len = body_len};
	uint8_t *sealed = NULL;
	enum store_error err;

	if (body == NULL || body_len > ONCE_KEPT_MAX || once_seal(t, once, &end, &sealed) != TENANT_OK)
		end = (struct store_once_end){.key = once->key, .http_status = STORE_ONCE_LOST};
	err = store_once_end(tenants_store(t), once->business_id, &end);
	free(sealed);
	return err;
}

enum store_error once_forget(struct tenants *t, const struct store_once *once)
{
	return store_once_end(tenants_store(t), once->business_id, &(struct store_once_end){.key = once->key});
}
