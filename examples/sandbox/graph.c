/*
 * Meta's Graph API: apps and numbers, the registration of webhooks, messages and media. Facts: meta.md 2, 3, 6.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/sandbox/book.h"
#include "examples/sandbox/deliver.h"
#include "examples/sandbox/envelope.h"
#include "examples/sandbox/errors.h"
#include "examples/sandbox/media.h"
#include "examples/sandbox/paging.h"
#include "examples/sandbox/profile.h"
#include "examples/sandbox/providers.h"
#include "examples/sandbox/sends.h"
#include "examples/sandbox/templates.h"
#include "examples/sandbox/tokens.h"
#include "gateway/json.h"

enum {
	NODE_MAX = 40,
	OVERRIDE_MAX = 200,
};

static const char defaults[] = "{\"verified_name\":\"Test Shop\",\"quality_rating\":\"GREEN\",\"status\":\"CONNECTED\","
			       "\"code_verification_status\":\"VERIFIED\",\"name_status\":\"APPROVED\","
			       "\"platform_type\":\"CLOUD_API\",\"account_mode\":\"LIVE\",\"is_on_biz_app\":false,"
			       "\"throughput\":{\"level\":\"STANDARD\"},"
			       "\"whatsapp_business_manager_messaging_limit\":\"TIER_2K\"}";

static const char *skip_version(const char *path)
{
	size_t major, minor;

	if (strncmp(path, "/v", 2) != 0)
		return NULL;
	major = strspn(path + 2, "0123456789");
	if (major == 0 || path[2 + major] != '.')
		return NULL;
	minor = strspn(path + 3 + major, "0123456789");
	return minor > 0 && path[3 + major + minor] == '/' ? path + 4 + major + minor : NULL;
}

bool graph_path(const char *path, char *node, size_t room)
{
	const char *rest = skip_version(path);
	size_t digits = rest ? strspn(rest, "0123456789") : 0;
	bool named = rest && (strcmp(rest, "debug_token") == 0 || strcmp(rest, "oauth/access_token") == 0);
	size_t len = named ? strcspn(rest, "/") : digits;

	node[0] = '\0';
	if (rest && len > 0 && len < room && (rest[len] == '\0' || rest[len] == '/'))
		(void)snprintf(node, room, "%.*s", (int)len, rest);
	return rest != NULL;
}

bool graph_path_resembles(const char *path)
{
	return path[1] == 'v' && path[2] >= '0' && path[2] <= '9' && strncmp(path, "/v1/", 4) != 0 &&
		!skip_version(path);
}

static void refuse(struct reply *r, int http, int code, int subcode, const char *message)
{
	graph_refuse(r,
		&(struct graph_error){
			.http = http, .code = code, .subcode = subcode, .message = message, .transient = -1});
}

/* A version that is none is the name of a node to Meta, and what follows an edge that it does not have. */
static void unknown_components(const struct ask *a, struct reply *r)
{
	const char *rest = strchr(a->path + 1, '/');
	char message[320];

	(void)snprintf(message, sizeof(message), "Unknown path components: %s", rest ? rest : a->path);
	refuse(r, 400, 2500, 0, message);
}

/* ------------------------------------------------------------ registration */

/* Shakes hands without the mutex. False: the refusal is made. */
static bool shake_hands(struct sandbox *s, const char *url, const char *verify_token, struct reply *r)
{
	char why[200] = "", message[320];
	bool fine;

	pthread_mutex_unlock(&s->mutex);
	fine = deliver_handshake(s, url, verify_token, why, sizeof(why));
	pthread_mutex_lock(&s->mutex);
	say(s, "handshake with %s: %s", url, fine ? "fine" : why);
	if (fine)
		return true;
	(void)snprintf(message, sizeof(message), "(#2200) Callback verification failed: %s", why);
	refuse(r, 400, 2200, 0, message);
	return false;
}

/* "a,b,c" as an array; NULL: one of them is no field. */
static struct cJSON *fields_of(const char *text)
{
	struct cJSON *fields = cJSON_CreateArray();
	char name[64];

