/*
 * Accepting messages and making their statuses.
 */
#include "examples/sandbox/sends.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "examples/sandbox/book.h"
#include "examples/sandbox/envelope.h"
#include "examples/sandbox/errors.h"
#include "examples/sandbox/journal.h"
#include "examples/sandbox/limits.h"
#include "examples/sandbox/phone.h"
#include "gateway/json.h"

enum {
	TEXT_MAX = 4096, /* characters; facts/meta.md 2 */
	BUTTONS_MAX = 3,
};

static const struct {
	const char *name;
	enum statuses level;
	double delay_s; /* after the answer */
	bool priced;
} steps[] = {
	{"sent", STATUSES_SENT, 0.2, true},
	{"delivered", STATUSES_DELIVERED, 0.7, true},
	{"read", STATUSES_READ, 1.8, false},
};

/* ------------------------------------------------------------ what is no message */

static size_t characters(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* Refuses what Meta would refuse at once. False: it is a message. */
static bool refuse(const struct cJSON *body, struct reply *r)
{
	const char *type = json_get_string(body, "type"), *product = json_get_string(body, "messaging_product");
	const struct cJSON *what = type ? json_get(body, type) : NULL;
	const char *text = json_get_string(json_get(body, "text"), "body");
	struct graph_error e = {.code = 100, .transient = -1};

	if (!product || strcmp(product, "whatsapp") != 0) {
		e.message = "(#100) The parameter messaging_product is required.";
	} else if (!json_get_string(body, "to") && !json_get_string(body, "recipient")) {
		e = (struct graph_error){.code = 131008,
			.transient = -1,
			.message = "(#131008) Required parameter is missing",
			.details = "to or recipient is required."};
	} else if (!cJSON_IsObject(what) && !cJSON_IsArray(what)) {
		e = (struct graph_error){.code = 131008,
			.transient = -1,
			.message = "(#131008) Required parameter is missing",
			.details = "type, and the object that it names, are required."};
	} else if (strcmp(type, "text") == 0 && (!text || text[0] == '\0' || characters(text) > TEXT_MAX)) {
		e.message = "(#100) Invalid parameter";
		e.details = "Param text['body'] must be 1 to 4096 characters long.";
	} else if (cJSON_GetArraySize(json_get_path(what, "action.buttons")) > BUTTONS_MAX) {
		e = (struct graph_error){.code = 131009,
			.transient = -1,
			.message = "(#131009) Parameter value is not valid",
			.details = "Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3"};
	} else {
		return false;
	}
	graph_refuse(r, &e);
	return true;
}

static void mark_read(struct sandbox *s, const struct ask *a, struct reply *r)
{
	const char *wamid = json_get_string(a->json, "message_id");

	if (wamid && phone_shop_read(s, a->number, wamid)) {
		reply_success(r);
		return;
	}
	graph_refuse(r,
		&(struct graph_error){.code = 131009,
			.transient = -1,
			.message = "(#131009) Parameter value is not valid",
			.details = "message_id is no message of this number."});
}

/* ------------------------------------------------------------ statuses */

struct customer {
	char phone[32]; /* "" where the message went to a user id of nobody known */
	char user_id[PHONE_USER_ID_MAX];
	bool by_phone; /* how the shop named them */
};

static struct customer customer_of(const struct sandbox *s, const struct cJSON *body)
{
	const char *to = json_get_string(body, "to"), *recipient = json_get_string(body, "recipient");
	struct customer c = {.by_phone = to != NULL};

	if (to) {
		digits_of(to, c.phone, sizeof(c.phone));
		phone_user_id(s, c.phone, c.user_id);
	} else if (recipient) {
		const char *phone = phone_of_user_id(s, recipient);

		(void)snprintf(c.phone, sizeof(c.phone), "%s", phone ? phone : "");
		(void)snprintf(c.user_id, sizeof(c.user_id), "%s", recipient);
	}
	return c;
}

/* facts/meta.md 1.8: no conversation from v24 on; a failed one has neither contacts nor a price. */
static struct cJSON *status_value(const struct sandbox *s, const struct customer *c, const char *wamid,
	const char *status, const char *opaque, double at, bool priced)
{
	struct cJSON *value = cJSON_CreateObject(), *one = cJSON_CreateObject(), *pricing;
	char timestamp[32];

	(void)snprintf(timestamp, sizeof(timestamp), "%lld", (long long)at);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(value, "statuses"), one);
	cJSON_AddStringToObject(one, "id", wamid);
	cJSON_AddStringToObject(one, "status", status);
	cJSON_AddStringToObject(one, "timestamp", timestamp);
	if (c->phone[0] != '\0')
		cJSON_AddStringToObject(one, "recipient_id", c->phone);
	if (opaque)
		cJSON_AddStringToObject(one, "biz_opaque_callback_data", opaque);
	if (strcmp(status, "failed") == 0)
		return value;
	cJSON_AddStringToObject(one, "recipient_user_id", c->user_id);
	if (priced) {
		pricing = cJSON_AddObjectToObject(one, "pricing");
		cJSON_AddBoolToObject(pricing, "billable", true);
		cJSON_AddStringToObject(pricing, "pricing_model", "PMP");
		cJSON_AddStringToObject(pricing, "category", "service");
		cJSON_AddStringToObject(pricing, "type", "regular");
	}
	cJSON_AddItemToArray(cJSON_AddArrayToObject(value, "contacts"),
		phone_contact(phone_name(s, c->phone[0] != '\0' ? c->phone : c->user_id), c->phone, c->user_id));
	return value;
}

