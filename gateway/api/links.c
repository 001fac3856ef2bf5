/*
 * Settings links: a platform hands one to its shop owner, who opens a session with it,
 * once. The token stands in the URL's fragment, which no browser sends to a server or a
 * log; only its hash is kept.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/api/form.h"
#include "gateway/api/json_out.h"
#include "gateway/api/page.h"
#include "gateway/api/problem.h"
#include "gateway/json.h"
#include "gateway/log.h"

#define LIFE_DEFAULT_S 3600
#define LIFE_MIN_S 60
#define LIFE_MAX_S 604800

static const char *state_of(const struct store_link *l, int64_t now)
{
	if (l->revoked_at > 0)
		return "revoked";
	if (l->opened_at > 0)
		return l->ends_at > now ? "open" : "ended";
	return l->expires_at > now ? "unopened" : "expired";
}

/* url NULL: not shown. */
static cJSON *link_json(const struct store_link *l, const char *url)
{
	struct out o;

	out_begin(&o);
	out_text(&o, "id", l->id);
	if (url != NULL)
		out_text(&o, "url", url);
	out_text(&o, "state", state_of(l, store_now_ms()));
	out_time(&o, "created_at", l->created_at);
	out_time(&o, "expires_at", l->expires_at);
	out_time(&o, "opened_at", l->opened_at);
	out_time(&o, "last_seen_at", l->seen_at);
	out_time(&o, "ends_at", l->ends_at);
	return out_end(&o);
}

static void add(struct call *c, int64_t life_s)
{
	struct store_link l = {.created_at = store_now_ms()};
	char token[VAULT_RANDOM_TEXT_LEN + 1], url[2048 + VAULT_RANDOM_TEXT_LEN];
	uint8_t hash[VAULT_HASH_LEN];
	enum store_error err;

	store_id_new(l.id);
	memcpy(l.business_id, c->business.id, sizeof(l.business_id));
	l.expires_at = l.created_at + life_s * 1000;
	vault_random_text("", true, token);
	vault_hash(token, strlen(token), hash);
	(void)snprintf(url, sizeof(url), "%s/settings/open#%s", c->api->public_url, token);
	err = store_link_add(c->api->store, &l, hash);
	if (err != STORE_OK) {
		problem_store(c, err);
	} else {
		cJSON *shown = link_json(&l, NULL);

		log_info("settings link made business=%s link=%s", l.business_id, l.id);
		idempotency_keep(c, shown);
		cJSON_Delete(shown);
		out_send_tree(link_json(&l, url), c->res, 201);
	}
	vault_wipe(token, sizeof(token));
	vault_wipe(url, sizeof(url));
	vault_wipe(hash, sizeof(hash));
}

/* A body is optional, and so is its one field. */
void links_add(struct call *c)
{
	static const struct form_field fields[] = {{"expires_in", FORM_NUMBER, false}};
	const cJSON *life;
	cJSON *body;

	if (c->req->body_len == 0) {
		add(c, LIFE_DEFAULT_S);
		return;
	}
	body = form_object(c, fields, sizeof(fields) / sizeof(fields[0]), false);
	if (body == NULL)
		return;
	life = json_get(body, "expires_in");
	if (life == NULL)
		add(c, LIFE_DEFAULT_S);
	else if (life->valuedouble >= LIFE_MIN_S && life->valuedouble <= LIFE_MAX_S)
		add(c, (int64_t)life->valuedouble);
	else
		problem(c->res, PROBLEM_INVALID_FIELD, "expires_in", "must be 60 to 604800 seconds");
	cJSON_Delete(body);
}

static bool list_one(const struct store_link *link, void *arg)
{
	struct listing *l = arg;

	return listing_wants(l) && listing_add(l, link->id, link_json(link, NULL));
}

static enum store_error list(struct listing *l, const void *ctx)
{
	(void)ctx;
	return store_link_list(l->call->api->store, l->call->business.id, &l->page, list_one, l);
}

void links_list(struct call *c)
{
	listing_answer(c, list, NULL, NULL);
}

void links_revoke(struct call *c)
{
	enum store_error err = store_link_revoke(c->api->store, c->business.id, c->id);

	if (err != STORE_OK) {
		problem_store(c, err);
		return;
	}
	log_info("settings link revoked business=%s link=%s", c->business.id, c->id);
	c->res->status = 204;
}
