/*
 * Businesses: added with fresh keys, shown, renamed, suspended, shredded.
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
#include "gateway/removal.h"

static const struct listing_name statuses[] = {
	{"active", STORE_BUSINESS_ACTIVE}, {"suspended", STORE_BUSINESS_SUSPENDED}, {NULL, 0}};

static cJSON *business_json(const struct api *a, const struct store_business *b)
{
	char url[2048];
	struct out o;

	(void)snprintf(url, sizeof(url), "%s/webhooks/%s", a->public_url, b->id);
	out_begin(&o);
	out_text(&o, "id", b->id);
	out_text(&o, "name", b->name);
	out_text(&o, "status", listing_name(statuses, (int)b->status));
	out_text(&o, "responder", b->responder);
	out_bool(&o, "window_check", b->window_checked);
	out_text(&o, "webhook_url", url);
	out_time(&o, "created_at", b->created_at);
	out_time(&o, "updated_at", b->updated_at);
	return out_end(&o);
}

/* The id that the platform chose, else one of ours. */
static bool take_id(struct call *c, const cJSON *body, struct store_business *b)
{
	const char *id = json_get_string(body, "id");

	if (id == NULL) {
		store_id_new(b->id);
		return true;
	}
	if (!api_id_ok(id, strlen(id))) {
		problem(c->res, PROBLEM_INVALID_FIELD, "id",
			"must be 1 to 64 of A-Z a-z 0-9 _ -, and begin with a letter or digit");
		return false;
	}
	(void)snprintf(b->id, sizeof(b->id), "%s", id);
	return true;
}

static bool take_name(struct call *c, const cJSON *body, struct store_business *b)
{
	const char *name = json_get_string(body, "name");

	if (!form_name_ok(c, "name", name))
		return false;
	(void)snprintf(b->name, sizeof(b->name), "%s", name);
	return true;
}

/* *status 0: it was not given. */
static bool take_status(struct call *c, const cJSON *body, enum store_business_status *status)
{
	const char *text = json_get_string(body, "status");

	*status = 0;
	if (text == NULL)
		return true;
	for (const struct listing_name *n = statuses; n->text != NULL; n++) {
		if (strcmp(n->text, text) == 0) {
			*status = (enum store_business_status)n->value;
			return true;
		}
	}
	problem(c->res, PROBLEM_INVALID_FIELD, "status", "must be active or suspended");
	return false;
}

/* Makes the keys and stores both; answers the call. */
static void add(struct call *c, struct store_business *b)
{
	struct store_tenant_key keys[3];
	enum tenant_error tenant = tenant_keys_new(c->api->tenants, b->id, keys);
	enum store_error err;

	if (tenant != TENANT_OK) {
		problem_tenant(c, tenant);
		return;
	}
	err = store_business_add(c->api->store, b, keys, 3);
	if (err == STORE_EXISTS) {
		problem(c->res, PROBLEM_BUSINESS_EXISTS, "id", NULL);
		return;
	}
	if (err == STORE_OK)
		err = store_business_get(c->api->store, b->id, b);
	if (err != STORE_OK) {
		problem_store(c, err);
		return;
	}
	log_info("business added business=%s", b->id);
	out_send_tree(business_json(c->api, b), c->res, 201);
}

void businesses_add(struct call *c)
{
	static const struct form_field fields[] = {{"id", FORM_TEXT, false}, {"name", FORM_TEXT, true}};
	struct store_business b = {.status = STORE_BUSINESS_ACTIVE, .responder = "none"};
	cJSON *body = form_object(c, fields, sizeof(fields) / sizeof(fields[0]), false);

	if (body == NULL)
		return;
	b.created_at = b.updated_at = store_now_ms();
	if (take_id(c, body, &b) && take_name(c, body, &b))
		add(c, &b);
	cJSON_Delete(body);
}

static bool list_one(const struct store_business *b, void *arg)
{
	struct listing *l = arg;

	return listing_wants(l) && listing_add(l, b->id, business_json(l->call->api, b));
}

static enum store_error list(struct listing *l, const void *ctx)
{
	(void)ctx;
	return store_business_list(l->call->api->store, &l->page, list_one, l);
}

void businesses_list(struct call *c)
{
	listing_answer(c, list, NULL, NULL);
}

void businesses_get(struct call *c)
{
	out_send_tree(business_json(c->api, &c->business), c->res, 200);
}

static void change(struct call *c, const cJSON *body)
{
	const char *id = c->business.id, *name = json_get_string(body, "name");
	const cJSON *check = json_get(body, "window_check");
	const enum store_switch window = check == NULL ? 0 : cJSON_IsTrue(check) ? STORE_ON : STORE_OFF;
	enum store_business_status status;
	struct store_business b;
	enum store_error err;

	if ((name != NULL && !form_name_ok(c, "name", name)) || !take_status(c, body, &status))
		return;
	err = store_business_change(c->api->store, id, name, status, window);
	tenants_forget(c->api->tenants, id);
	if (err == STORE_OK)
		err = store_business_get(c->api->store, id, &b);
	if (err != STORE_OK) {
		problem_store(c, err);
		return;
	}
	log_info("business changed business=%s status=%s", id, listing_name(statuses, (int)b.status));
	if (c->api->outbound != NULL)
		outbound_changed(c->api->outbound, c->business.id);
	out_send_tree(business_json(c->api, &b), c->res, 200);
}

void businesses_change(struct call *c)
{
	static const struct form_field fields[] = {
		{"name", FORM_TEXT, false}, {"status", FORM_TEXT, false}, {"window_check", FORM_BOOL, false}};
	cJSON *body = form_object(c, fields, sizeof(fields) / sizeof(fields[0]), true);

	if (body == NULL)
		return;
	change(c, body);
	cJSON_Delete(body);
}

static cJSON *receipt_key(const struct removal_key *k)
{
	struct out o;

	out_begin(&o);
	out_text(&o, "purpose", k->purpose);
	out_number(&o, "version", k->version);
	out_text(&o, "id", k->id);
	out_time(&o, "created_at", k->created_at);
	return out_end(&o);
}

static cJSON *receipt_audit(const struct removal_receipt *r)
{
	struct out o;

	out_begin(&o);
	out_number(&o, "seq", r->audit_seq);
	out_text(&o, "hash", r->audit_hash);
	return out_end(&o);
}

static void receipt_send(struct call *c, const struct removal_receipt *r)
{
	cJSON *keys = cJSON_CreateArray();
	struct out o;

	for (size_t i = 0; i < r->keys_len && keys != NULL; i++) {
		if (!json_list_add(keys, receipt_key(&r->keys[i]))) {
			cJSON_Delete(keys);
			keys = NULL;
		}
	}
	out_begin(&o);
	out_text(&o, "id", r->id);
	out_text(&o, "business_id", r->business_id);
	out_text(&o, "name", r->business_name);
	out_time(&o, "removed_at", r->removed_at);
	out_value(&o, "keys_destroyed", keys);
	out_value(&o, "audit", receipt_audit(r));
	out_bool(&o, "flushed", r->flushed);
	out_send(&o, c->res, 200);
}

void businesses_remove(struct call *c)
{
	struct removal_receipt receipt;
	enum store_error err = removal_run(c->api->tenants, c->business.id, &receipt);

	if (err != STORE_OK) {
		problem_store(c, err);
		return;
	}
	receipt_send(c, &receipt);
	removal_receipt_clear(&receipt);
}