	for (;;) {
		size_t len = strcspn(text, ",");

		if (len >= sizeof(name) || !envelope_field_known(text, len)) {
			cJSON_Delete(fields);
			return NULL;
		}
		(void)snprintf(name, sizeof(name), "%.*s", (int)len, text);
		cJSON_AddItemToArray(fields, cJSON_CreateString(name));
		if (text[len] == '\0')
			return fields;
		text += len + 1;
	}
}

static void app_callback(const struct cJSON *app, struct reply *r)
{
	struct cJSON *data, *one = cJSON_CreateObject(), *fields;
	const struct cJSON *field;

	r->status = 200;
	data = cJSON_AddArrayToObject(r->json = cJSON_CreateObject(), "data");
	if (book_text(app, "callback", "")[0] == '\0') {
		cJSON_Delete(one);
		return;
	}
	cJSON_AddItemToArray(data, one);
	cJSON_AddStringToObject(one, "object", "whatsapp_business_account");
	cJSON_AddStringToObject(one, "callback_url", book_text(app, "callback", ""));
	cJSON_AddBoolToObject(one, "active", true);
	fields = cJSON_AddArrayToObject(one, "fields");
	cJSON_ArrayForEach (field, json_get(app, "fields")) {
		struct cJSON *f = cJSON_CreateObject();

		cJSON_AddStringToObject(f, "name", cJSON_IsString(field) ? field->valuestring : "");
		cJSON_AddStringToObject(f, "version", "v26.0");
		cJSON_AddItemToArray(fields, f);
	}
}

static void subscribe_app(struct sandbox *s, const struct ask *a, struct reply *r)
{
	const char *object = book_text(a->json, "object", ""), *url = book_text(a->json, "callback_url", "");
	const char *verify_token = book_text(a->json, "verify_token", "");
	struct cJSON *fields, *app;

	if (strcmp(object, "whatsapp_business_account") != 0 || url[0] == '\0' || verify_token[0] == '\0') {
		refuse(r, 400, 100, 0, "(#100) The parameters object, callback_url and verify_token are required.");
		return;
	}
	fields = fields_of(book_text(a->json, "fields", ""));
	if (!fields) {
		refuse(r, 400, 100, 0, "(#100) Param fields must be a list of this object's fields.");
		return;
	}
	if (!shake_hands(s, url, verify_token, r)) {
		cJSON_Delete(fields);
		return;
	}
	app = book_make(s, "apps", a->number);
	book_set(app, "callback", url);
	book_set(app, "verify_token", verify_token);
	cJSON_DeleteItemFromObjectCaseSensitive(app, "fields");
	cJSON_AddItemToObject(app, "fields", fields);
	book_keep(s);
	reply_success(r);
}

/* An app's one callback. */
static void subscriptions(struct sandbox *s, const struct ask *a, struct reply *r)
{
	struct cJSON *app = tokens_app(s, a, r);

	if (!app)
		return;
	if (strcmp(app->string, a->number) != 0) {
		refuse(r, 400, 190, 0, "Invalid OAuth access token signature.");
	} else if (strcmp(a->method, "GET") == 0) {
		app_callback(app, r);
	} else if (strcmp(a->method, "DELETE") == 0) {
		cJSON_DeleteItemFromObjectCaseSensitive(app, "callback");
		book_keep(s);
		reply_success(r);
	} else {
		subscribe_app(s, a, r);
	}
}

/* Whether a token is for an account; one that lists none is for all. */
static bool covers(const struct cJSON *holder, const char *waba)
{
	return cJSON_GetArraySize(json_get(holder, "wabas")) == 0 || book_holds(holder, "wabas", waba);
}

static void list_subscribed(const struct sandbox *s, const struct ask *a, struct reply *r)
{
	struct cJSON *data = cJSON_AddArrayToObject(r->json = cJSON_CreateObject(), "data");
	const struct cJSON *subscription;

	r->status = 200;
	cJSON_ArrayForEach (subscription, book_get(s, "subscribed", a->number)) {
		struct cJSON *one = cJSON_CreateObject(),
			     *app = cJSON_AddObjectToObject(one, "whatsapp_business_api_data");
		char link[96];

		(void)snprintf(link, sizeof(link), "https://www.facebook.com/games/?app_id=%s", subscription->string);
		cJSON_AddStringToObject(app, "id", subscription->string);
		cJSON_AddStringToObject(
			app, "name", book_text(book_get(s, "apps", subscription->string), "name", "Test App"));
		cJSON_AddStringToObject(app, "link", link);
		if (cJSON_IsString(subscription) && subscription->valuestring[0] != '\0')
			cJSON_AddStringToObject(one, "override_callback_uri", subscription->valuestring);
		cJSON_AddItemToArray(data, one);
	}
}