static void add_error(struct cJSON *value, const struct cJSON *fault)
{
	struct cJSON *error = cJSON_CreateObject();
	const struct cJSON *code = json_get(fault, "code");
	const char *message = book_text(fault, "message", "Message undeliverable");

	cJSON_AddItemToArray(cJSON_AddArrayToObject(json_get_path(value, "statuses[0]"), "errors"), error);
	cJSON_AddNumberToObject(error, "code", cJSON_IsNumber(code) ? code->valuedouble : 131026);
	cJSON_AddStringToObject(error, "title", message);
	cJSON_AddStringToObject(error, "message", message);
	cJSON_AddStringToObject(cJSON_AddObjectToObject(error, "error_data"), "details",
		book_text(fault, "details", "Message Undeliverable."));
}

/* Queues one status: to everybody who registered, and to the phone page. */
static void queue_status(
	struct sandbox *s, const struct envelope *e, const char *wamid, const char *status, double delay_s)
{
	const struct cJSON *error = json_get_path(e->value, "statuses[0].errors[0]"), *code = json_get(error, "code");
	struct webhook *list = envelope_webhooks(s, e), *w;

	if (!list)
		list = webhook_new(NULL, "");
	while ((w = list)) {
		list = w->next;
		w->next = NULL;
		(void)snprintf(w->wamid, sizeof(w->wamid), "%s", wamid);
		(void)snprintf(w->status, sizeof(w->status), "%s", status);
		if (cJSON_IsNumber(code))
			(void)snprintf(
				w->note, sizeof(w->note), "%d: %s", code->valueint, book_text(error, "message", ""));
		deliver_later(s, w, delay_s);
	}
}

static void queue_statuses(
	struct sandbox *s, const struct ask *a, const struct customer *c, const char *wamid, const struct cJSON *fault)
{
	const char *opaque = json_get_string(a->json, "biz_opaque_callback_data");
	struct envelope e = {.api = a->api, .number = a->number};
	struct cJSON *value;

	for (size_t i = 0; !fault && i < sizeof(steps) / sizeof(steps[0]) && steps[i].level <= s->statuses; i++) {
		value = status_value(s, c, wamid, steps[i].name, opaque, now_s() + steps[i].delay_s, steps[i].priced);
		e.value = value;
		queue_status(s, &e, wamid, steps[i].name, steps[i].delay_s);
		cJSON_Delete(value);
	}
	if (!fault)
		return;
	value = status_value(s, c, wamid, "failed", opaque, now_s(), false);
	add_error(value, fault);
	e.value = value;
	queue_status(s, &e, wamid, "failed", steps[0].delay_s);
	cJSON_Delete(value);
}

