/*
 * Reading what messages of both directions hold. An inbound one lies in an envelope of
 * ours, {"message", "contact", ...}; an outbound one is the body as it was queued.
 */
#include "gateway/content.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"

cJSON *content_open(struct tenants *t, const struct store_message *m)
{
	const struct tenant_place where = {m->business_id, "messages", m->id, "content", 1};
	uint8_t *plain = NULL;
	cJSON *content;
	size_t len;

	if (m->content == NULL || tenant_open(t, &where, m->content, m->content_len, &plain, &len) != TENANT_OK)
		return NULL;
	content = json_parse((const char *)plain, len);
	vault_wipe(plain, len);
	free(plain);
	return content;
}

void content_customer(const cJSON *content, enum store_direction direction, char out[static CONTENT_CUSTOMER_MAX + 1])
{
	const cJSON *message = json_get(content, "message"), *contact = json_get(content, "contact");
	const char *phone = json_get_string(message, "from"), *user = json_get_string(message, "from_user_id");

	if (direction == STORE_OUTBOUND) {
		phone = json_get_string(content, "to");
		user = json_get_string(content, "recipient");
		if (user == NULL)
			user = json_get_string(content, "to_user_id"); /* of an echo */
	}
	if (phone == NULL && direction == STORE_INBOUND)
		phone = json_get_string(contact, "wa_id");
	if (user == NULL && direction == STORE_INBOUND)
		user = json_get_string(contact, "user_id");
	if (phone != NULL && phone[0] >= '0' && phone[0] <= '9')
		(void)snprintf(out, CONTENT_CUSTOMER_MAX + 1, "+%s", phone);
	else
		(void)snprintf(out, CONTENT_CUSTOMER_MAX + 1, "%s", phone != NULL ? phone : user != NULL ? user : "");
}

const char *content_name(const cJSON *content)
{
	const char *name = json_get_string(json_get_path(content, "contact.profile"), "name");

	return name != NULL && name[0] != '\0' ? name : NULL;
}

/* Where the words of a message lie, the most telling first. */
static const char *const places[] = {"text.body", "button.text", "interactive.button_reply.title",
	"interactive.list_reply.title", "interactive.body.text", "image.caption", "video.caption", "document.caption",
	"document.filename", "edit.message.text.body", "edit.message.image.caption", "edit.message.video.caption",
	"edit.message.document.caption", "location.name", "location.address", "reaction.emoji", "template.name",
	"contacts[0].name.formatted_name", "order.text", "system.body"};

const char *content_text(const cJSON *content, enum store_direction direction)
{
	const cJSON *message = direction == STORE_INBOUND ? json_get(content, "message") : content;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const char *text = cJSON_GetStringValue(json_get_path(message, places[i]));

		if (text != NULL && text[0] != '\0')
			return text;
	}
	return NULL;
}
