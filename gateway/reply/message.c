/*
 * Messages of responders. A platform's answer is trusted with nothing: it may send to the
 * customer who wrote and to nobody else. Called by catalogue.c and platform.c.
 */
#include "gateway/reply/message.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"

#define TO_ROOM 40u

void reply_answer_clear(struct reply_answer *a)
{
	for (size_t i = 0; i < a->len; i++)
		json_text_free(a->messages[i]);
	memset(a, 0, sizeof(*a));
}

/* False: memory is short. */
static bool address(cJSON *message, const struct reply_customer *to)
{
	char phone[TO_ROOM];
	bool good;

	if (to->phone == NULL)
		return cJSON_AddStringToObject(message, "recipient", to->user_id != NULL ? to->user_id : "") != NULL;
	(void)snprintf(phone, sizeof(phone), "+%s", to->phone);
	good = cJSON_AddStringToObject(message, "to", phone) != NULL;
	vault_wipe(phone, sizeof(phone));
	return good;
}

char *reply_message_text(const struct reply_customer *to, const char *text)
{
	cJSON *message = cJSON_CreateObject();
	bool good = cJSON_AddStringToObject(message, "type", "text") != NULL;
	cJSON *body = cJSON_AddObjectToObject(message, "text");
	char *out = NULL;

	good = good && cJSON_AddStringToObject(body, "body", text) != NULL &&
		cJSON_AddFalseToObject(body, "preview_url") != NULL && address(message, to);
	if (good)
		out = json_text(message);
	cJSON_Delete(message);
	return out;
}

/* ------------------------------------------------------------ a platform's answer */

static bool refuse(struct reply_answer *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(struct reply_answer *out, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(out->why, sizeof(out->why), format, args);
	va_end(args);
	return false;
}

static bool no_memory(struct reply_answer *out)
{
	out->outcome = REPLY_LATER;
	return refuse(out, "memory is short");
}

/* Digits, with what people put between them: what is no phone number at all is found by the check that follows. */
static bool same_phone(const char *given, const char *phone)
{
	for (; *given != '\0'; given++) {
		if (strchr("+ -()", *given) != NULL)
			continue;
		if (*phone == '\0' || *given != *phone++)
			return false;
	}
	return *phone == '\0';
}

/* Whether what it says about its addressee, if anything, is the customer. */
static bool is_to(const cJSON *message, const struct reply_customer *who)
{
	const cJSON *to = json_get(message, "to"), *recipient = json_get(message, "recipient");
	const cJSON *type = json_get(message, "recipient_type");

	if (type != NULL && (!cJSON_IsString(type) || strcmp(type->valuestring, "individual") != 0))
		return false;
	if (to != NULL && (!cJSON_IsString(to) || who->phone == NULL || !same_phone(to->valuestring, who->phone)))
		return false;
	return recipient == NULL ||
		(cJSON_IsString(recipient) && who->user_id != NULL &&
			strcmp(recipient->valuestring, who->user_id) == 0);
}

/* The one rule whose sentence repeats what the platform wrote, the type. */
static bool says_type(const char *why, const char *type)
{
	const size_t len = type != NULL ? strlen(type) : 0;

	return len > 0 && strncmp(why, type, len) == 0 && why[len] == ':';
}

static bool take(const struct reply_customer *to, cJSON *message, size_t i, struct reply_answer *out)
{
	char why[sizeof(out->why) / 2];
	char *text;

	if (!cJSON_IsObject(message))
		return refuse(out, "answer refused: messages[%zu] must be an object", i);
	if (!is_to(message, to))
		return refuse(out, "answer refused: messages[%zu].to: must be the customer who wrote, or left out", i);
	if (json_get(message, "to") == NULL && json_get(message, "recipient") == NULL && !address(message, to))
		return no_memory(out);
	text = json_text(message);
	if (text == NULL)
		return no_memory(out);
	out->messages[out->len++] = text;
	if (outbound_message_valid(text, strlen(text), why, sizeof(why)))
		return true;
	if (says_type(why, json_get_string(message, "type")))
		return refuse(out, "answer refused: messages[%zu] lacks what its type names", i);
	return refuse(out, "answer refused: messages[%zu]: %s", i, why);
}

/* JSON text would be cut there, and half a message sent. */
static bool has_nul(const char *text)
{
	const char *at = text;

	while ((at = strchr(at, '\\')) != NULL) {
		if (strncmp(at, "\\u0000", 6) == 0)
			return true;
		at += at[1] != '\0' ? 2 : 1;
	}
	return false;
}

/* [] {} null "". */
static bool says_nothing(const cJSON *root)
{
	if (cJSON_IsString(root))
		return root->valuestring[0] == '\0';
	return cJSON_IsNull(root) || ((cJSON_IsArray(root) || cJSON_IsObject(root)) && root->child == NULL);
}

static bool read_messages(const struct reply_customer *to, const cJSON *root, struct reply_answer *out)
{
	const cJSON *list = json_get(root, "messages");
	cJSON *message;

	if (says_nothing(root))
		return true;
	if (!cJSON_IsObject(root))
		return refuse(out, "answer refused: it must be a JSON object with messages");
	if (list == NULL)
		return refuse(out, "answer without messages");
	if (cJSON_IsNull(list))
		return true;
	if (!cJSON_IsArray(list))
		return refuse(out, "answer refused: messages must be a list");
	if (cJSON_GetArraySize(list) > (int)REPLY_MESSAGES_MAX)
		return refuse(out, "answer refused: messages must be at most %u", REPLY_MESSAGES_MAX);
	cJSON_ArrayForEach (message, list)
		if (!take(to, message, out->len, out))
			return false;
	return true;
}

void reply_message_read(const struct reply_customer *to, const char *body, struct reply_answer *out)
{
	struct reply_answer a = {.outcome = REPLY_ANSWERED};
	cJSON *root = NULL;
	bool good = true;

	if (body != NULL && body[strspn(body, " \t\r\n")] != '\0') {
		if (!has_nul(body))
			root = json_parse(body, strlen(body));
		good = root != NULL ? read_messages(to, root, &a)
				    : refuse(&a, "answer refused: it must be JSON without NUL characters");
	}
	cJSON_Delete(root);
	*out = a;
	for (size_t i = 0; i < a.len && !good; i++)
		json_text_free(a.messages[i]);
	if (!good)
		out->len = 0;
}