/* Which apps get a WABA's webhooks, and where, if not at their callback. */
static void subscribed_apps(struct sandbox *s, const struct ask *a, const struct cJSON *holder, struct reply *r)
{
	const char *override = book_text(a->json, "override_callback_uri", ""), *app = book_text(holder, "app", "");
	const char *verify_token = book_text(a->json, "verify_token", "");
	char app_id[NODE_MAX];

	if (!covers(holder, a->number)) {
		graph_missing(r, a->method, a->number);
		return;
	}
	if (strcmp(a->method, "GET") == 0) {
		list_subscribed(s, a, r);
		return;
	}
	if (override[0] != '\0' && (strlen(override) > OVERRIDE_MAX || verify_token[0] == '\0')) {
		refuse(r, 400, 100, 0, "(#100) Invalid parameter");
		return;
	}
	(void)snprintf(app_id, sizeof(app_id), "%s", app);
	if (override[0] != '\0' && !shake_hands(s, override, verify_token, r))
		return;
	if (strcmp(a->method, "DELETE") == 0)
		cJSON_DeleteItemFromObjectCaseSensitive(book_make(s, "subscribed", a->number), app_id);
	else
		book_set(book_make(s, "subscribed", a->number), app_id, override);
	book_keep(s);
	reply_success(r);
}

/* ------------------------------------------------------------ numbers */

/* What a number that has no trouble says of itself. */
static void add_health(struct cJSON *all, const char *number, const char *waba)
{
	const char *const entities[][2] = {{"PHONE_NUMBER", number}, {"WABA", waba}};
	struct cJSON *status = cJSON_AddObjectToObject(all, "health_status"), *list;

	cJSON_AddStringToObject(status, "can_send_message", "AVAILABLE");
	list = cJSON_AddArrayToObject(status, "entities");
	for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
		struct cJSON *entity = cJSON_CreateObject();

		cJSON_AddStringToObject(entity, "entity_type", entities[i][0]);
		cJSON_AddStringToObject(entity, "id", entities[i][1]);
		cJSON_AddStringToObject(entity, "can_send_message", "AVAILABLE");
		cJSON_AddItemToArray(list, entity);
	}
}

/* The fields that were asked for, of those that the number has. */
static struct cJSON *number_fields(const struct sandbox *s, const char *number, const char *wanted)
{
	struct cJSON *all = cJSON_Parse(defaults), *out = cJSON_CreateObject();
	const struct cJSON *item;
	char display[48], name[64];

	(void)snprintf(
		display, sizeof(display), "+1 555-%s", strlen(number) > 7 ? number + strlen(number) - 7 : number);
	cJSON_AddStringToObject(all, "display_phone_number", display);
	add_health(all, number, book_text(book_get(s, "numbers", number), "waba", ""));
	cJSON_ArrayForEach (item, book_get(s, "numbers", number)) {
		cJSON_DeleteItemFromObjectCaseSensitive(all, item->string);
		cJSON_AddItemToObject(all, item->string, cJSON_Duplicate(item, true));
	}
	cJSON_DeleteItemFromObjectCaseSensitive(all, "waba");
	while (*wanted != '\0') {
		size_t len = strcspn(wanted, ",");

		(void)snprintf(name, sizeof(name), "%.*s", len < sizeof(name) ? (int)len : 0, wanted);
		if (json_get(all, name) && !json_get(out, name))
			cJSON_AddItemToObject(out, name, cJSON_Duplicate(json_get(all, name), true));
		wanted += len + (wanted[len] == ',');
	}
	cJSON_AddStringToObject(out, "id", number);
	cJSON_Delete(all);
	return out;
}

static void wanted_fields(const struct ask *a, char *out, size_t room)
{
	if (http_query_get(a->query, "fields", out, room) != HTTP_OK)
		(void)snprintf(out, room,
			"display_phone_number,verified_name,quality_rating,code_verification_status,"
			"platform_type,throughput");
}

