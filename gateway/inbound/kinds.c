/*
 * The table of fields. An app may sign anything: each word is cut to what a provider's
 * word looks like before it goes out of here. Called by prepare.c.
 */
#include "gateway/inbound/kinds.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "gateway/json.h"

#define WORD_LEN ((STORE_WHAT_LEN - 1u) / 2u)
#define WORD_DIGITS_MAX 4u /* a phone number has more */
#define HISTORY_DECLINED 2593109 /* facts/meta.md 1.6: the owner did not share it */

/* Where the word of a change lies that has none of the lists of split.h, below its value. Fields with nothing to tell
 * apart are here, too: what is here is known. */
static const struct {
	const char *field, *name, *word;
} fields[] = {
	{"account_alerts", NULL, "alert_info.alert_type"},
	{"account_review_update", NULL, "decision"},
	{"account_settings_update", NULL, "type"},
	{"account_update", NULL, "event"},
	{"automatic_events", NULL, "automatic_events[0].event_name"},
	{"business_capability_update", NULL, NULL},
	{"business_username_update", NULL, "status"},
	{"business_username_updates", "business_username_update", "status"},
	{"calls", NULL, "event"},
	{"consumer_profile", NULL, NULL},
	{"flows", NULL, "event"},
	{"group_lifecycle_update", NULL, "groups[0].type"},
	{"group_participant_update", "group_participants_update", "groups[0].type"},
	{"group_participants_update", NULL, "groups[0].type"},
	{"group_settings_update", NULL, "groups[0].type"},
	{"group_status_update", NULL, "groups[0].type"},
	{"message_template_components_update", "template_components", NULL},
	{"message_template_quality_update", "template_quality", "new_quality_score"},
	{"message_template_status_update", "template", "event"},
	{"messaging_handovers", "handover", "type"},
	{"partner_solutions", NULL, "event"},
	{"payment_configuration_update", NULL, "status"},
	{"phone_number_name_update", NULL, "decision"},
	{"phone_number_quality_update", NULL, "event"},
	{"security", NULL, "event"},
	{"template_category_update", "template_category", "new_category"},
	{"template_correct_category_detection", "template_category", "correct_category"},
	{"tracking_events", NULL, "event"},
	{"user_id_update", NULL, NULL},
	{"user_preferences", NULL, "user_preferences[0].value"},
};

/* ------------------------------------------------------------ words */

/* A word as it may be kept in clear: it ends where it is a provider's word no more. "" for none. */
static void word_copy(char out[static WORD_LEN + 1], const char *text)
{
	size_t n = 0, digits = 0;

	for (; text != NULL && text[n] != '\0' && n < WORD_LEN; n++) {
		const char c = text[n];
		const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
		const bool digit = c >= '0' && c <= '9' && digits++ < WORD_DIGITS_MAX;

		if (!letter && !digit && c != ' ')
			break;
		out[n] = (char)(c == ' ' ? '_' : c);
	}
	out[n] = '\0';
}

static void put(char out[static STORE_WHAT_LEN + 1], const char *name, const char *word)
{
	char first[WORD_LEN + 1], second[WORD_LEN + 1];

	word_copy(first, name);
	word_copy(second, word);
	(void)snprintf(out, STORE_WHAT_LEN + 1, "%s%s%s", first, second[0] != '\0' ? "/" : "", second);
}

/* A small count, or -1. */
static int count_of(const cJSON *value)
{
	return cJSON_IsNumber(value) && value->valuedouble >= 0 && value->valuedouble < 1000000
		? (int)value->valuedouble
		: -1;
}

/* ------------------------------------------------------------ messages */

static const char *reaction_emoji(const cJSON *message)
{
	const char *emoji = json_get_string(json_get(message, "reaction"), "emoji");

	return emoji != NULL && emoji[0] != '\0' ? emoji : NULL;
}

enum store_relation kinds_relation(const cJSON *message, const char **wamid)
{
	static const struct {
		const char *type, *key;
		enum store_relation relation;
	} table[] = {{"edit", "original_message_id", STORE_EDITS}, {"revoke", "original_message_id", STORE_REVOKES},
		{"reaction", "message_id", STORE_REACTS}};
	const char *type = json_get_string(message, "type");

	for (size_t i = 0; type != NULL && i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(type, table[i].type) != 0)
			continue;
		*wamid = json_get_string(json_get(message, type), table[i].key);
		if (*wamid == NULL || (*wamid)[0] == '\0')
			return STORE_NO_RELATION;
		return table[i].relation == STORE_REACTS && reaction_emoji(message) == NULL ? STORE_UNREACTS
											    : table[i].relation;
	}
	return STORE_NO_RELATION;
}

