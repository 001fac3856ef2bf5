/*
 * Building webhooks.
 */
#include "examples/sandbox/envelope.h"

#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/sandbox/book.h"
#include "gateway/json.h"

static const struct {
	const char *name;
	bool overridable;
} fields[] = {
	{"account_alerts", false},
	{"account_review_update", false},
	{"account_settings_update", true},
	{"account_update", false},
	{"automatic_events", false},
	{"business_capability_update", false},
	{"business_username_updates", false},
	{"calls", true},
	{"consumer_profile", true},
	{"flows", false},
	{"group_lifecycle_update", true},
	{"group_participants_update", true},
	{"group_settings_update", true},
	{"group_status_update", true},
	{"history", true},
	{"message_echoes", true},
	{"message_template_components_update", false},
	{"message_template_quality_update", false},
	{"message_template_status_update", false},
	{"messages", true},
	{"messaging_handovers", true},
	{"partner_solutions", false},
	{"payment_configuration_update", false},
	{"phone_number_name_update", false},
	{"phone_number_quality_update", false},
	{"security", false},
	{"smb_app_state_sync", true},
	{"smb_message_echoes", true},
	{"standby", false},
	{"template_category_update", false},
	{"template_correct_category_detection", false},
	{"tracking_events", false},
	{"user_id_update", false},
	{"user_preferences", false},
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

bool envelope_field_known(const char *field, size_t len)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (strlen(fields[i].name) == len && memcmp(fields[i].name, field, len) == 0)
			return true;
	return false;
}

static bool overridable(const char *field)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (strcmp(fields[i].name, field) == 0)
			return fields[i].overridable;
	return false;
}

/* ------------------------------------------------------------ as it goes over the wire */

/* JSON as Meta writes it: pure ASCII, slashes escaped (facts/meta.md 1.2). */
static char *as_meta_writes(const char *json)
{
	char *text = malloc(6 * strlen(json) + 1), *out = text;

	if (!text)
		return NULL;
	for (const unsigned char *at = (const unsigned char *)json; *at != '\0';) {
		size_t len;
		unsigned long point = utf8_next(at, &len);

		if (point == '/') {
			*out++ = '\\';
			*out++ = '/';
		} else if (point < 0x80) {
			*out++ = (char)point;
		} else if (point >= 0x10000) {
			out += snprintf(out, 13, "\\u%04lx\\u%04lx", 0xd800 + ((point - 0x10000) >> 10),
				0xdc00 + ((point - 0x10000) & 0x3ff));
		} else {
			out += snprintf(out, 7, "\\u%04lx", point);
		}
		at += len;
	}
	*out = '\0';
	return text;
}

static char *envelope_text(const struct envelope *e, const char *waba, const char *display)
{
	struct cJSON *document = cJSON_CreateObject(), *value = cJSON_CreateObject(), *entry, *change, *metadata;
	const struct cJSON *item;
	char digits[32], *plain, *text = NULL;

	digits_of(display, digits, sizeof(digits));
	cJSON_AddStringToObject(document, "object", "whatsapp_business_account");
	entry = cJSON_CreateObject();
	cJSON_AddItemToArray(cJSON_AddArrayToObject(document, "entry"), entry);
	cJSON_AddStringToObject(entry, "id", waba);
	change = cJSON_CreateObject();
	cJSON_AddItemToArray(cJSON_AddArrayToObject(entry, "changes"), change);
	cJSON_AddItemToObject(change, "value", value);
	cJSON_AddStringToObject(value, "messaging_product", "whatsapp");
	metadata = cJSON_AddObjectToObject(value, "metadata");
	cJSON_AddStringToObject(metadata, "display_phone_number", digits);
	cJSON_AddStringToObject(metadata, "phone_number_id", e->number);
	cJSON_ArrayForEach (item, e->value) {
		cJSON_DeleteItemFromObjectCaseSensitive(value, item->string);
		cJSON_AddItemToObject(value, item->string, cJSON_Duplicate(item, true));
	}
	cJSON_AddStringToObject(change, "field", e->field ? e->field : "messages");
	plain = json_text(document);
	if (plain)
		text = as_meta_writes(plain);
	json_text_free(plain);
	cJSON_Delete(document);
	return text;
}

/* "sha256=" or what else stands in front, and the hex of HMAC-SHA-256 over the body. */
static void sign(struct webhook *w, const char *header, const char *prefix, const char *secret)
{
	crypto_auth_hmacsha256_state state;
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
	char value[128];
	size_t used = strlen(prefix) < 32 ? strlen(prefix) : 32;

	crypto_auth_hmacsha256_init(&state, (const unsigned char *)secret, strlen(secret));
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)w->body, strlen(w->body));
	crypto_auth_hmacsha256_final(&state, mac);
	memcpy(value, prefix, used);
	sodium_bin2hex(value + used, sizeof(value) - used, mac, sizeof(mac));
	webhook_header(w, header, value);
}

