/*
 * Virtual keys of a business: each is made for one consumer, shown once, and kept as a hash.
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
#include "gateway/virtual_key_issue.h"

#define MINUTE_MS INT64_C(60000)
#define OLD_MINUTES_MAX 43200 /* 30 days */

/* ------------------------------------------------------------ showing */

static void out_scopes(struct out *o, unsigned bits)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < VIRTUAL_KEY_SCOPES; i++)
		if ((bits & virtual_key_scopes[i].bit) != 0)
			o->failed = !json_list_add(list, cJSON_CreateString(virtual_key_scopes[i].name)) || o->failed;
	out_value(o, "scopes", list);
}

/* null: all. */
static void out_numbers(struct out *o, const char *numbers)
{
	cJSON *list;

	if (numbers[0] == '\0') {
		out_null(o, "numbers");
		return;
	}
	list = cJSON_CreateArray();
	for (const char *p = numbers; *p != '\0'; p += strspn(p, " ")) {
		const size_t len = strcspn(p, " ");
		char number[STORE_PROVIDER_ID_LEN + 1];

		(void)snprintf(number, sizeof(number), "%.*s", (int)len, p);
		o->failed = !json_list_add(list, cJSON_CreateString(number)) || o->failed;
		p += len;
	}
	out_value(o, "numbers", list);
}

/* null: as many as it likes. */
static void out_limit(struct out *o, const char *name, uint32_t limit)
{
	if (limit > 0)
		out_number(o, name, limit);
	else
		out_null(o, name);
}

static void out_refused(struct out *o, const struct store_virtual_key *k)
{
	struct out refused;

	if (k->refused_at == 0) {
		out_null(o, "refused");
		return;
	}
	out_begin(&refused);
	out_time(&refused, "at", k->refused_at);
	out_text(&refused, "why", k->refused_why);
	out_number(&refused, "count", k->refused_count);
	out_value(o, "refused", out_end(&refused));
}

/* text NULL: not shown. */
static cJSON *key_json(const struct call *c, const struct store_virtual_key *read, const char *text)
{
	struct store_virtual_key k = *read;
	struct out o;

	if (c->api->virtual_keys != NULL)
		virtual_keys_news(c->api->virtual_keys, &k);
	out_begin(&o);
	out_text(&o, "id", k.id);
	out_text(&o, "name", k.name);
	if (text != NULL)
		out_text(&o, "key", text);
	out_text(&o, "last4", k.last4);
	out_scopes(&o, k.scopes);
	out_numbers(&o, k.numbers);
	out_limit(&o, "rate_per_minute", k.rate);
	out_limit(&o, "messages_per_day", k.budget);
	out_number(&o, "messages_today", k.messages_today);
	out_time(&o, "created_at", k.created_at);
	out_time(&o, "expires_at", k.expires_at);
	out_time(&o, "revoked_at", k.revoked_at);
	out_time(&o, "used_at", k.used_at);
	out_refused(&o, &k);
	return out_end(&o);
}

static void show_new(struct call *c, const struct store_virtual_key *k, const char *text)
{
	cJSON *shown = key_json(c, k, NULL);

	idempotency_keep(c, shown);
	cJSON_Delete(shown);
	out_send_tree(key_json(c, k, text), c->res, 201);
}

/* ------------------------------------------------------------ reading what a key is to be */

/* rule: what the field breaks; NULL: nothing. False after the problem was answered. */
static bool is_fine(struct call *c, const char *field, const char *rule)
{
	if (rule != NULL)
		problem(c->res, PROBLEM_INVALID_FIELD, field, rule);
	return rule == NULL;
}

static bool read_scopes(struct call *c, const cJSON *body, struct store_virtual_key *k)
{
	const cJSON *list = json_get(body, "scopes"), *item;

	if (list == NULL)
		k->scopes = STORE_SCOPES_ALL;
	cJSON_ArrayForEach (item, list)
		if (!is_fine(c, "scopes", virtual_key_ask_scope(k, cJSON_IsString(item) ? item->valuestring : "")))
			return false;
	return is_fine(c, "scopes", virtual_key_ask_scopes_end(k));
}

static bool read_numbers(struct call *c, const cJSON *body, struct store_virtual_key *k)
{
	const cJSON *list = json_get(body, "numbers"), *item;
	enum store_error err;

	if (list != NULL && !is_fine(c, "numbers", virtual_key_ask_numbers_len(cJSON_GetArraySize(list))))
		return false;
	cJSON_ArrayForEach (item, list) {
		err = virtual_key_ask_number(c->api->store, k, cJSON_IsString(item) ? item->valuestring : "");
		if (err == STORE_NOT_FOUND)
			return is_fine(c, "numbers", VIRTUAL_KEY_NUMBERS_RULE);
		if (err != STORE_OK) {
			problem_store(c, err);
			return false;
		}
	}
	return true;
}

static bool read_limits(struct call *c, const cJSON *body, struct store_virtual_key *k)
{
	const cJSON *rate = json_get(body, "rate_per_minute"), *budget = json_get(body, "messages_per_day");
	const cJSON *days = json_get(body, "expires_in_days");
	const char *at = json_get_string(body, "expires_at");
	const int64_t now = store_now_ms();

	return (rate == NULL || is_fine(c, "rate_per_minute", virtual_key_ask_rate(k, rate->valuedouble))) &&
		(budget == NULL || is_fine(c, "messages_per_day", virtual_key_ask_budget(k, budget->valuedouble))) &&
		(days == NULL || is_fine(c, "expires_in_days", virtual_key_ask_days(k, days->valuedouble, now))) &&
		(at == NULL || is_fine(c, "expires_at", virtual_key_ask_end(k, at, now)));
}

