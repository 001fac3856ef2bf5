/*
 * The text by which an update is known again. Ids hold phone numbers, so that the text
 * never goes anywhere but into a keyed hash. Called by prepare.c.
 */
#include "gateway/inbound/seen.h"

#include <string.h>

#include "gateway/inbound/message.h"
#include "gateway/json.h"

static const char *id_of(const cJSON *item)
{
	const char *id = json_get_string(item, "id");

	return id != NULL && id[0] != '\0' ? id : NULL;
}

static const char *participant_of(const cJSON *status)
{
	const char *participant = json_get_string(status, "recipient_participant_id");

	if (participant == NULL)
		participant = json_get_string(status, "recipient_participant_user_id");
	if (participant == NULL)
		participant = json_get_string(status, "recipient_participant_parent_user_id");
	return participant != NULL ? participant : "";
}

static char *other_text(const struct split_update *u)
{
	char *item = json_text(u->item);
	char *time = u->time != NULL ? json_text(u->time) : strdup("");
	const char *const parts[] = {"o:", u->account != NULL ? u->account : "", " ", time, " ", u->field, " ", item};
	char *text = NULL;

	if (item != NULL && time != NULL)
		text = message_join(parts, sizeof(parts) / sizeof(parts[0]));
	json_text_free(item);
	json_text_free(time);
	return text;
}

char *seen_text(const struct split_update *u)
{
	const char *id = id_of(u->item);
	const char *status = json_get_string(u->item, "status");

	if (id != NULL && u->kind == STORE_UPDATE_ECHO) {
		const char *const parts[] = {"e:", id};

		return message_join(parts, sizeof(parts) / sizeof(parts[0]));
	}
	if (id != NULL && u->kind == STORE_UPDATE_STATUS && status != NULL) {
		const char *const parts[] = {"s:", id, ":", status, ":", participant_of(u->item)};

		return message_join(parts, sizeof(parts) / sizeof(parts[0]));
	}
	return other_text(u);
}