static void list_numbers(const struct sandbox *s, const struct ask *a, const struct cJSON *holder, struct reply *r)
{
	const struct cJSON *number;
	struct cJSON *all;
	char wanted[1024];

	if (!covers(holder, a->number)) {
		graph_missing(r, a->method, a->number);
		return;
	}
	all = cJSON_CreateArray();
	wanted_fields(a, wanted, sizeof(wanted));
	cJSON_ArrayForEach (number, json_get(s->book, "numbers")) {
		if (strcmp(book_text(number, "waba", ""), a->number) == 0 &&
			book_holds(holder, "numbers", number->string))
			cJSON_AddItemToArray(all, number_fields(s, number->string, wanted));
	}
	paging_answer(s, a, NULL, all, r);
}

static void templates(struct sandbox *s, const struct ask *a, const struct cJSON *holder, struct reply *r)
{
	if (covers(holder, a->number))
		templates_graph(s, a, a->number, r);
	else
		graph_missing(r, a->method, a->number);
}

static void register_number(const struct ask *a, struct reply *r)
{
	const char *pin = book_text(a->json, "pin", "");

	if (strlen(pin) == 6 && strspn(pin, "0123456789") == 6)
		reply_success(r);
	else
		refuse(r, 400, 100, 0, "(#100) Param pin must be a 6-digit number");
}

static void node(const struct sandbox *s, const struct ask *a, struct reply *r)
{
	char wanted[1024];

	wanted_fields(a, wanted, sizeof(wanted));
	r->status = 200;
	r->json = number_fields(s, a->number, wanted);
}

/* ------------------------------------------------------------ routes */

static void of_number(struct sandbox *s, const struct ask *a, const char *edge, struct reply *r)
{
	bool post = strcmp(a->method, "POST") == 0;

	if (post && strcmp(edge, "messages") == 0)
		sends_post(s, a, r);
	else if (post && strcmp(edge, "media") == 0)
		media_upload(s, a, r);
	else if (post && strcmp(edge, "register") == 0)
		register_number(a, r);
	else if (strcmp(edge, "whatsapp_business_profile") == 0)
		profile_answer(s, a, r);
	else if (strcmp(a->method, "GET") == 0 && edge[0] == '\0')
		node(s, a, r);
	else
		refuse(r, 400, 100, 0, "Unsupported request");
}

void graph_answer(struct sandbox *s, const struct ask *a, struct reply *r)
{
	const char *rest = skip_version(a->path), *slash = rest ? strchr(rest, '/') : NULL,
		   *edge = slash ? slash + 1 : "";
	const struct cJSON *holder;

	if (strncmp(a->path, "/whatsapp_business/attachments/", 31) == 0) {
		if ((holder = tokens_holder(s, a, r)))
			media_download(s, a, &(struct media_access){.numbers = json_get(holder, "numbers")}, r);
	} else if (!rest) {
		unknown_components(a, r);
	} else if (!a->number) {
		refuse(r, 404, 2500, 0, "Unknown path components");
	} else if (strcmp(a->number, "debug_token") == 0) {
		tokens_debug(s, a, r);
	} else if (strcmp(a->number, "oauth") == 0) {
		tokens_exchange(s, a, r);
	} else if (strcmp(edge, "subscriptions") == 0) {
		subscriptions(s, a, r);
	} else if (!(holder = tokens_holder(s, a, r))) {
		return;
	} else if (strcmp(edge, "subscribed_apps") == 0) {
		subscribed_apps(s, a, holder, r);
	} else if (strcmp(edge, "phone_numbers") == 0) {
		list_numbers(s, a, holder, r);
	} else if (strcmp(edge, "message_templates") == 0) {
		templates(s, a, holder, r);
	} else if (edge[0] == '\0' && media_has(s, a->number)) {
		media_about(s, a, a->number, &(struct media_access){.numbers = json_get(holder, "numbers")}, r);
	} else if (!book_holds(holder, "numbers", a->number)) {
		graph_missing(r, a->method, a->number);
	} else {
		of_number(s, a, edge, r);
	}
}
