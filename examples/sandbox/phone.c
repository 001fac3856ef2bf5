/*
 * Entries of the phone page: made, moved on, told to whoever follows the feed.
 */
#include "examples/sandbox/phone.h"

#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/sandbox/book.h"
#include "examples/sandbox/envelope.h"
#include "examples/sandbox/journal.h"
#include "examples/sandbox/limits.h"
#include "examples/sandbox/media.h"
#include "examples/sandbox/templates.h"
#include "gateway/json.h"

enum {
	ENTRIES_MAX = 5000,
	NAME_MAX_LEN = 200,
};

static const char *const states[] = {"sent", "delivered", "read", "failed"};

/* ------------------------------------------------------------ customers */

static const char *country_of(const char *phone)
{
	static const char *const countries[][2] = {{"234", "NG"}, {"254", "KE"}, {"233", "GH"}, {"27", "ZA"},
		{"49", "DE"}, {"44", "GB"}, {"91", "IN"}, {"55", "BR"}};

	for (size_t i = 0; i < sizeof(countries) / sizeof(countries[0]); i++)
		if (strncmp(phone, countries[i][0], strlen(countries[i][0])) == 0)
			return countries[i][1];
	return "US";
}

void phone_user_id(const struct sandbox *s, const char *phone, char out[static PHONE_USER_ID_MAX])
{
	const char *known = book_text(book_get(s, "customers", phone), "user_id", NULL);
	unsigned char hash[16];
	unsigned long long number = 0;

	crypto_generichash(hash, sizeof(hash), (const unsigned char *)phone, strlen(phone), NULL, 0);
	memcpy(&number, hash, sizeof(number));
	if (known)
		(void)snprintf(out, PHONE_USER_ID_MAX, "%s", known);
	else
		(void)snprintf(out, PHONE_USER_ID_MAX, "%s.%017llu", country_of(phone), number % 100000000000000000ULL);
}

const char *phone_of_user_id(const struct sandbox *s, const char *user_id)
{
	const struct cJSON *customer;
	char id[PHONE_USER_ID_MAX];

	cJSON_ArrayForEach (customer, json_get(s->book, "customers")) {
		phone_user_id(s, customer->string, id);
		if (strcmp(id, user_id) == 0)
			return customer->string;
	}
	return NULL;
}

const char *phone_name(const struct sandbox *s, const char *customer)
{
	return book_text(book_get(s, "customers", customer), "name", customer);
}

/* ------------------------------------------------------------ entries */

static struct cJSON *entry_find(const struct sandbox *s, const char *wamid)
{
	struct cJSON *last = s->entries->child ? s->entries->child->prev : NULL;

	for (struct cJSON *entry = last; entry; entry = entry == s->entries->child ? NULL : entry->prev)
		if (strcmp(book_text(entry, "id", ""), wamid) == 0)
			return entry;
	return NULL;
}

/* Takes entry. */
static void entry_add(struct sandbox *s, struct cJSON *entry)
{
	if (s->entries_len == ENTRIES_MAX)
		cJSON_DeleteItemFromArray(s->entries, 0);
	else
		s->entries_len++;
	cJSON_AddItemToArray(s->entries, entry);
	journal_add(s, &s->feed, entry);
}

static struct cJSON *entry_new(
	struct sandbox *s, const char *wamid, const char *api, const char *number, const char *customer)
{
	struct cJSON *entry = cJSON_CreateObject();

	cJSON_AddStringToObject(entry, "id", wamid);
	cJSON_AddStringToObject(entry, "number", number);
	cJSON_AddStringToObject(entry, "api", api);
	cJSON_AddStringToObject(entry, "customer", customer);
	cJSON_AddStringToObject(entry, "name", phone_name(s, customer));
	cJSON_AddNumberToObject(entry, "at", now_s());
	cJSON_AddStringToObject(entry, "state", "sent");
	return entry;
}

/* As text: its tree may be a hundred times as large. */
static void add_message(struct cJSON *entry, const struct cJSON *message)
{
	char *text = json_text(message);

	cJSON_AddRawToObject(entry, "message", text ? text : "{}");
	json_text_free(text);
}

