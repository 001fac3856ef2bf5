/*
 * Messages as the platform and the responders write them: checked, normalised, sealed; and what a
 * status may do to one. Trusts nothing in the body. Called by api, reply's caller and inbound.
 */
#include "gateway/outbound/outbound.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"
#include "gateway/outbound/kinds.h"
#include "gateway/outbound/plan.h"

#define MESSAGE_MAX (64u * 1024u) /* under the job's limit with what is added on the way */
#define TEXT_BODY_MAX 4096u /* characters: facts/meta.md section 2 */
#define CALLBACK_DATA_MAX 512u
#define PHONE_MIN 5u
#define PHONE_MAX 15u /* E.164 */
#define TYPE_MAX 32u

/* ------------------------------------------------------------ rules */

struct complaint {
	char *why;
	size_t len;
};

static bool complain(const struct complaint *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool complain(const struct complaint *c, const char *format, ...)
{
	va_list args;

	if (c->why == NULL || c->len == 0)
		return false;
	va_start(args, format);
	(void)vsnprintf(c->why, c->len, format, args);
	va_end(args);
	return false;
}

/* The length of the well-formed UTF-8 character at p (RFC 3629), 0 where none is. */
static size_t utf8_character(const uint8_t *p, size_t left)
{
	const size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (len == 0 || len > left)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
		(p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/* SIZE_MAX: not UTF-8. */
static size_t utf8_count(const char *text, size_t len)
{
	size_t count = 0;

	for (size_t at = 0; at < len; count++) {
		const size_t n = utf8_character((const uint8_t *)text + at, len - at);

		if (n == 0)
			return SIZE_MAX;
		at += n;
	}
	return count;
}

/* The parser would cut the string there. */
static bool has_escaped_nul(const char *text, size_t len)
{
	for (size_t i = 0; i + 5 < len; i++) {
		if (text[i] != '\\')
			continue;
		if (memcmp(text + i, "\\u0000", 6) == 0)
			return true;
		i++;
	}
	return false;
}

static bool chars_in(const char *text, const char *also, size_t max)
{
	size_t n = 0;

	for (; text[n] != '\0'; n++) {
		const char c = text[n];

		if (n >= max ||
			!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
				strchr(also, c) != NULL))
			return false;
	}
	return n > 0;
}

/* "+" and digits; digits may be broken by spaces, dashes and parentheses. False: no phone number. */
static bool phone_normalise(const char *text, char out[static PHONE_MAX + 2])
{
	size_t n = 0;

	out[n++] = '+';
	for (const char *p = text; *p != '\0'; p++) {
		if (*p >= '0' && *p <= '9') {
			if (n == PHONE_MAX + 1)
				return false;
			out[n++] = *p;
		} else if (*p == '+' ? n > 1 || memchr(text, '+', (size_t)(p - text)) != NULL
				     : strchr(" -()", *p) == NULL) {
			return false;
		}
	}
	out[n] = '\0';
	return n - 1 >= PHONE_MIN && out[1] != '0';
}

static bool is_phone(const char *text)
{
	char phone[PHONE_MAX + 2];
	const bool is = phone_normalise(text, phone);

	vault_wipe(phone, sizeof(phone));
	return is;
}

static bool is_group(const cJSON *message)
{
	const char *type = json_get_string(message, "recipient_type");

	return type != NULL && strcmp(type, "group") == 0;
}

static bool keys_once(const cJSON *message, const struct complaint *c)
{
	for (const cJSON *a = message->child; a != NULL; a = a->next)
		for (const cJSON *b = a->next; b != NULL; b = b->next)
			if (strcmp(a->string, b->string) == 0)
				return complain(c, "a field is given twice");
	return true;
}

#define TOP_FIELDS_MAX 64

/* A provider takes who asks, and how, from such fields, too. */
static bool keys_harmless(const cJSON *message, const struct complaint *c)
{
	for (const cJSON *a = message->child; a != NULL; a = a->next)
		if (!kind_parameter_ok(a->string))
			return complain(c, "a field says who asks, or how: the key belongs into a header alone");
	return true;
}

static bool object_ok(const cJSON *message, const struct complaint *c)
{
	if (!cJSON_IsObject(message))
		return complain(c, "the body must be a JSON object, nested at most %u deep", JSON_DEPTH_MAX);
	if (cJSON_GetArraySize(message) > TOP_FIELDS_MAX)
		return complain(c, "the body must have at most %d fields", TOP_FIELDS_MAX);
	return keys_once(message, c) && keys_harmless(message, c);
}

/* A string where it is there. */
static bool string_or_none(const cJSON *message, const char *key, const struct complaint *c)
{
	const cJSON *v = json_get(message, key);

	return v == NULL || cJSON_IsString(v) || complain(c, "%s: must be text", key);
}

static bool addressee_ok(const cJSON *message, const struct complaint *c)
{
	const char *to = json_get_string(message, "to"), *recipient = json_get_string(message, "recipient");
	const char *type = json_get_string(message, "recipient_type");

	if (!string_or_none(message, "to", c) || !string_or_none(message, "recipient", c) ||
		!string_or_none(message, "recipient_type", c))
		return false;
	if (type != NULL && strcmp(type, "individual") != 0 && strcmp(type, "group") != 0)
		return complain(c, "recipient_type: must be individual or group");
	if (to == NULL && recipient == NULL)
		return complain(c, "to: is missing (a phone number, or recipient with a user id)");
	if (to != NULL && is_group(message) && !chars_in(to, "+-_=@.:", OUTBOUND_CUSTOMER_MAX))
		return complain(c, "to: must be a group id");
	if (to != NULL && !is_group(message) && !is_phone(to))
		return complain(
			c, "to: must be a phone number with its country code, %u to %u digits", PHONE_MIN, PHONE_MAX);
	if (recipient != NULL && (!chars_in(recipient, ".", OUTBOUND_CUSTOMER_MAX) || strchr(recipient, '.') == NULL))
		return complain(c, "recipient: must be a user id as the provider gave it");
	return true;
}

static bool content_ok(const cJSON *message, const struct complaint *c)
{
	const char *type = json_get_string(message, "type");
	const cJSON *object, *body;

	if (type == NULL || !chars_in(type, "_", TYPE_MAX))
		return complain(c, "type: must name the kind of message, like text");
	object = json_get(message, type);
	if (strcmp(type, "contacts") == 0 ? !cJSON_IsArray(object) : !cJSON_IsObject(object))
		return complain(c, "%s: must be %s, as type says", type,
			strcmp(type, "contacts") == 0 ? "a list" : "an object");
	if (strcmp(type, "text") != 0)
		return true;
	body = json_get(object, "body");
	if (!cJSON_IsString(body) || body->valuestring[0] == '\0')
		return complain(c, "text.body: must be text that is not empty");
	if (utf8_count(body->valuestring, strlen(body->valuestring)) > TEXT_BODY_MAX)
		return complain(c, "text.body: must be at most %u characters", TEXT_BODY_MAX);
	return true;
}

static bool extras_ok(const cJSON *message, const struct complaint *c)
{
	const char *product = json_get_string(message, "messaging_product");
	const char *data = json_get_string(message, "biz_opaque_callback_data");
	const cJSON *context = json_get(message, "context");

	if (!string_or_none(message, "messaging_product", c) || !string_or_none(message, "biz_opaque_callback_data", c))
		return false;
	if (product != NULL && strcmp(product, "whatsapp") != 0)
		return complain(c, "messaging_product: must be whatsapp");
	if (data != NULL && utf8_count(data, strlen(data)) > CALLBACK_DATA_MAX)
		return complain(c, "biz_opaque_callback_data: must be at most %u characters", CALLBACK_DATA_MAX);
	if (context != NULL && json_get_string(context, "message_id") == NULL)
		return complain(c, "context: must be an object with message_id");
	return true;
}

/* The checked message, or NULL. Owns: caller deletes it. */
static cJSON *message_read(const char *json, size_t len, const struct complaint *c)
{
	cJSON *message = NULL;

	if (len > MESSAGE_MAX) {
		(void)complain(c, "the body must be at most %u bytes", MESSAGE_MAX);
		return NULL;
	}
	if (utf8_count(json, len) == SIZE_MAX || has_escaped_nul(json, len)) {
		(void)complain(c, "the body must be UTF-8 without NUL characters");
		return NULL;
	}
	message = json_parse(json, len);
	if (object_ok(message, c) && content_ok(message, c) && addressee_ok(message, c) && extras_ok(message, c))
		return message;
	cJSON_Delete(message);
	return NULL;
}

bool outbound_message_valid(const char *json, size_t len, char *why, size_t why_len)
{
	const struct complaint c = {why, why_len};
	cJSON *message = message_read(json, len, &c);

	cJSON_Delete(message);
	return message != NULL;
}

bool outbound_message_customer(const char *json, size_t len, char out[static OUTBOUND_CUSTOMER_MAX + 1])
{
	const struct complaint silent = {NULL, 0};
	cJSON *message = message_read(json, len, &silent);
	const char *to = json_get_string(message, "to"), *recipient = json_get_string(message, "recipient");
	char phone[PHONE_MAX + 2] = "";
	bool known = message != NULL && !is_group(message);

	if (known && to != NULL) {
		known = phone_normalise(to, phone);
		memcpy(out, phone + 1, sizeof(phone) - 1);
	} else if (known) {
		memcpy(out, recipient, strlen(recipient) + 1); /* checked: not longer */
	}
	vault_wipe(phone, sizeof(phone));
	cJSON_Delete(message);
	return known;
}

/* ------------------------------------------------------------ sealing */

static enum outbound_error from_tenant(enum tenant_error err)
{
	switch (err) {
	case TENANT_OK:
		return OUTBOUND_OK;
	case TENANT_NO_MEMORY:
		return OUTBOUND_NO_MEMORY;
	case TENANT_NOT_FOUND:
	case TENANT_BAD_DATA:
	case TENANT_VAULT:
	case TENANT_STORE:
		return OUTBOUND_STORE;
	}
	return OUTBOUND_STORE;
}

/* Meta reads a number without "+" as one of the business's own country. */
static bool normalise_to(cJSON *message)
{
	const char *to = json_get_string(message, "to");
	char phone[PHONE_MAX + 2];
	cJSON *fresh = NULL;

	if (to == NULL || is_group(message))
		return true;
	if (phone_normalise(to, phone))
		fresh = cJSON_CreateString(phone);
	vault_wipe(phone, sizeof(phone));
	if (fresh == NULL)
		return false;
	/* Short of memory the library puts the item in without its key: then the message would be to nobody. */
	return cJSON_ReplaceItemInObjectCaseSensitive(message, "to", fresh) && json_get_string(message, "to") != NULL;
}

/* The customer: the user id, or the phone's digits; "to" wins where both are. */
static enum outbound_error conversation_index(struct tenants *t, const cJSON *message, struct store_message *m)
{
	const char *to = json_get_string(message, "to");
	const char *customer = to == NULL ? json_get_string(message, "recipient") : to[0] == '+' ? to + 1 : to;

	return from_tenant(tenant_conversation(t, m->business_id, m->number, customer, m->conversation));
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= bytes[i];
	return any == 0;
}

static enum outbound_error message_fill(
	struct tenants *t, const cJSON *message, struct store_message *m, uint8_t **content)
{
	struct tenant_place place = {m->business_id, "messages", m->id, "content", 1};
	enum outbound_error err = OUTBOUND_OK;
	char *text = json_text(message);

	if (text == NULL)
		return OUTBOUND_NO_MEMORY;
	if (is_zero(m->conversation, sizeof(m->conversation)))
		err = conversation_index(t, message, m);
	if (err == OUTBOUND_OK)
		err = from_tenant(tenant_seal(t, &place, text, strlen(text), content, &m->content_len));
	vault_wipe(text, strlen(text));
	free(text);
	return err;
}

enum outbound_error outbound_message_seal(
	struct tenants *t, const char *json, size_t len, struct store_message *m, uint8_t **content)
{
	const struct complaint silent = {NULL, 0};
	cJSON *message = message_read(json, len, &silent);
	enum outbound_error err = OUTBOUND_NO_MEMORY;
	uint8_t *sealed = NULL;

	if (message == NULL)
		return OUTBOUND_INVALID;
	if (!normalise_to(message))
		goto out;
	store_id_new(m->id);
	(void)snprintf(m->type, sizeof(m->type), "%s", json_get_string(message, "type"));
	err = message_fill(t, message, m, &sealed);
	if (err != OUTBOUND_OK)
		goto out;
	m->content = sealed;
	m->direction = STORE_OUTBOUND;
	m->state = STORE_MESSAGE_QUEUED;
	m->created_at = store_now_ms();
	m->updated_at = m->next_at = m->created_at;
	*content = sealed; /* transferred */
out:
	cJSON_Delete(message);
	return err;
}

int64_t outbound_expires_at(const struct store_message *m)
{
	return m->expires_at > 0 ? m->expires_at : m->created_at + PLAN_EXPIRY_MS;
}

/* ------------------------------------------------------------ statuses */

#define BIT(state) STORE_STATE_BIT(STORE_MESSAGE_##state)
/* A status that carries our id proves that the provider has the message, whatever was thought of
 * it: after a refusal that was none, after an expiry, after a restored backup. */
#define NOT_YET_PROVEN (BIT(QUEUED) | BIT(SENDING) | BIT(RETRY) | BIT(UNKNOWN) | BIT(DEAD))

/* Statuses come in any order, and steps are left out: sent < failed < delivered < read, and a message only rises, so that
 * the same statuses always come to the same. What arrived cannot have failed, whichever was heard first. */
static const struct {
	const char *status;
	enum store_message_state to;
	unsigned from;
} moves[] = {
	{"sent", STORE_MESSAGE_SENT, NOT_YET_PROVEN},
	{"delivered", STORE_MESSAGE_DELIVERED, NOT_YET_PROVEN | BIT(SENT) | BIT(FAILED)},
	{"read", STORE_MESSAGE_READ, NOT_YET_PROVEN | BIT(SENT) | BIT(FAILED) | BIT(DELIVERED)},
	{"played", STORE_MESSAGE_READ, NOT_YET_PROVEN | BIT(SENT) | BIT(FAILED) | BIT(DELIVERED)},
	{"failed", STORE_MESSAGE_FAILED, NOT_YET_PROVEN | BIT(SENT)},
};

bool outbound_status_move(const char *status, enum store_message_state *to, unsigned *from_states)
{
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		if (strcmp(moves[i].status, status) != 0)
			continue;
		*to = moves[i].to;
		*from_states = moves[i].from;
		return true;
	}
	return false;
}
