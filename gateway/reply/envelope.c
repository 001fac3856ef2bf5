/*
 * Meta's envelope around one update. The update is a stranger's and goes in as it came, but for
 * the one field in which our own id travels. Called by platform.c.
 */
#include "gateway/reply/envelope.h"

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"

#define OPAQUE "biz_opaque_callback_data"

/* ------------------------------------------------------------ whose opaque value it is */

/* What the client had put there, in a message of ours. */
struct original {
	struct tenants *tenants;
	char id[STORE_ID_LEN + 1]; /* "": it is none of ours */
	cJSON *message; /* NULL where its content is not kept any more */
	enum reply_envelope_error err;
};

static bool read_original(const struct store_message *m, void *arg)
{
	struct original *o = arg;
	const struct tenant_place place = {m->business_id, "messages", m->id, "content", 1};
	uint8_t *plain = NULL;
	size_t len = 0;

	if (m->direction != STORE_OUTBOUND)
		return false;
	memcpy(o->id, m->id, sizeof(o->id));
	if (m->content_len == 0)
		return false;
	switch (tenant_open(o->tenants, &place, m->content, m->content_len, &plain, &len)) {
	case TENANT_OK:
		o->message = json_parse((const char *)plain, len);
		vault_wipe(plain, len);
		free(plain);
		break;
	case TENANT_NOT_FOUND:
	case TENANT_BAD_DATA:
		break;
	case TENANT_VAULT:
	case TENANT_STORE:
		o->err = REPLY_ENVELOPE_STORE;
		break;
	case TENANT_NO_MEMORY:
		o->err = REPLY_ENVELOPE_NO_MEMORY;
		break;
	}
	return false;
}

static enum reply_envelope_error find_original(
	const struct reply_context *c, const char *business_id, const char *id, struct original *out)
{
	enum store_error err;

	*out = (struct original){.tenants = c->tenants};
	if (id == NULL || strlen(id) != STORE_ID_LEN)
		return REPLY_ENVELOPE_OK;
	err = store_message_get(c->store, business_id, id, read_original, out);
	if (err == STORE_OK || err == STORE_NOT_FOUND)
		return out->err;
	return err == STORE_NO_MEMORY ? REPLY_ENVELOPE_NO_MEMORY : REPLY_ENVELOPE_STORE;
}

/* A copy of the status with the client's own value, and the message of ours that it is about. */
static enum reply_envelope_error status_copy(const struct reply_context *c, const struct reply_question *question,
	cJSON **out, char message_id[static STORE_ID_LEN + 1])
{
	struct original original;
	cJSON *copy = NULL, *client = NULL;
	enum reply_envelope_error err =
		find_original(c, question->business_id, json_get_string(question->item, OPAQUE), &original);

	if (err != REPLY_ENVELOPE_OK)
		goto out;
	err = REPLY_ENVELOPE_NO_MEMORY;
	copy = cJSON_Duplicate(question->item, true);
	if (copy == NULL)
		goto out;
	if (original.id[0] != '\0') {
		client = cJSON_DetachItemFromObjectCaseSensitive(original.message, OPAQUE);
		/* All of them: a key may stand there twice. */
		while (json_get(copy, OPAQUE) != NULL)
			cJSON_DeleteItemFromObjectCaseSensitive(copy, OPAQUE);
		if (client != NULL && !cJSON_AddItemToObject(copy, OPAQUE, client))
			goto out;
		client = NULL; /* transferred */
	}
	memcpy(message_id, original.id, sizeof(original.id));
	*out = copy; /* transferred */
	copy = NULL;
	err = REPLY_ENVELOPE_OK;
out:
	cJSON_Delete(client);
	cJSON_Delete(copy);
	cJSON_Delete(original.message);
	return err;
}

/* ------------------------------------------------------------ the envelope */

/* The library wants what it only borrows to be writable. */
static cJSON *borrowed(const cJSON *value)
{
	return (cJSON *)(uintptr_t)value;
}