static size_t rank(const char *state)
{
	size_t i = 0;

	while (i < 3 && strcmp(states[i], state) != 0)
		i++;
	return i;
}

static void move(struct sandbox *s, struct cJSON *entry, const char *state, const char *note)
{
	if (rank(state) < rank(book_text(entry, "state", "sent")))
		return;
	book_set(entry, "state", state);
	cJSON_DeleteItemFromObjectCaseSensitive(entry, "note");
	if (note)
		cJSON_AddStringToObject(entry, "note", note);
	journal_add(s, &s->feed, entry);
}

void phone_state(struct sandbox *s, const char *wamid, const char *state, const char *note)
{
	struct cJSON *entry;

	pthread_mutex_lock(&s->mutex);
	entry = entry_find(s, wamid);
	if (entry)
		move(s, entry, state, note);
	pthread_mutex_unlock(&s->mutex);
}

void phone_webhook_went(struct sandbox *s, const char *wamid, bool taken, bool again, const char *result)
{
	char note[256];

	(void)snprintf(note, sizeof(note), "the shop's webhook: %s%s", result, again ? "; trying again" : "; given up");
	phone_state(s, wamid, taken ? "delivered" : again ? "sent" : "failed", taken ? NULL : note);
}

bool phone_shop_read(struct sandbox *s, const char *number, const char *wamid)
{
	struct cJSON *entry = entry_find(s, wamid);

	if (!entry || strcmp(book_text(entry, "number", ""), number) != 0 ||
		strcmp(book_text(entry, "from", ""), "customer") != 0)
		return false;
	move(s, entry, "read", NULL);
	return true;
}

static const char *waba_of(const struct sandbox *s, const char *api, const char *number)
{
	return book_text(
		strcmp(api, "meta") == 0 ? book_get(s, "numbers", number) : book_key_of(s, number, NULL), "waba", "");
}

/* What the template says that a message names, where the account has it. */
static void add_template(const struct sandbox *s, struct cJSON *entry, const struct cJSON *message)
{
	const struct cJSON *components;

	if (strcmp(book_text(message, "type", ""), "template") != 0)
		return;
	components =
		templates_named(s, waba_of(s, book_text(entry, "api", ""), book_text(entry, "number", "")), message);
	if (components)
		cJSON_AddItemToObject(entry, "template", cJSON_Duplicate(components, true));
}

void phone_shop_sent(struct sandbox *s, const struct cJSON *sent, const char *customer)
{
	const struct cJSON *body = json_get(sent, "body");
	struct cJSON *entry = entry_new(
		s, book_text(sent, "wamid", ""), book_text(sent, "api", ""), book_text(sent, "number", ""), customer);
	struct cJSON *message = cJSON_Duplicate(body, true);

	cJSON_AddStringToObject(entry, "from", "shop");
	cJSON_AddStringToObject(entry, "key_last4", book_text(sent, "key_last4", ""));
	cJSON_DeleteItemFromObjectCaseSensitive(message, "biz_opaque_callback_data");
	add_message(entry, message);
	cJSON_Delete(message);
	add_template(s, entry, body);
	entry_add(s, entry);
}

void phone_tried(struct sandbox *s, const struct ask *a, const char *customer, const char *words)
{
	struct cJSON *entry;
	char id[32] = "try.", note[320];

	random_hex(8, id + 4);
	(void)snprintf(note, sizeof(note), "a send with key ...%s: %s", last4(a->token), words);
	entry = entry_new(s, id, a->api, a->number, customer);
	cJSON_AddStringToObject(entry, "from", "provider");
	cJSON_AddStringToObject(entry, "note", note);
	entry_add(s, entry);
}

/* ------------------------------------------------------------ a customer writes */

static bool is_open(const struct cJSON *key)
{
	return key && book_true(key, "valid", true);
}

