/*
 * Settings links: a platform hands one to its shop owner, who opens a session with it,
 * once.
 */
#include <cjson/cJSON.h>

#include "gateway/api/form.h"
#include "gateway/api/json_out.h"
#include "gateway/api/page.h"
#include "gateway/api/problem.h"
#include "gateway/json.h"
#include "gateway/link.h"
#include "gateway/log.h"

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

static void add(struct call *c, int64_t life_ms)
{
	struct store_link l;
	char url[LINK_URL_MAX + 1];
	enum store_error err = link_make(c->api->store, c->api->public_url, c->business.id, life_ms, &l, url);
	cJSON *shown;

	if (err != STORE_OK) {
		problem_store(c, err);
		return;
	}
	log_info("settings link made business=%s link=%s", l.business_id, l.id);
	shown = link_json(&l, NULL);
	idempotency_keep(c, shown);
	cJSON_Delete(shown);
	out_send_tree(link_json(&l, url), c->res, 201);
	vault_wipe(url, sizeof(url));
}

/* A body is optional, and so is its one field. */
void links_add(struct call *c)
{
	static const struct form_field fields[] = {{"expires_in", FORM_NUMBER, false}};
	const cJSON *life;
	cJSON *body;

	if (c->req->body_len == 0) {
		add(c, LINK_LIFE_MS);
		return;
	}
	body = form_object(c, fields, sizeof(fields) / sizeof(fields[0]), false);
	if (body == NULL)
		return;
	life = json_get(body, "expires_in");
	if (life == NULL)
		add(c, LINK_LIFE_MS);
	else if (life->valuedouble >= LIFE_MIN_S && life->valuedouble <= LIFE_MAX_S)
		add(c, (int64_t)life->valuedouble * 1000);
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