static bool add_metadata(cJSON *value, const struct reply_question *question)
{
	cJSON *made;

	if (cJSON_IsObject(question->metadata))
		return cJSON_AddItemReferenceToObject(value, "metadata", borrowed(question->metadata));
	made = cJSON_AddObjectToObject(value, "metadata");
	return cJSON_AddStringToObject(made, "phone_number_id", question->number) != NULL;
}

/* value.messages with value.contacts, or value.statuses. */
static bool add_item(cJSON *value, const struct reply_question *question, const cJSON *item)
{
	const bool status = question->kind == STORE_ASK_STATUS;
	cJSON *list;

	if (!status && cJSON_IsObject(question->contact)) {
		list = cJSON_AddArrayToObject(value, "contacts");
		if (list == NULL || !cJSON_AddItemReferenceToArray(list, borrowed(question->contact)))
			return false;
	}
	list = cJSON_AddArrayToObject(value, status ? "statuses" : "messages");
	return list != NULL && cJSON_AddItemReferenceToArray(list, borrowed(item));
}

/* An empty object at the end of a list under key. NULL: memory is short. */
static cJSON *add_only(cJSON *object, const char *key)
{
	cJSON *list = cJSON_AddArrayToObject(object, key), *element = cJSON_CreateObject();

	return json_list_add(list, element) ? element : NULL;
}

static bool add_change(cJSON *change, const struct reply_question *question, const cJSON *item)
{
	cJSON *value;

	if (question->value != NULL)
		return cJSON_AddStringToObject(change, "field", question->field != NULL ? question->field : "") !=
			NULL &&
			cJSON_AddItemReferenceToObject(change, "value", borrowed(question->value));
	if (cJSON_AddStringToObject(change, "field", "messages") == NULL)
		return false;
	value = cJSON_AddObjectToObject(change, "value");
	return cJSON_AddStringToObject(value, "messaging_product", "whatsapp") != NULL &&
		add_metadata(value, question) && add_item(value, question, item);
}

static char *envelope_text(const struct reply_question *question, const char *account, const cJSON *item)
{
	cJSON *root = cJSON_CreateObject(), *entry, *change;
	bool good = cJSON_AddStringToObject(root, "object", "whatsapp_business_account") != NULL;
	char *text = NULL;

	entry = add_only(root, "entry");
	good = good && cJSON_AddStringToObject(entry, "id", account) != NULL;
	change = add_only(entry, "changes");
	good = good && add_change(change, question, item);
	if (good)
		text = json_text(root);
	cJSON_Delete(root);
	return text;
}

enum reply_envelope_error reply_envelope(const struct reply_context *c, const struct reply_question *question,
	char **out, char message_id[static STORE_ID_LEN + 1])
{
	struct store_connection connection = {.waba_id = ""};
	char ours[STORE_ID_LEN + 1] = "";
	cJSON *status = NULL;
	enum reply_envelope_error err = REPLY_ENVELOPE_OK;
	const enum store_error found =
		store_connection_get(c->store, question->business_id, question->connection_id, &connection);
	char *text;

	/* A connection that was removed meanwhile leaves the account's id empty. */
	if (found != STORE_OK && found != STORE_NOT_FOUND)
		return REPLY_ENVELOPE_STORE;
	if (question->kind == STORE_ASK_STATUS && question->value == NULL)
		err = status_copy(c, question, &status, ours);
	if (err != REPLY_ENVELOPE_OK)
		return err;
	text = envelope_text(question, question->account != NULL ? question->account : connection.waba_id,
		status != NULL ? status : question->item);
	cJSON_Delete(status);
	if (text == NULL)
		return REPLY_ENVELOPE_NO_MEMORY;
	memcpy(message_id, ours, sizeof(ours));
	*out = text; /* transferred */
	return REPLY_ENVELOPE_OK;
}
