/*
 * What a shop need not type: debug_token names the accounts that a token is for, an account its numbers (facts/meta.md
 * 5, 6). And what a shop typed in the wrong place, as far as the same answers tell.
 *
 * Called by meta.c. The answers are from outside: any shape is survived.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "gateway/connect/form.h"
#include "gateway/connect/internal.h"
#include "gateway/json.h"

#define LIST_MAX 50 /* of the numbers that Meta lists at once */

static void unfound(struct connecting *w, enum connect_error err, const char *field, const char *detail)
{
	w->unfound = err;
	form_fault(w->report, field, detail);
}

/* ------------------------------------------------------------ accounts */

/* The accounts that a granular scope is for; NULL where it is no WhatsApp scope. */
static const cJSON *targets_of(const cJSON *granular)
{
	const char *scope = json_get_string(granular, "scope");
	const cJSON *targets = json_get(granular, "target_ids");

	return scope != NULL && strncmp(scope, "whatsapp_business_", 18) == 0 && cJSON_IsArray(targets) ? targets
													: NULL;
}

bool find_is_target(const cJSON *token, const char *waba_id, bool *listed)
{
	const cJSON *granular, *target;
	bool found = false;

	*listed = false;
	cJSON_ArrayForEach (granular, json_get_path(token, "data.granular_scopes")) {
		cJSON_ArrayForEach (target, targets_of(granular)) {
			const char *id = cJSON_GetStringValue(target);

			*listed = true;
			found = found || (id != NULL && strcmp(id, waba_id) == 0);
		}
	}
	return found;
}

/* The one account that the token is for. *several: it is for more. */
static const char *only_target(const cJSON *token, bool *several)
{
	const cJSON *granular, *target;
	const char *only = NULL;

	*several = false;
	cJSON_ArrayForEach (granular, json_get_path(token, "data.granular_scopes")) {
		cJSON_ArrayForEach (target, targets_of(granular)) {
			const char *id = cJSON_GetStringValue(target);

			if (!connect_is_id(id))
				continue;
			*several = *several || (only != NULL && strcmp(only, id) != 0);
			only = id;
		}
	}
	return *several ? NULL : only;
}

void find_waba(struct connecting *w, const struct outbound_result *debug, const cJSON *token)
{
	bool several;
	const char *only = only_target(token, &several);

	if (only != NULL)
		(void)snprintf(w->connection->waba_id, sizeof(w->connection->waba_id), "%s", only);
	else if (several)
		unfound(w, CONNECT_INVALID, "waba_id",
			"is missing, and the token is for several WhatsApp Business Accounts: enter the id of the one "
			"that has the number; it stands " FIND_IDS);
	else if (debug->class == OUTBOUND_ACCEPTED)
		unfound(w, CONNECT_INVALID, "waba_id",
			"is missing, and Meta does not say which WhatsApp Business Account the token is for: enter its "
			"id; it "
			"stands " FIND_IDS);
	else if (connect_is_silent(debug))
		unfound(w, CONNECT_UNAVAILABLE, "waba_id",
			"Meta does not say now which WhatsApp Business Account the token is for; try again later, or "
			"enter its "
			"id: it stands " FIND_IDS);
	else
		unfound(w, CONNECT_INVALID, "access_token",
			"Meta does not show this token to this app: take app id, app secret and access token from the "
			"same app");
}

/* ------------------------------------------------------------ numbers */

static void choice_read(const cJSON *number, struct connect_choice *out)
{
	const char *phone = json_get_string(number, "display_phone_number");
	const char *name = json_get_string(number, "verified_name");

	(void)snprintf(out->id, sizeof(out->id), "%s", json_get_string(number, "id"));
	connect_text(out->display_phone, sizeof(out->display_phone), phone != NULL ? phone : "");
	connect_text(out->verified_name, sizeof(out->verified_name), name != NULL ? name : "");
}

/* Takes the account's one number, or lists them. */
static void choose(struct connecting *w, const cJSON *numbers)
{
	struct connect_report *report = w->report;
	const cJSON *number;

	cJSON_ArrayForEach (number, json_get(numbers, "data")) {
		if (connect_is_id(json_get_string(number, "id")) && report->choices_len < CONNECT_CHOICES_MAX)
			choice_read(number, &report->choices[report->choices_len++]);
	}
	if (report->choices_len > 1) {
		unfound(w, CONNECT_CHOICE, "phone_number_id",
			"is missing, and the account has several numbers: choose one");
	} else if (report->choices_len == 1) {
		(void)snprintf(w->connection->phone_number_id, sizeof(w->connection->phone_number_id), "%s",
			report->choices[0].id);
		report->choices_len = 0;
	} else {
		unfound(w, CONNECT_INVALID, "phone_number_id",
			"is missing, and the account has no number yet: add one in Meta's WhatsApp Manager, then "
			"connect it");
	}
}

void find_number(struct connecting *w, const struct outbound_result *list, const cJSON *numbers)
{
	if (list->class == OUTBOUND_ACCEPTED)
		choose(w, numbers);
	else if (connect_is_silent(list))
		unfound(w, CONNECT_UNAVAILABLE, "phone_number_id",
			"Meta does not list the account's numbers now; try again later, or enter the phone number id: "
			"it "
			"stands " FIND_IDS);
	else
		unfound(w, CONNECT_INVALID, "waba_id",
			"Meta knows no such WhatsApp Business Account, or does not show it to the token: compare the "
			"id "
			"with the one " FIND_IDS);
}

/* ------------------------------------------------------------ what was mixed up */

/* The number of the account whose phone number is id: pasted in the place of its id. NULL: none. */
static const char *id_of_phone(const cJSON *numbers, const char *id)
{
	const cJSON *number;
	char shown[CONNECT_DIGITS_MAX + 1];

	cJSON_ArrayForEach (number, json_get(numbers, "data")) {
		const char *phone = json_get_string(number, "display_phone_number"),
			   *its = json_get_string(number, "id");

		if (phone == NULL || !connect_is_id(its))
			continue;
		connect_digits(phone, shown);
		if (strcmp(shown, id) == 0)
			return its;
	}
	return NULL;
}

static bool is_listed(const cJSON *numbers, const char *id)
{
	const cJSON *number;

	cJSON_ArrayForEach (number, json_get(numbers, "data")) {
		const char *its = json_get_string(number, "id");

		if (its != NULL && strcmp(its, id) == 0)
			return true;
	}
	return false;
}

bool find_is_elsewhere(const struct connecting *w, const cJSON *token, const cJSON *numbers, char *why, size_t room)
{
	const struct store_connection *s = w->connection;
	const char *id = id_of_phone(numbers, s->phone_number_id);
	int listed = cJSON_GetArraySize(json_get(numbers, "data"));
	bool some;

	why[0] = '\0';
	if (strcmp(s->phone_number_id, s->app_id) == 0)
		(void)snprintf(why, room, "phone_number_id holds the app id; the phone number id stands " FIND_IDS);
	else if (find_is_target(token, s->phone_number_id, &some))
		(void)snprintf(why, room,
			"phone_number_id holds the id of a WhatsApp Business Account; the two ids stand next to each "
			"other " FIND_IDS);
	else if (id != NULL)
		(void)snprintf(
			why, room, "phone_number_id holds the phone number itself; Meta's id of this number is %s", id);
	else if (numbers != NULL && listed < LIST_MAX && !is_listed(numbers, s->phone_number_id))
		(void)snprintf(why, room,
			"the account of waba_id has no number with this phone_number_id; compare both ids with "
			"those " FIND_IDS);
	return why[0] != '\0';
}