/* ------------------------------------------------------------ who gets it */

static const char *waba_of(const struct sandbox *s, const char *number)
{
	return book_text(book_get(s, "numbers", number), "waba", "");
}

/* Where an app wants this field of a WABA, or NULL. */
static const char *address_for(const struct sandbox *s, const struct cJSON *subscription, const char *field)
{
	const struct cJSON *app = book_get(s, "apps", subscription->string);
	const char *override = cJSON_IsString(subscription) ? subscription->valuestring : "";
	const char *callback = book_text(app, "callback", "");

	if (override[0] != '\0' && overridable(field))
		return override;
	return callback[0] != '\0' && (book_holds(app, "fields", field) || override[0] != '\0') ? callback : NULL;
}

static struct webhook *meta_webhooks(struct sandbox *s, const struct envelope *e)
{
	const char *waba = waba_of(s, e->number);
	const char *display = book_text(book_get(s, "numbers", e->number), "display_phone_number", "15550783881");
	struct webhook *list = NULL, **end = &list;
	char *body = envelope_text(e, waba, display);
	const struct cJSON *subscription;

	cJSON_ArrayForEach (subscription, book_get(s, "subscribed", waba)) {
		const char *url = address_for(s, subscription, e->field ? e->field : "messages");
		struct webhook *w = url && body ? webhook_new(url, body) : NULL;

		if (!w)
			continue;
		sign(w, "X-Hub-Signature-256",
			"sha256=", book_text(book_get(s, "apps", subscription->string), "secret", ""));
		*end = w;
		end = &w->next;
	}
	free(body);
	return list;
}

static const char *d360_address(const struct cJSON *key)
{
	return book_text(json_get(key, "webhook"), "url", "");
}

static struct webhook *d360_webhooks(struct sandbox *s, const struct envelope *e)
{
	const struct cJSON *key = book_key_of(s, e->number, NULL), *header;
	const char *secret = book_text(key, "platform_secret", NULL);
	struct webhook *w;
	char *body;

	if (d360_address(key)[0] == '\0')
		return NULL;
	body = envelope_text(e, book_text(key, "waba", ""), book_text(key, "display_phone_number", ""));
	w = body ? webhook_new(d360_address(key), body) : NULL;
	free(body);
	if (!w)
		return NULL;
	cJSON_ArrayForEach (header, json_get(json_get(key, "webhook"), "headers")) {
		if (header->string && cJSON_IsString(header) && !json_get(e->headers, header->string))
			webhook_header(w, header->string, header->valuestring);
	}
	cJSON_ArrayForEach (header, e->headers) {
		if (header->string && cJSON_IsString(header))
			webhook_header(w, header->string, header->valuestring);
	}
	if (secret)
		sign(w, "x-360dialog-signature", e->prefix ? e->prefix : "", secret);
	return w;
}

struct webhook *envelope_webhooks(struct sandbox *s, const struct envelope *e)
{
	return strcmp(e->api, "360dialog") == 0 ? d360_webhooks(s, e) : meta_webhooks(s, e);
}

bool envelope_is_awaited(const struct sandbox *s, const char *api, const char *number)
{
	const struct cJSON *subscription;

	if (strcmp(api, "360dialog") == 0)
		return d360_address(book_key_of(s, number, NULL))[0] != '\0';
	cJSON_ArrayForEach (subscription, book_get(s, "subscribed", waba_of(s, number))) {
		if (address_for(s, subscription, "messages"))
			return true;
	}
	return false;
}

/* ------------------------------------------------------------ message ids */

/* 0x1c 0x18 and the phone number, 0x15 0x02 0x00, 0x11 (ours) or 0x12 (the customer's), 0x18 and random hex, 0x00. */
void envelope_wamid(const char *phone, bool inbound, char out[static WAMID_MAX])
{
	unsigned char raw[128] = {0x1c, 0x18};
	size_t phone_len = strlen(phone) < 40 ? strlen(phone) : 40, n = 2;
	char unique[33];

	random_hex(inbound ? 10 : 9, unique);
	for (char *c = unique; *c != '\0'; c++)
		*c = (char)(*c >= 'a' ? *c - 'a' + 'A' : *c);
	raw[n++] = (unsigned char)phone_len;
	memcpy(raw + n, phone, phone_len);
	n += phone_len;
	raw[n++] = 0x15;
	raw[n++] = 0x02;
	raw[n++] = 0x00;
	raw[n++] = inbound ? 0x12 : 0x11;
	raw[n++] = 0x18;
	raw[n++] = (unsigned char)strlen(unique);
	memcpy(raw + n, unique, strlen(unique));
	n += strlen(unique) + 1;
	memcpy(out, "wamid.", 7);
	sodium_bin2base64(out + 6, WAMID_MAX - 6, raw, n, sodium_base64_VARIANT_ORIGINAL);
}
