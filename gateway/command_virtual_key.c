/*
 * Commands about virtual keys, each of which stands for a shop's own keys towards one client.
 */
#include "gateway/command_line.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "gateway/console.h"
#include "gateway/json.h"
#include "gateway/virtual_key_issue.h"

#define PART_LEN 64u

static bool is_fine(const char *option, const char *rule)
{
	if (rule != NULL)
		(void)fprintf(stderr, "keyhouse: %s %s\n", option, rule);
	return rule == NULL;
}

/* The parts between commas, as a list. */
static cJSON *parts_add(cJSON *body, const char *name, const char *text)
{
	cJSON *list = cJSON_AddArrayToObject(body, name);
	char part[PART_LEN + 1];

	for (bool more = true; more;) {
		const size_t len = strcspn(text, ",");

		(void)snprintf(part, sizeof(part), "%.*s", (int)(len <= PART_LEN ? len : 0), text);
		(void)json_list_add(list, cJSON_CreateString(part));
		more = text[len] == ',';
		text += len + 1;
	}
	return list;
}

static bool ask_scopes(struct store_virtual_key *k, cJSON *body, const char *text)
{
	const cJSON *list = parts_add(body, "scopes", text), *item;

	cJSON_ArrayForEach (item, list)
		if (!is_fine("--scopes", virtual_key_ask_scope(k, item->valuestring)))
			return false;
	return true;
}

/* Whose they are the API knows. */
static bool ask_numbers(cJSON *body, const char *text)
{
	return is_fine("--numbers", virtual_key_ask_numbers_len(cJSON_GetArraySize(parts_add(body, "numbers", text))));
}

static bool ask_limits(const struct line *l, struct store_virtual_key *k, cJSON *body)
{
	const struct {
		const char *text, *option, *field;
		const char *(*ask)(struct store_virtual_key *k, double n);
	} limits[] = {{l->rate_per_minute, "--rate-per-minute", "rate_per_minute", virtual_key_ask_rate},
		{l->messages_per_day, "--messages-per-day", "messages_per_day", virtual_key_ask_budget}};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const double n = limits[i].text != NULL ? virtual_key_count(limits[i].text) : 0;

		if (limits[i].text == NULL)
			continue;
		if (!is_fine(limits[i].option, limits[i].ask(k, n)))
			return false;
		(void)cJSON_AddNumberToObject(body, limits[i].field, n);
	}
	return true;
}

static bool ask_end(const struct line *l, struct store_virtual_key *k, cJSON *body)
{
	const double days = l->expires_in_days != NULL ? virtual_key_count(l->expires_in_days) : 0;
	const int64_t now = store_now_ms();

	if (l->expires_in_days != NULL) {
		if (!is_fine("--expires-in-days", virtual_key_ask_days(k, days, now)))
			return false;
		(void)cJSON_AddNumberToObject(body, "expires_in_days", days);
	}
	if (l->expires_at != NULL) {
		if (!is_fine("--expires-at", virtual_key_ask_end(k, l->expires_at, now)))
			return false;
		(void)cJSON_AddStringToObject(body, "expires_at", l->expires_at);
	}
	return true;
}

/* Fills the body. False, with a sentence on standard error: an option is wrong. */
static bool ask_for(const struct line *l, cJSON *body)
{
	struct store_virtual_key k = {.id = ""};

	if (l->name == NULL) {
		(void)line_complain("virtual-key add needs --name NAME (which client will use it)");
		return false;
	}
	(void)cJSON_AddStringToObject(body, "name", l->name);
	return is_fine("--name", virtual_key_ask_name(&k, l->name)) &&
		(l->scopes == NULL || ask_scopes(&k, body, l->scopes)) &&
		(l->numbers == NULL || ask_numbers(body, l->numbers)) && ask_limits(l, &k, body) &&
		ask_end(l, &k, body);
}

static void show_new(const struct line *l, const cJSON *answer)
{
	const char *key = json_get_string(answer, "key"), *id = json_get_string(answer, "id");

	if (l->json) {
		console_object(answer, true);
		return;
	}
	(void)printf("%s\n", key != NULL ? key : "");
	(void)fflush(stdout);
	(void)fprintf(stderr, "It is shown this once. To end it: keyhouse virtual-key revoke %s %s\n", l->words[0],
		id != NULL ? id : "ID");
}

static void no_business(struct line *l)
{
	(void)snprintf(l->not_found, sizeof(l->not_found), "there is no business %s; see `keyhouse business list`",
		l->words[0]);
}

int command_virtual_key_add(struct line *l)
{
	cJSON *body = cJSON_CreateObject(), *answer = NULL;
	char path[LINE_PATH_LEN];
	int result = EXIT_USAGE;

	no_business(l);
	if (ask_for(l, body))
		result = line_path(path, "/v1/businesses", l->words[0], "keys", NULL, NULL)
			? line_ask_json(l, "POST", path, false, body, &answer)
			: EXIT_FAILED;
	if (result == EXIT_DONE)
		show_new(l, answer);
	cJSON_Delete(answer);
	cJSON_Delete(body);
	return result;
}

int command_virtual_key_list(struct line *l)
{
	static const char *const columns[] = {"id", "last4", "scopes", "expires_at", "revoked_at", "name", NULL};
	static const int widths[] = {26, 5, 25, 24, 24, 0};
	char path[LINE_PATH_LEN];

	no_business(l);
	return line_path(path, "/v1/businesses", l->words[0], "keys", NULL, NULL) ? line_list(l, path, columns, widths)
										  : EXIT_FAILED;
}

int command_virtual_key_revoke(struct line *l)
{
	char path[LINE_PATH_LEN];

	(void)snprintf(l->not_found, sizeof(l->not_found),
		"that business has no such virtual key; see `keyhouse virtual-key list %s`", l->words[0]);
	return line_path(path, "/v1/businesses", l->words[0], "keys", l->words[1], NULL)
		? line_delete(l, path, l->words[1], "revoked")
		: EXIT_FAILED;
}