static bool key_read(struct call *c, const cJSON *body, struct store_virtual_key *k)
{
	const char *name = json_get_string(body, "name");

	memcpy(k->business_id, c->business.id, sizeof(k->business_id));
	return name != NULL && is_fine(c, "name", virtual_key_ask_name(k, name)) && read_scopes(c, body, k) &&
		read_numbers(c, body, k) && read_limits(c, body, k);
}

/* ------------------------------------------------------------ making */

static void not_made(struct call *c, enum store_error err)
{
	if (err == STORE_TOO_MANY)
		problem(c->res, PROBLEM_TOO_MANY_KEYS, NULL, NULL);
	else if (err == STORE_STALE)
		problem(c->res, PROBLEM_CONFLICT, NULL, "this key is revoked or has expired: make a new one");
	else
		problem_store(c, err);
}

void virtual_keys_add(struct call *c)
{
	static const struct form_field fields[] = {{"name", FORM_TEXT, true}, {"scopes", FORM_LIST, false},
		{"numbers", FORM_LIST, false}, {"rate_per_minute", FORM_NUMBER, false},
		{"messages_per_day", FORM_NUMBER, false}, {"expires_at", FORM_TEXT, false},
		{"expires_in_days", FORM_NUMBER, false}};
	cJSON *body = form_object(c, fields, sizeof(fields) / sizeof(fields[0]), false);
	struct store_virtual_key k = {.id = ""};
	char text[VIRTUAL_KEY_ROOM];
	enum store_error err;

	if (body != NULL && key_read(c, body, &k)) {
		err = virtual_key_issue(c->api->store, &k, text);
		if (err == STORE_OK) {
			log_info("virtual key made business=%s key=%s", k.business_id, k.id);
			show_new(c, &k, text);
		} else {
			not_made(c, err);
		}
		vault_wipe(text, sizeof(text));
	}
	cJSON_Delete(body);
}

static void rotate(struct call *c, int64_t old_ends_in_minutes)
{
	struct store_virtual_key k = {.id = ""};
	char text[VIRTUAL_KEY_ROOM];
	enum store_error err;

	virtual_key_make(&k, text);
	err = store_virtual_key_rotate(c->api->store, c->business.id, c->id,
		old_ends_in_minutes > 0 ? k.created_at + old_ends_in_minutes * MINUTE_MS : 0, &k);
	if (err == STORE_OK) {
		log_info("virtual key made in another's place business=%s key=%s other=%s", k.business_id, k.id, c->id);
		show_new(c, &k, text);
	} else {
		not_made(c, err);
	}
	vault_wipe(text, sizeof(text));
}

/* Null: it goes on as it was. */
static bool read_old_end(struct call *c, const cJSON *minutes, int64_t *out)
{
	*out = minutes != NULL && minutes->valuedouble >= 1 && minutes->valuedouble <= OLD_MINUTES_MAX
		? (int64_t)minutes->valuedouble
		: 0;
	return is_fine(c, "old_ends_in_minutes",
		minutes == NULL || (*out > 0 && (double)*out == minutes->valuedouble)
			? NULL
			: "must be a whole number from 1 to 43200");
}

/* A body is optional, and so is its one field. */
void virtual_keys_rotate(struct call *c)
{
	static const struct form_field fields[] = {{"old_ends_in_minutes", FORM_NUMBER, false}};
	int64_t minutes;
	cJSON *body;

	if (c->req->body_len == 0) {
		rotate(c, 0);
		return;
	}
	body = form_object(c, fields, sizeof(fields) / sizeof(fields[0]), false);
	if (body != NULL && read_old_end(c, json_get(body, "old_ends_in_minutes"), &minutes))
		rotate(c, minutes);
	cJSON_Delete(body);
}

/* ------------------------------------------------------------ reading and revoking */

void virtual_keys_get(struct call *c)
{
	struct store_virtual_key k;
	enum store_error err = store_virtual_key_get(c->api->store, c->business.id, c->id, store_now_ms(), &k);

	if (err == STORE_OK)
		out_send_tree(key_json(c, &k, NULL), c->res, 200);
	else
		problem_store(c, err);
}

static bool list_one(const struct store_virtual_key *k, void *arg)
{
	struct listing *l = arg;

	return listing_wants(l) && listing_add(l, k->id, key_json(l->call, k, NULL));
}

static enum store_error list(struct listing *l, const void *ctx)
{
	(void)ctx;
	return store_virtual_key_list(l->call->api->store, l->call->business.id, &l->page, store_now_ms(), list_one, l);
}

void virtual_keys_list(struct call *c)
{
	listing_answer(c, list, NULL, NULL);
}

void virtual_keys_revoke(struct call *c)
{
	enum store_error err = store_virtual_key_revoke(c->api->store, c->business.id, c->id);

	if (err != STORE_OK) {
		problem_store(c, err);
		return;
	}
	log_info("virtual key revoked business=%s key=%s", c->business.id, c->id);
	c->res->status = 204;
}