/* A message's type, told more closely where that has a meaning of its own. */
static void put_message(char out[static STORE_WHAT_LEN + 1], const char *list, const cJSON *item)
{
	const char *type = json_get_string(item, "type");
	const char *inner = type != NULL ? json_get_string(json_get(item, type), "type") : NULL;
	char word[2 * WORD_LEN + 2];

	if (type != NULL && strcmp(type, "reaction") == 0 && reaction_emoji(item) == NULL)
		type = "reaction_removed";
	else if (type != NULL && inner != NULL &&
		(strcmp(type, "interactive") == 0 || strcmp(type, "system") == 0 || strcmp(type, "unsupported") == 0)) {
		(void)snprintf(word, sizeof(word), "%.*s-%.*s", (int)WORD_LEN, type, (int)WORD_LEN, inner);
		type = word;
	}
	put(out, list, type);
}

static void put_call(char out[static STORE_WHAT_LEN + 1], const cJSON *item)
{
	const char *event = json_get_string(item, "event");

	put(out, "calls", event != NULL ? event : json_get_string(item, "status"));
}

/* ------------------------------------------------------------ coexistence */

static void put_history(char out[static STORE_WHAT_LEN + 1], const cJSON *value)
{
	const cJSON *code = json_get_path(value, "history[0].errors[0].code");
	const cJSON *metadata = json_get_path(value, "history[0].metadata");
	const int phase = count_of(json_get(metadata, "phase")), chunk = count_of(json_get(metadata, "chunk_order"));
	const int progress = count_of(json_get(metadata, "progress"));

	if (code != NULL)
		put(out, "history", cJSON_GetNumberValue(code) == HISTORY_DECLINED ? "declined" : "error");
	else if (phase >= 0 || chunk >= 0 || progress >= 0)
		(void)snprintf(out, STORE_WHAT_LEN + 1, "history/phase %d, chunk %d, %d %%", phase >= 0 ? phase : 0,
			chunk >= 0 ? chunk : 0, progress >= 0 ? progress : 0);
	else
		put(out, "history", cJSON_IsArray(json_get(value, "messages")) ? "media" : NULL);
}

static void put_contacts(char out[static STORE_WHAT_LEN + 1], const cJSON *value)
{
	const cJSON *one;
	int added = 0, removed = 0;

	cJSON_ArrayForEach (one, json_get(value, "state_sync")) {
		const char *action = json_get_string(one, "action");

		added += action != NULL && strcmp(action, "add") == 0;
		removed += action != NULL && strcmp(action, "remove") == 0;
	}
	(void)snprintf(out, STORE_WHAT_LEN + 1, "smb_app_state_sync/%d added, %d removed", added, removed);
}

/* ------------------------------------------------------------ all */

static void put_other(char out[static STORE_WHAT_LEN + 1], const struct split_update *u)
{
	if (strcmp(u->field, "history") == 0) {
		put_history(out, u->item);
		return;
	}
	if (strcmp(u->field, "smb_app_state_sync") == 0) {
		put_contacts(out, u->item);
		return;
	}
	if (u->list != NULL && strcmp(u->field, "calls") == 0) {
		put_call(out, u->item);
		return;
	}
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(fields[i].field, u->field) == 0) {
			put(out, fields[i].name != NULL ? fields[i].name : u->field,
				fields[i].word != NULL ? cJSON_GetStringValue(json_get_path(u->item, fields[i].word))
						       : NULL);
			return;
		}
	if (cJSON_IsArray(json_get(u->item, "errors")))
		put(out, u->field, "errors");
	else if (cJSON_IsArray(json_get(u->item, "user_actions")))
		put(out, "user_actions", cJSON_GetStringValue(json_get_path(u->item, "user_actions[0].action_type")));
	else
		put(out, u->field[0] != '\0' ? u->field : "unknown", u->list);
}

void kinds_what(const struct split_update *u, char out[static STORE_WHAT_LEN + 1])
{
	switch (u->kind) {
	case STORE_UPDATE_MESSAGE:
		put_message(out, u->standby ? "standby" : "messages", u->item);
		break;
	case STORE_UPDATE_ECHO:
		put_message(out, u->standby ? "standby_echoes" : "echoes", u->item);
		break;
	case STORE_UPDATE_STATUS:
		put(out, "statuses", json_get_string(u->item, "status"));
		break;
	case STORE_UPDATE_OTHER:
		put_other(out, u);
		break;
	}
}
