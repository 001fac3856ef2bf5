/*
 * The scene of a change. Trees come from a tenant's app and may have any shape; the
 * scene borrows from them. Called by prepare.c.
 */
#include "gateway/inbound/scene.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"
#include "vault/vault.h"

/* Compact text, "null" for nothing and for what is longer than max: printing stops there. *fits: neither. */
static char *bounded_text(const cJSON *node, size_t max, bool *fits)
{
	const size_t room = max + 64; /* the printer wants some to spare */
	char *text = malloc(room);

	*fits = text != NULL && node != NULL &&
		cJSON_PrintPreallocated((cJSON *)(uintptr_t)node, text, (int)room, false) && strlen(text) <= max;
	if (text != NULL && !*fits) {
		vault_wipe(text, room);
		(void)snprintf(text, room, "null");
	}
	return text;
}

void scene_clear(struct scene *s)
{
	json_text_free(s->metadata);
	for (size_t i = 0; i < s->contacts_len; i++)
		json_text_free(s->contacts[i].text);
	free(s->contacts);
	memset(s, 0, sizeof(*s));
}

static bool read_contacts(struct scene *s, const cJSON *list)
{
	struct scene_contact *one;
	const cJSON *contact;
	bool fits;

	if (list == NULL || list->child == NULL)
		return true;
	s->contacts = calloc(SCENE_CONTACTS_MAX, sizeof(*s->contacts));
	if (s->contacts == NULL)
		return false;
	cJSON_ArrayForEach (contact, list) {
		if (s->contacts_len == SCENE_CONTACTS_MAX)
			break;
		if (!cJSON_IsObject(contact))
			continue;
		/* Printed here, once: a long contact, or one of many parts, must not cost its length again for each
		 * message. Nobody's is that long. */
		one = &s->contacts[s->contacts_len++];
		one->text = bounded_text(contact, SCENE_CONTACT_LEN, &fits);
		if (one->text == NULL)
			return false;
		if (!fits)
			continue;
		one->node = contact;
		one->wa_id = json_get_string(contact, "wa_id");
		one->user_id = json_get_string(contact, "user_id");
	}
	return true;
}

bool scene_set(struct scene *s, const struct split_update *u)
{
	bool fits;

	if (s->metadata != NULL && s->metadata_node == u->metadata && s->contacts_node == u->contacts)
		return true;
	scene_clear(s);
	s->metadata_node = u->metadata;
	s->contacts_node = u->contacts;
	if (!read_contacts(s, u->contacts))
		return false;
	s->metadata = bounded_text(u->metadata, SCENE_METADATA_LEN, &fits);
	return s->metadata != NULL;
}

const cJSON *scene_contact(const struct scene *s, const cJSON *message)
{
	const bool echo = json_get(message, "to") != NULL || json_get(message, "to_user_id") != NULL;
	const char *from = json_get_string(message, echo ? "to" : "from");
	const char *user_id = json_get_string(message, echo ? "to_user_id" : "from_user_id");

	for (size_t i = 0; user_id != NULL && i < s->contacts_len; i++)
		if (s->contacts[i].user_id != NULL && strcmp(s->contacts[i].user_id, user_id) == 0)
			return s->contacts[i].node;
	for (size_t i = 0; from != NULL && i < s->contacts_len; i++)
		if (s->contacts[i].wa_id != NULL && strcmp(s->contacts[i].wa_id, from) == 0)
			return s->contacts[i].node;
	if (from == NULL && user_id == NULL && s->contacts_len == 1)
		return s->contacts[0].node;
	return NULL;
}

static const char *contact_text(const struct scene *s, const cJSON *contact)
{
	for (size_t i = 0; contact != NULL && i < s->contacts_len; i++)
		if (s->contacts[i].node == contact)
			return s->contacts[i].text;
	return "null";
}

char *scene_content(const struct scene *s, const cJSON *message, const cJSON *contact)
{
	char *text = json_text(message);
	const char *const parts[] = {
		"{\"message\":", text, ",\"contact\":", contact_text(s, contact), ",\"metadata\":", s->metadata, "}"};
	char *content = text != NULL ? message_join(parts, sizeof(parts) / sizeof(parts[0])) : NULL;

	json_text_free(text);
	return content;
}

char *scene_status(const struct scene *s, const cJSON *status)
{
	char *text = json_text(status);
	const char *const parts[] = {"{\"status\":", text, ",\"metadata\":", s->metadata, "}"};
	char *content = text != NULL ? message_join(parts, sizeof(parts) / sizeof(parts[0])) : NULL;

	json_text_free(text);
	return content;
}

/* The value that would have brought this update alone. */
static char *value_text(const struct scene *s, const struct split_update *u, const cJSON *contact)
{
	char *item = json_text(u->item);
	const bool has_metadata = u->metadata != NULL;
	const char *const parts[] = {"{\"messaging_product\":\"whatsapp\"", has_metadata ? ",\"metadata\":" : "",
		has_metadata ? s->metadata : "", contact != NULL ? ",\"contacts\":[" : "",
		contact != NULL ? contact_text(s, contact) : "", contact != NULL ? "]" : "", ",\"", u->list, "\":[",
		item, "]}"};
	char *text;

	if (item == NULL || u->list == NULL)
		return item;
	text = message_join(parts, sizeof(parts) / sizeof(parts[0]));
	json_text_free(item);
	return text;
}

char *scene_update(const struct scene *s, const struct split_update *u, const cJSON *contact)
{
	cJSON *names = cJSON_CreateStringReference(u->field), *account = cJSON_CreateStringReference(u->account);
	char *field = names != NULL ? json_text(names) : NULL;
	char *owner = account != NULL && u->account != NULL ? json_text(account) : strdup("null");
	char *value = value_text(s, u, contact), *content = NULL;
	const char *const parts[] = {
		"{\"update\":{\"field\":", field, ",\"account\":", owner, ",\"value\":", value, "}}"};

	if (field != NULL && owner != NULL && value != NULL)
		content = message_join(parts, sizeof(parts) / sizeof(parts[0]));
	json_text_free(field);
	json_text_free(owner);
	json_text_free(value);
	cJSON_Delete(names);
	cJSON_Delete(account);
	return content;
}
