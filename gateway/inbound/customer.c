/*
 * Names of customers and holders of conversations. Pure functions over a tree that a
 * stranger wrote; a wrong type reads as absent. Called by prepare.c.
 */
#include "gateway/inbound/customer.h"

#include <string.h>

#include "gateway/inbound/message.h"
#include "gateway/json.h"

#define AGENT_ROLE "ai_agent" /* facts/meta.md 1.6: any other owner is whoever sends by API */

struct names {
	const char **out;
	size_t len;
};

static void add(struct names *n, const char *name)
{
	if (name == NULL || name[0] == '\0' || n->len == STORE_NAMES_MAX)
		return;
	name += name[0] == '+';
	for (size_t i = 0; i < n->len; i++)
		if (strcmp(n->out[i], name) == 0)
			return;
	n->out[n->len++] = name;
}

/* A system message says what he is called from now on. */
static void add_message(struct names *n, const cJSON *message, const cJSON *contact)
{
	const struct message_customer who = message_customer(message, contact);
	const cJSON *system = json_get(message, "system");

	n->out[n->len++] = who.key;
	if (who.key[0] == '\0')
		return;
	add(n, who.phone);
	add(n, json_get_string(system, "user_id"));
	add(n, json_get_string(system, "wa_id"));
}

static void add_echo(struct names *n, const cJSON *echo, const cJSON *contact)
{
	add(n, json_get_string(echo, "to_user_id"));
	add(n, json_get_string(contact, "user_id"));
	add(n, json_get_string(echo, "to"));
	add(n, json_get_string(contact, "wa_id"));
	if (n->len == 0)
		n->out[n->len++] = "";
}

static bool is_text(const cJSON *object, const char *key, const char *text)
{
	const char *is = json_get_string(object, key);

	return is != NULL && strcmp(is, text) == 0;
}

static bool is_of_list(const struct split_update *u, const char *list)
{
	return u->kind == STORE_UPDATE_OTHER && u->list != NULL && strcmp(u->list, list) == 0;
}

/* He rang, or took a call of the shop's. */
static void add_call(struct names *n, const cJSON *call)
{
	const bool ours = is_text(call, "direction", "BUSINESS_INITIATED");

	add(n, json_get_string(call, ours ? "to_user_id" : "from_user_id"));
	add(n, json_get_string(call, ours ? "to" : "from"));
}

/* Of a group's, the group is named. */
static void add_status(struct names *n, const cJSON *status)
{
	const char *type = json_get_string(status, "recipient_type");

	if (type == NULL || strcmp(type, "group") != 0)
		add(n, json_get_string(status, "recipient_user_id"));
	add(n, json_get_string(status, "recipient_id"));
	if (n->len == 0)
		add(n, json_get_string(status, "recipient_parent_user_id"));
	if (n->len == 0)
		add(n, json_get_string(status, "parent_recipient_user_id")); /* its first spelling */
	if (n->len == 0)
		n->out[n->len++] = "";
}

size_t customer_names(const struct split_update *u, const cJSON *contact, const char *out[static STORE_NAMES_MAX])
{
	struct names n = {out, 0};
	const cJSON *user_id = json_get(u->item, "user_id"), *sender = json_get(u->item, "sender");

	switch (u->kind) {
	case STORE_UPDATE_MESSAGE:
		add_message(&n, u->item, contact);
		break;
	case STORE_UPDATE_ECHO:
		add_echo(&n, u->item, contact);
		break;
	case STORE_UPDATE_STATUS:
		add_status(&n, u->item);
		break;
	case STORE_UPDATE_OTHER:
		if (strcmp(u->field, "user_id_update") == 0) {
			add(&n, json_get_string(user_id, "previous"));
			add(&n, json_get_string(user_id, "current"));
			add(&n, json_get_string(u->item, "wa_id"));
		} else if (strcmp(u->field, "messaging_handovers") == 0) {
			add(&n, json_get_string(sender, "user_id"));
			add(&n, json_get_string(sender, "phone_number"));
		} else if (is_of_list(u, "calls")) {
			add_call(&n, u->item);
		} else if (customer_called(u)) {
			add_status(&n, u->item);
		}
		break;
	}
	return n.len;
}

bool customer_called(const struct split_update *u)
{
	return is_of_list(u, "calls") ||
		(is_of_list(u, "statuses") && strcmp(u->field, "calls") == 0 && is_text(u->item, "status", "ACCEPTED"));
}

enum store_holder customer_holder(const struct split_update *u)
{
	const char *type = json_get_string(u->item, "type"), *owner;

	if (u->kind == STORE_UPDATE_MESSAGE)
		return u->standby ? STORE_HELD_ELSEWHERE : STORE_HELD_HERE;
	if (u->kind == STORE_UPDATE_ECHO)
		return u->standby ? STORE_HELD_ELSEWHERE : 0;
	if (strcmp(u->field, "messaging_handovers") != 0 || type == NULL)
		return 0;
	owner = json_get_string(json_get(u->item, type), "new_owner_role");
	if (owner == NULL)
		return 0;
	return strcmp(owner, AGENT_ROLE) == 0 ? STORE_HELD_ELSEWHERE : STORE_HELD_HERE;
}
