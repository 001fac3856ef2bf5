/*
 * Calls that may come twice: a POST with an Idempotency-Key is done once, and its first
 * answer is given again. The key and the body are kept as blind indexes of the business,
 * or as hashes where the call concerns none; an answer is kept without its secrets.
 *
 * A message's answer is kept in the same transaction as the message (messages.c). Called
 * by api.c around every handler.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/api/internal.h"
#include "gateway/api/problem.h"
#include "gateway/json.h"
#include "gateway/log.h"

#define KEY_MAX 255u
#define KEPT_MAX (64u * 1024u)

static bool key_ok(const char *key)
{
	size_t len = strlen(key);

	if (len < 1 || len > KEY_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)key[i] < 0x20 || (unsigned char)key[i] > 0x7e)
			return false;
	return true;
}

/* A value as it is remembered: never itself. */
static enum tenant_error hide(struct call *c, const void *value, size_t len, uint8_t out[static STORE_INDEX_LEN])
{
	uint8_t hash[VAULT_HASH_LEN];

	if (c->once.business_id[0] != '\0')
		return tenant_index(c->api->tenants, c->once.business_id, "idempotency", value, len, out);
	vault_hash(value, len, hash);
	memcpy(out, hash, STORE_INDEX_LEN);
	return TENANT_OK;
}

/* The key is one of this method, path and query alone. */
static enum tenant_error hide_key(struct call *c)
{
	const char *const parts[] = {
		c->req->method, c->req->path, c->req->query != NULL ? c->req->query : "", c->req->idempotency_key};
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
	err = hide(c, text, len, c->once.key);
	vault_wipe(text, len);
	free(text);
	return err;
}

static void answer_again(struct call *c, struct store_once_answer *first)
{
	c->res->status = first->http_status;
	c->res->content_type = first->http_status >= 400 ? "application/problem+json" : "application/json";
	c->res->body = first->body;
	c->res->body_len = first->body_len;
	c->res->replayed = true;
	first->body = NULL; /* transferred */
}

bool idempotency_begin(struct call *c)
{
	struct store_once_answer first = {0};
	enum tenant_error tenant;
	enum store_error err;

	if (c->req->idempotency_key == NULL || strcmp(c->req->method, "POST") != 0)
		return true;
	if (!key_ok(c->req->idempotency_key)) {
		problem(c->res, PROBLEM_INVALID_FIELD, "Idempotency-Key",
			"must be given once, as 1 to 255 printable characters");
		return false;
	}
	memcpy(c->once.business_id, c->business.id, sizeof(c->once.business_id));
	tenant = hide_key(c);
	if (tenant == TENANT_OK)
		tenant = hide(c, c->req->body, c->req->body_len, c->once.request);
	if (tenant != TENANT_OK) {
		problem_tenant(c, tenant);
		return false;
	}
	err = store_once_begin(c->api->store, &c->once, &first);
	c->is_once = err == STORE_OK;
	if (err == STORE_EXISTS)
		answer_again(c, &first);
	else if (err == STORE_STALE)
		problem(c->res, PROBLEM_IDEMPOTENCY_KEY_REUSED, "Idempotency-Key", NULL);
	else if (err == STORE_BUSY)
		problem(c->res, PROBLEM_IN_FLIGHT, NULL, NULL);
	else if (err != STORE_OK)
		problem_store(c, err);
	return c->is_once;
}

void idempotency_keep(struct call *c, const struct cJSON *without_secret)
{
	c->has_secret = true;
	if (c->is_once && without_secret != NULL)
		c->kept = json_text(without_secret);
}

void idempotency_end(struct call *c)
{
	struct store_once_end end = {.key = c->once.key, .http_status = c->res->status};
	enum store_error err = STORE_OK;

	end.body = c->has_secret ? c->kept : c->res->body;
	end.body_len = end.body != NULL ? strlen(end.body) : 0;
	/* What failed, or met a state that may change, may be tried again; what would be answered by halves, too. */
	if (end.http_status >= 500 || end.http_status == 409 || end.body == NULL || end.body_len > KEPT_MAX)
		end = (struct store_once_end){.key = c->once.key};
	if (c->is_once && !c->once_ended)
		err = store_once_end(c->api->store, c->once.business_id, &end);
	if (err != STORE_OK)
		log_warn("api: an answer is not kept for its Idempotency-Key business=%s reason=\"%s\"", c->business.id,
			store_error_text(err));
	json_text_free(c->kept);
	c->kept = NULL;
}