bool sends_is(const struct ask *a)
{
	const char *last = strrchr(a->path, '/');

	return strcmp(a->method, "POST") == 0 && last && strcmp(last, "/messages") == 0;
}

void sends_tried(struct sandbox *s, const struct ask *a, const char *words)
{
	struct customer c;

	if (!sends_is(a) || !a->number || !json_get_string(a->json, "type"))
		return;
	pthread_mutex_lock(&s->mutex);
	c = customer_of(s, a->json);
	phone_tried(s, a, c.phone[0] != '\0' ? c.phone : c.user_id, words);
	pthread_mutex_unlock(&s->mutex);
}

/* ------------------------------------------------------------ acceptance */

/* facts/meta.md 2: wa_id where it was sent to a phone, user_id where to a user id. */
static void answer(const struct cJSON *body, const struct customer *c, const char *wamid, struct reply *r)
{
	struct cJSON *contact = cJSON_CreateObject(), *message = cJSON_CreateObject();
	const char *to = json_get_string(body, "to");

	r->status = 200;
	r->json = cJSON_CreateObject();
	cJSON_AddStringToObject(r->json, "messaging_product", "whatsapp");
	cJSON_AddItemToArray(cJSON_AddArrayToObject(r->json, "contacts"), contact);
	cJSON_AddStringToObject(contact, "input", to ? to : c->user_id);
	if (c->by_phone)
		cJSON_AddStringToObject(contact, "wa_id", c->phone);
	else
		cJSON_AddStringToObject(contact, "user_id", c->user_id);
	cJSON_AddItemToArray(cJSON_AddArrayToObject(r->json, "messages"), message);
	cJSON_AddStringToObject(message, "id", wamid);
}

static void say_sent(struct sandbox *s, const struct ask *a, const struct customer *c)
{
	const char *type = book_text(a->json, "type", "message");
	const char *text = json_get_string(json_get(a->json, type), "body");

	if (!text)
		text = json_get_string(json_get_path(json_get(a->json, type), "body"), "text");
	say(s, "%s answers %s with key ...%s (%s):\n%s",
		book_text(book_get(s, "numbers", a->number), "verified_name",
			book_text(book_get(s, "keys", a->token), "verified_name", a->number)),
		phone_name(s, c->phone[0] != '\0' ? c->phone : c->user_id), last4(a->token),
		strcmp(a->api, "meta") == 0 ? "Meta" : "360dialog", text ? text : type);
}

void sends_accept(struct sandbox *s, const struct ask *a, const struct cJSON *fault, struct reply *r)
{
	struct customer c = customer_of(s, a->json);
	struct cJSON *sent = cJSON_CreateObject();
	char wamid[WAMID_MAX];

	envelope_wamid(c.phone[0] != '\0' ? c.phone : "0", false, wamid);
	cJSON_AddNumberToObject(sent, "at", now_s());
	cJSON_AddStringToObject(sent, "api", a->api);
	cJSON_AddStringToObject(sent, "number", a->number);
	cJSON_AddStringToObject(sent, "wamid", wamid);
	cJSON_AddStringToObject(sent, "key_last4", last4(a->token));
	cJSON_AddItemToObject(sent, "body", a->json ? cJSON_Duplicate(a->json, true) : cJSON_CreateObject());
	journal_add(s, &s->sent, sent);
	phone_shop_sent(s, sent, c.phone[0] != '\0' ? c.phone : c.user_id);
	cJSON_Delete(sent);
	say_sent(s, a, &c);
	queue_statuses(s, a, &c, wamid, fault);
	answer(a->json, &c, wamid, r);
}

/* Whether it is over a limit of Meta's; then the refusal is made. */
static bool is_over(struct sandbox *s, const struct ask *a, struct reply *r)
{
	struct customer c = customer_of(s, a->json);

	return limits_refuse(s, a, c.phone[0] != '\0' ? c.phone : c.user_id, r);
}

void sends_post(struct sandbox *s, const struct ask *a, struct reply *r)
{
	const char *status = json_get_string(a->json, "status");

	if (status && strcmp(status, "read") == 0)
		mark_read(s, a, r);
	else if (!refuse(a->json, r) && !is_over(s, a, r))
		sends_accept(s, a, NULL, r);
}