/* What is wrong with it, or NULL. */
static const char *fault_of(const struct sandbox *s, const struct cJSON *asked)
{
	const struct cJSON *customer = json_get(asked, "customer"), *message = json_get(asked, "message");
	const char *number = json_get_string(asked, "number"), *type = json_get_string(message, "type");
	const char *phone = json_get_string(customer, "phone"), *user_id = json_get_string(customer, "user_id");
	char digits[32];

	if (!number || !(is_open(book_key_of(s, number, NULL)) || book_token_of(s, number, NULL)))
		return "number: no shop has this number";
	if (!phone && !(user_id && user_id[0] != '\0' && strlen(user_id) < PHONE_USER_ID_MAX))
		return "customer: phone or user_id is needed";
	if (phone) {
		digits_of(phone, digits, sizeof(digits));
		if (strlen(digits) < 7 || strlen(digits) > 15)
			return "customer.phone: 7 to 15 digits, the country's first";
	}
	if (strlen(book_text(customer, "name", "")) > NAME_MAX_LEN)
		return "customer.name: too long";
	if (!type || type[0] == '\0' || (!json_get(message, type) && strcmp(type, "unsupported") != 0))
		return "message: it has a type, and under the type's name what it is";
	return NULL;
}

/* The message as a webhook carries it. */
static struct cJSON *inbound(struct sandbox *s, const struct envelope *e, const struct cJSON *message,
	const char *phone, const char *user_id, const char *wamid)
{
	struct cJSON *m = cJSON_CreateObject();
	const struct cJSON *item;
	char timestamp[32];

	(void)snprintf(timestamp, sizeof(timestamp), "%lld", (long long)now_s());
	if (phone[0] != '\0')
		cJSON_AddStringToObject(m, "from", phone);
	cJSON_AddStringToObject(m, "from_user_id", user_id);
	cJSON_AddStringToObject(m, "id", wamid);
	cJSON_AddStringToObject(m, "timestamp", timestamp);
	cJSON_ArrayForEach (item, message) {
		if (!json_get(m, item->string))
			cJSON_AddItemToObject(m, item->string, cJSON_Duplicate(item, true));
	}
	media_describe(s, json_get(m, json_get_string(m, "type")), e->number, strcmp(e->api, "meta") == 0);
	return m;
}

struct cJSON *phone_contact(const char *name, const char *phone, const char *user_id)
{
	struct cJSON *c = cJSON_CreateObject();

	cJSON_AddStringToObject(cJSON_AddObjectToObject(c, "profile"), "name", name);
	if (phone[0] != '\0')
		cJSON_AddStringToObject(c, "wa_id", phone);
	cJSON_AddStringToObject(c, "user_id", user_id);
	return c;
}

static void send_inbound(struct sandbox *s, struct cJSON *entry, const struct envelope *e)
{
	struct webhook *list = envelope_webhooks(s, e), *w;

	if (!list) {
		book_set(entry, "state", "failed");
		cJSON_AddStringToObject(entry, "note", "no webhook is registered for this number");
		say(s, "no webhook is registered for number %s", e->number);
	}
	entry_add(s, entry);
	while ((w = list)) {
		list = w->next;
		(void)snprintf(w->wamid, sizeof(w->wamid), "%s", book_text(entry, "id", ""));
		deliver_later(s, w, 0);
	}
}

static void remember(struct sandbox *s, const char *phone, const char *name)
{
	if (phone[0] == '\0' || (book_get(s, "customers", phone) && (!name || strcmp(name, phone_name(s, phone)) == 0)))
		return;
	book_set(book_make(s, "customers", phone), "name", name ? name : phone);
	book_keep(s);
}

/* What a message says, in a line. */
static const char *words_of(const struct cJSON *message)
{
	const char *type = book_text(message, "type", "");
	const struct cJSON *what = json_get(message, type);
	const char *text = json_get_string(what, "body");

	if (!text)
		text = json_get_string(json_get_path(what, book_text(what, "type", "-")), "title");
	return text ? text : book_text(what, "caption", book_text(what, "name", ""));
}

