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

#define TOKEN_PREFIX "kh_"
#define TOKEN_ROOM (sizeof(TOKEN_PREFIX) + VAULT_RANDOM_TEXT_LEN)

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
	char token[TOKEN_ROOM];
	enum store_error err;

	vault_random_text(TOKEN_PREFIX, true, token);
	store_id_new(t.id);
	(void)snprintf(t.name, sizeof(t.name), "%s", name);
	(void)snprintf(t.last4, sizeof(t.last4), "%s", token + strlen(token) - 4);
	vault_hash(token, strlen(token), t.hash);
	err = store_token_add(c->api->store, &t);
	if (err != STORE_OK) {
		problem_store(c, err);
	} else {
		cJSON *shown = token_json(&t, NULL);

		log_info("admin token added token=%s", t.id);
		idempotency_keep(c, shown);
		cJSON_Delete(shown);
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
