/*
 * 360dialog's Messaging API: keys, each bound to one number, so that no path names one. Facts: 360dialog.md 1-4.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "examples/sandbox/book.h"
#include "examples/sandbox/errors.h"
#include "examples/sandbox/media.h"
#include "examples/sandbox/profile.h"
#include "examples/sandbox/providers.h"
#include "examples/sandbox/sends.h"
#include "examples/sandbox/templates.h"
#include "gateway/json.h"

/* Beneath it stands 360dialog's own sandbox, a host apart in life: keys of its own, and only these paths. */
#define SANDBOX "/360dialog-sandbox"

static void add_entity(struct cJSON *entities, const char *type, const char *id, const char *state)
{
	struct cJSON *entity = cJSON_CreateObject();

	cJSON_AddStringToObject(entity, "entity_type", type);
	cJSON_AddStringToObject(entity, "id", id);
	cJSON_AddStringToObject(entity, "can_send_message", state);
	cJSON_AddItemToArray(entities, entity);
}

/* Whether a comma-separated list names a field. */
static bool names(const char *list, const char *field)
{
	size_t len = strlen(field);

	for (const char *at = list; (at = strstr(at, field)); at += len)
		if ((at == list || at[-1] == ',') && (at[len] == '\0' || at[len] == ','))
			return true;
	return false;
}

static void health(const struct ask *a, const struct cJSON *key, struct reply *r)
{
	static const char *const fields[][2] = {{"display_phone_number", ""}, {"verified_name", "Test Shop"},
		{"quality_rating", "GREEN"}, {"name_status", "APPROVED"}};
	const char *state = book_text(key, "health", "AVAILABLE");
	struct cJSON *status, *entities;
	char wanted[1024] = "";

	(void)!http_query_get(a->query, "fields", wanted, sizeof(wanted));
	r->status = 200;
	r->json = cJSON_CreateObject();
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (names(wanted, fields[i][0]))
			cJSON_AddStringToObject(r->json, fields[i][0], book_text(key, fields[i][0], fields[i][1]));
	status = cJSON_AddObjectToObject(r->json, "health_status");
	cJSON_AddStringToObject(status, "can_send_message", state);
	entities = cJSON_AddArrayToObject(status, "entities");
	add_entity(entities, "PHONE_NUMBER", book_text(key, "number", ""), state);
	add_entity(entities, "WABA", book_text(key, "waba", ""), state);
	add_entity(entities, "BUSINESS", "2729063490586005", state);
	add_entity(entities, "APP", "9876543210", state);
	if (book_true(key, "tells_id", true))
		cJSON_AddStringToObject(r->json, "id", book_text(key, "number", ""));
}

/* {"url", "headers"} as the answer to both. */
static struct cJSON *webhook_of(const struct cJSON *webhook)
{
	struct cJSON *out = cJSON_CreateObject();
	const struct cJSON *headers = json_get(webhook, "headers");

	cJSON_AddStringToObject(out, "url", book_text(webhook, "url", ""));
	cJSON_AddItemToObject(
		out, "headers", cJSON_IsObject(headers) ? cJSON_Duplicate(headers, true) : cJSON_CreateObject());
	return out;
}

static bool is_webhook(const struct cJSON *body)
{
	const struct cJSON *header;

	cJSON_ArrayForEach (header, json_get(body, "headers")) {
		if (!cJSON_IsString(header))
			return false;
	}
	return json_get_string(body, "url") != NULL;
}

static void webhook(struct sandbox *s, const struct ask *a, struct cJSON *key, struct reply *r)
{
	r->own = true;
	if (strcmp(a->method, "GET") == 0) {
		r->status = 200;
		r->json = webhook_of(json_get(key, "webhook"));
		return;
	}
	if (!is_webhook(a->json)) {
		d360_refuse(r, 400, "Bad request", "url: required");
		return;
	}
	if (!book_true(key, "deaf", false)) {
		cJSON_DeleteItemFromObjectCaseSensitive(key, "webhook");
		cJSON_AddItemToObject(key, "webhook", webhook_of(a->json));
		book_keep(s);
	}
	say(s, "360dialog: webhook of %s set to %s", book_text(key, "number", ""), book_text(a->json, "url", ""));
	r->status = 200;
	r->json = webhook_of(a->json);
}

static void answer_sandbox(struct sandbox *s, const struct ask *a, struct cJSON *key, struct reply *r)
{
	bool get = strcmp(a->method, "GET") == 0, post = strcmp(a->method, "POST") == 0;

	if (post && strcmp(a->path, SANDBOX "/v1/messages") == 0)
		sends_post(s, a, r);
	else if ((get || post) && strcmp(a->path, SANDBOX "/v1/configs/webhook") == 0)
		webhook(s, a, key, r);
	else
		d360_refuse(r, 404, "Not found", NULL);
}

/* "/" and digits, which Meta is asked about. */
static bool is_node(const char *path)
{
	return path[1] != '\0' && path[1 + strspn(path + 1, "0123456789")] == '\0';
}

void d360_answer(struct sandbox *s, const struct ask *a, struct reply *r)
{
	struct cJSON *key = book_get(s, "keys", a->token);
	bool get = strcmp(a->method, "GET") == 0, post = strcmp(a->method, "POST") == 0;
	struct media_access may = {.number = a->number};
	bool sandbox = strncmp(a->path, SANDBOX "/", sizeof(SANDBOX)) == 0;

	if (!key || !book_true(key, "valid", true) || book_true(key, "sandbox", false) != sandbox)
		d360_refuse(r, 401, "Invalid API key", NULL);
	else if (sandbox)
		answer_sandbox(s, a, key, r);
	else if (post && strcmp(a->path, "/messages") == 0)
		sends_post(s, a, r);
	else if (post && strcmp(a->path, "/media") == 0)
		media_upload(s, a, r);
	else if (get && strcmp(a->path, "/health_status") == 0)
		health(a, key, r);
	else if ((get || post) && strcmp(a->path, "/v1/configs/webhook") == 0)
		webhook(s, a, key, r);
	else if ((get || post) && strcmp(a->path, "/whatsapp_business_profile") == 0)
		profile_answer(s, a, r);
	else if (strcmp(a->path, "/message_templates") == 0)
		templates_graph(s, a, book_text(key, "waba", ""), r);
	else if (strncmp(a->path, "/v1/configs/templates", 21) == 0 && (a->path[21] == '\0' || a->path[21] == '/'))
		templates_d360(s, a, book_text(key, "waba", ""), r);
	else if (get && strncmp(a->path, "/whatsapp_business/attachments/", 31) == 0)
		media_download(s, a, &may, r);
	else if (!post && is_node(a->path))
		media_about(s, a, a->path + 1, &may, r);
	else
		d360_refuse(r, 403, "URL blocked", NULL);
}
