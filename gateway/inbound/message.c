/*
 * Reading one customer's message. Pure functions over a tree that a stranger wrote;
 * a wrong type reads as absent. Called by prepare.c and ask.c.
 */
#include "gateway/inbound/message.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"
#include "vault/vault.h"

#define PHONE_DIGITS_MIN 5u
#define PHONE_DIGITS_MAX 20u
#define REASON_DIGITS_MIN 7u
#define REASON_ROOM 1024u
#define SECONDS_MAX 253402300799LL /* the end of the year 9999 */

/* A string that says something, else NULL. */
static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = json_get_string(object, key);

	return text != NULL && text[0] != '\0' ? text : NULL;
}

static bool is_phone(const char *text)
{
	size_t len = text == NULL ? 0 : strlen(text);

	return len >= PHONE_DIGITS_MIN && len <= PHONE_DIGITS_MAX && strspn(text, "0123456789") == len;
}

struct message_customer message_customer(const cJSON *message, const cJSON *contact)
{
	const char *from = text_of(message, "from");
	const char *wa_id = text_of(contact, "wa_id");
	struct message_customer c = {.user_id = text_of(message, "from_user_id")};

	if (c.user_id == NULL)
		c.user_id = text_of(contact, "user_id");
	if (is_phone(from))
		c.phone = from;
	else if (is_phone(wa_id))
		c.phone = wa_id;
	c.key = c.user_id != NULL ? c.user_id : from != NULL ? from : wa_id != NULL ? wa_id : "";
	return c;
}

const char *message_question(const cJSON *message)
{
	const char *type = text_of(message, "type");
	const cJSON *chosen;

	if (type == NULL || json_get(message, "group_id") != NULL)
		return NULL;
	if (strcmp(type, "text") == 0)
		return text_of(json_get(message, "text"), "body");
	if (strcmp(type, "button") == 0)
		return text_of(json_get(message, "button"), "text");
	if (strcmp(type, "interactive") != 0)
		return NULL;
	chosen = json_get(message, "interactive");
	type = text_of(chosen, "type");
	if (type == NULL || (strcmp(type, "button_reply") != 0 && strcmp(type, "list_reply") != 0))
		return NULL;
	return text_of(json_get(chosen, type), "title");
}

int64_t message_written_at(const cJSON *message, int64_t fallback)
{
	const cJSON *timestamp = json_get(message, "timestamp");
	int64_t seconds = 0;

	if (cJSON_IsNumber(timestamp)) {
		if (!(timestamp->valuedouble > 0 && timestamp->valuedouble <= (double)SECONDS_MAX))
			return fallback;
		return (int64_t)timestamp->valuedouble * 1000;
	}
	if (!cJSON_IsString(timestamp) || timestamp->valuestring[0] == '\0')
		return fallback;
	for (const char *p = timestamp->valuestring; *p != '\0'; p++) {
		if (*p < '0' || *p > '9')
			return fallback;
		seconds = seconds * 10 + (*p - '0');
		if (seconds > SECONDS_MAX)
			return fallback;
	}
	return seconds * 1000;
}

void message_text_cut(char *out, size_t room, const char *text)
{
	size_t len = strlen(text);

	if (len >= room) {
		len = room - 1;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(out, text, len);
	out[len] = '\0';
}

char *message_join(const char *const parts[], size_t len)
{
	size_t room = 1, n = 0;
	char *text;

	for (size_t i = 0; i < len; i++)
		room += strlen(parts[i]);
	text = malloc(room);
	for (size_t i = 0; i < len && text != NULL; i++) {
		size_t part = strlen(parts[i]);

		memcpy(text + n, parts[i], part);
		n += part;
	}
	if (text != NULL)
		text[n] = '\0';
	return text;
}

/* The length of what looks like a phone number at the start of text, else 0. */
static size_t phone_len(const char *text)
{
	size_t digits = 0, end = 0;

	for (size_t i = 0; text[i] != '\0' && strchr("0123456789 -.()", text[i]) != NULL; i++) {
		if (text[i] < '0' || text[i] > '9')
			continue;
		digits++;
		end = i + 1;
	}
	return digits >= REASON_DIGITS_MIN ? end : 0;
}

/* The length of a message id at the start of text, else 0. */
static size_t wamid_len(const char *text)
{
	static const char prefix[] = "wamid.";

	if (strncmp(text, prefix, sizeof(prefix) - 1) != 0)
		return 0;
	return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+/=_-");
}

void message_reason(char *out, size_t room, const char *text)
{
	char blanked[REASON_ROOM];
	size_t n = 0;

	while (*text != '\0' && n + sizeof("***") < sizeof(blanked)) {
		size_t hidden = *text >= '0' && *text <= '9' ? phone_len(text) : wamid_len(text);

		if (hidden > 0) {
			memcpy(blanked + n, "***", 3);
			n += 3;
			text += hidden;
		} else {
			blanked[n++] = *text++;
		}
	}
	blanked[n] = '\0';
	message_text_cut(out, room, blanked);
	vault_wipe(blanked, sizeof(blanked));
}