void phone_write(struct sandbox *s, const struct cJSON *asked, struct reply *r)
{
	const struct cJSON *customer = json_get(asked, "customer"), *message = json_get(asked, "message");
	const char *number = json_get_string(asked, "number"), *fault = fault_of(s, asked);
	const char *api, *name, *type = book_text(message, "type", "");
	bool is_text = strcmp(type, "text") == 0;
	char phone[32] = "", user_id[PHONE_USER_ID_MAX], wamid[WAMID_MAX];
	struct envelope e = {.number = number};
	struct cJSON *value, *entry;

	if (fault) {
		r->status = 400;
		r->json = cJSON_CreateObject();
		cJSON_AddStringToObject(r->json, "error", fault);
		return;
	}
	api = book_text(asked, "api", book_api_of(s, number));
	digits_of(book_text(customer, "phone", ""), phone, sizeof(phone));
	remember(s, phone, json_get_string(customer, "name"));
	if (json_get_string(customer, "user_id"))
		(void)snprintf(user_id, sizeof(user_id), "%s", json_get_string(customer, "user_id"));
	else
		phone_user_id(s, phone, user_id);
	name = phone[0] != '\0' ? phone_name(s, phone) : book_text(customer, "name", user_id);
	envelope_wamid(phone[0] != '\0' ? phone : "0", true, wamid);
	say(s, "%s%s%s writes to %s: %s%s%s%s", name, phone[0] != '\0' ? " +" : "", phone,
		book_text(book_get(s, "numbers", number), "verified_name",
			book_text(book_key_of(s, number, NULL), "verified_name", number)),
		is_text ? "" : "[", is_text ? "" : type, is_text ? "" : "] ", words_of(message));

	limits_customer_wrote(s, number, phone[0] != '\0' ? phone : user_id);
	e.api = api;
	e.value = value = cJSON_CreateObject();
	cJSON_AddItemToArray(cJSON_AddArrayToObject(value, "contacts"), phone_contact(name, phone, user_id));
	cJSON_AddItemToArray(cJSON_AddArrayToObject(value, "messages"), inbound(s, &e, message, phone, user_id, wamid));
	entry = entry_new(s, wamid, api, number, phone[0] != '\0' ? phone : user_id);
	book_set(entry, "name", name);
	cJSON_AddStringToObject(entry, "from", "customer");
	add_message(entry, message);
	send_inbound(s, entry, &e);
	cJSON_Delete(value);
	r->status = 201;
	r->json = cJSON_Duplicate(entry, true);
}

/* ------------------------------------------------------------ what the page offers */

static void add_shop(struct sandbox *s, struct cJSON *shops, const char *number, const char *api, const char *key)
{
	const struct cJSON *about =
		strcmp(api, "meta") == 0 ? book_get(s, "numbers", number) : book_key_of(s, number, NULL);
	struct cJSON *shop = cJSON_CreateObject();

	cJSON_AddStringToObject(shop, "number", number);
	cJSON_AddStringToObject(shop, "api", api);
	cJSON_AddStringToObject(shop, "name", book_text(about, "verified_name", number));
	cJSON_AddStringToObject(shop, "display_phone_number", book_text(about, "display_phone_number", ""));
	cJSON_AddStringToObject(shop, "key_last4", last4(key));
	cJSON_AddBoolToObject(shop, "connected", envelope_is_awaited(s, api, number));
	cJSON_AddItemToArray(shops, shop);
}

struct cJSON *phone_shops(struct sandbox *s)
{
	struct cJSON *document = cJSON_CreateObject(), *shops = cJSON_AddArrayToObject(document, "shops");
	struct cJSON *customers = cJSON_AddArrayToObject(document, "customers");
	const struct cJSON *item;
	const char *key;

	cJSON_ArrayForEach (item, json_get(s->book, "numbers")) {
		if (book_token_of(s, item->string, &key))
			add_shop(s, shops, item->string, "meta", key);
	}
	cJSON_ArrayForEach (item, json_get(s->book, "keys")) {
		const char *number = book_text(item, "number", "");

		if (is_open(item) && book_key_of(s, number, &key) == item)
			add_shop(s, shops, number, "360dialog", key);
	}
	cJSON_ArrayForEach (item, json_get(s->book, "customers")) {
		struct cJSON *customer = cJSON_CreateObject();

		cJSON_AddStringToObject(customer, "phone", item->string);
		cJSON_AddStringToObject(customer, "name", book_text(item, "name", item->string));
		cJSON_AddItemToArray(customers, customer);
	}
	return document;
}
