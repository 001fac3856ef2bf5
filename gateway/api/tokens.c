/*
 * Admin tokens, for the operator alone: made from 32 random bytes, shown once, kept
 * as a hash.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "gateway/api/form.h"
#include "gateway/api/json_out.h"
#include "gateway/api/page.h"
#include "gateway/api/problem.h"
#include "gateway/json.h"
#include "gateway/log.h"

#define TOKEN_BYTES 32u
#define TOKEN_PREFIX "kh_"
#define TOKEN_LEN (sizeof(TOKEN_PREFIX) - 1 + 43u)

/* base64url of 32 bytes, without padding, behind the prefix. */
static void token_new(char out[static TOKEN_LEN + 1])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint8_t bytes[TOKEN_BYTES];
	unsigned bits = 0, held = 0;
	size_t len = sizeof(TOKEN_PREFIX) - 1;

	vault_random(bytes, sizeof(bytes));
	memcpy(out, TOKEN_PREFIX, len);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bits = (bits << 8) | bytes[i];
		for (held += 8; held >= 6; held -= 6)
			out[len++] = digits[(bits >> (held - 6)) & 63u];
	}
	out[len++] = digits[(bits << (6 - held)) & 63u];
	out[len] = '\0';
	vault_wipe(bytes, sizeof(bytes));
	vault_wipe(&bits, sizeof(bits));
}

/* token NULL: not shown. */
static cJSON *token_json(const struct store_token *t, const char *token)
{
	struct out o;

	out_begin(&o);
	out_text(&o, "id", t->id);
	out_text(&o, "name", t->name);
	if (token != NULL)
		out_text(&o, "token", token);
	out_text(&o, "last4", t->last4);
	out_time(&o, "created_at", t->created_at);
	out_time(&o, "revoked_at", t->revoked_at);
	return out_end(&o);
}

static void add(struct call *c, const char *name)
{
	struct store_token t = {.created_at = store_now_ms()};
	char token[TOKEN_LEN + 1];
	enum store_error err;

	token_new(token);
	store_id_new(t.id);
	(void)snprintf(t.name, sizeof(t.name), "%s", name);
	(void)snprintf(t.last4, sizeof(t.last4), "%s", token + TOKEN_LEN - 4);
	vault_hash(token, TOKEN_LEN, t.hash);
	err = store_token_add(c->api->store, &t);
	if (err != STORE_OK) {
		problem_store(c, err);
	} else {
		log_info("admin token added token=%s", t.id);
		out_send_tree(token_json(&t, token), c->res, 201);
	}
	vault_wipe(token, sizeof(token));
}

void tokens_add(struct call *c)
{
	static const struct form_field fields[] = {{"name", FORM_TEXT, true}};
	cJSON *body = form_object(c, fields, sizeof(fields) / sizeof(fields[0]), false);
	const char *name = json_get_string(body, "name");

	if (name != NULL && form_name_ok(c, "name", name))
		add(c, name);
	cJSON_Delete(body);
}

static bool list_one(const struct store_token *t, void *arg)
{
	struct listing *l = arg;

	return listing_wants(l) && listing_add(l, t->id, token_json(t, NULL));
}

static enum store_error list(struct listing *l, const void *ctx)
{
	(void)ctx;
	return store_token_list(l->call->api->store, &l->page, list_one, l);
}

void tokens_list(struct call *c)
{
	listing_answer(c, list, NULL, NULL);
}

void tokens_revoke(struct call *c)
{
	enum store_error err = store_token_revoke(c->api->store, c->id);

	if (err != STORE_OK) {
		problem_store(c, err);
		return;
	}
	log_info("admin token revoked token=%s", c->id);
	c->res->status = 204;
}
