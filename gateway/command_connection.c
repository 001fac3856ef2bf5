/*
 * Commands about a shop's connections. Keys are read from a prompt, standard input or a
 * file, never from the command line.
 */
#include "gateway/command_line.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "gateway/console.h"
#include "gateway/json.h"

/* What 360dialog is to send along with every webhook; shown this once. */
static void show_headers(const cJSON *headers)
{
	const cJSON *header;

	cJSON_ArrayForEach (header, headers) {
		const char *value = cJSON_GetStringValue(header);

		console_text("webhook_headers", 16);
		(void)printf("%s: %s   (shown this once)\n", header->string, value != NULL ? value : "");
	}
}

/* Shows a connection with its checks; says what is not proven. Returns the exit status: EXIT_FAILED where one failed. */
static int show_connection(const struct line *l, const cJSON *connection)
{
	const char *url = json_get_string(connection, "webhook_url");
	int result = EXIT_DONE;
	const cJSON *check;

	console_object(connection, l->json);
	if (!l->json)
		show_headers(json_get(connection, "webhook_headers"));
	cJSON_ArrayForEach (check, json_get(connection, "checks")) {
		const char *name = json_get_string(check, "name"), *state = json_get_string(check, "result");
		const char *detail = json_get_string(check, "detail");

		if (!l->json)
			(void)printf("  %-12s %-8s %s\n", name != NULL ? name : "", state != NULL ? state : "",
				detail != NULL ? detail : "");
		if (state != NULL && strcmp(state, "failed") == 0)
			result = EXIT_FAILED;
	}
	(void)fflush(stdout);
	if (result == EXIT_FAILED)
		(void)fprintf(stderr,
			"keyhouse: it is stored, but not every check passed; mend what failed, then run "
			"`keyhouse connection test`\n");
	if (url != NULL && strncmp(url, "https://", 8) != 0)
		(void)fprintf(stderr,
			"keyhouse: public_url is not https, so the provider cannot call this webhook_url; "
			"set it in %s/keyhouse.conf\n",
			config_get(l->config, CONFIG_DATA_DIR));
	return result;
}

/* ------------------------------------------------------------ adding */

/* Said before a person is asked for two keys. */
static bool ids_there(const struct line *l)
{
	const char *ids[][2] = {
		{"app_id", l->app_id}, {"waba_id", l->waba_id}, {"phone_number_id", l->phone_number_id}};

	for (size_t i = 0; i < 3; i++) {
		if (ids[i][1] != NULL)
			continue;
		(void)fprintf(stderr,
			"keyhouse: connection add needs --app-id, --waba-id and --phone-number-id; %s is missing\n",
			ids[i][0]);
		return false;
	}
	return true;
}

static void add_text(cJSON *body, const char *name, const char *value)
{
	if (value != NULL)
		(void)cJSON_AddStringToObject(body, name, value);
}

/* Reads the provider's secrets, in the order that the help names. */
static bool add_secrets(const struct line *l, cJSON *body, bool d360)
{
	if (!d360)
		return line_secret(body, "app_secret", l->app_secret_file) &&
			line_secret(body, "access_token", l->access_token_file);
	return line_secret(body, "api_key", l->api_key_file) &&
		(!l->platform_secret || line_secret(body, "platform_secret", NULL));
}

int command_connection_add(struct line *l)
{
	const char *provider = l->provider != NULL ? l->provider : "meta";
	bool d360 = strcmp(provider, "360dialog") == 0;
	cJSON *body, *answer = NULL;
	char path[LINE_PATH_LEN];
	int result = EXIT_FAILED;

	if (!d360 && !ids_there(l))
		return EXIT_USAGE;
	body = cJSON_CreateObject();
	add_text(body, "provider", provider);
	add_text(body, "app_id", l->app_id);
	add_text(body, "waba_id", l->waba_id);
	add_text(body, "phone_number_id", l->phone_number_id);
	add_text(body, "client_id", l->client_id);
	(void)cJSON_AddBoolToObject(body, "verify", !l->no_verify);
	if (l->take_over)
		(void)cJSON_AddTrueToObject(body, "take_over");
	if (line_path(path, "/v1/businesses", l->words[0], "connections", NULL, NULL) && add_secrets(l, body, d360))
		result = line_ask_json(l, "POST", path, !l->no_verify, body, &answer);
	if (result == EXIT_DONE)
		result = show_connection(l, answer);
	cJSON_Delete(answer);
	cJSON_Delete(body);
	return result;
}

/* ------------------------------------------------------------ testing, removing, listing */

int command_connection_test(struct line *l)
{
	cJSON *body = NULL, *answer = NULL;
	char path[LINE_PATH_LEN];
	int result = EXIT_FAILED;

	if (l->take_over) {
		body = cJSON_CreateObject();
		(void)cJSON_AddTrueToObject(body, "take_over");
	}
	if (line_path(path, "/v1/businesses", l->words[0], "connections", l->words[1], l->take_over ? NULL : "test"))
		result = line_ask_json(l, l->take_over ? "PATCH" : "POST", path, true, body, &answer);
	if (result == EXIT_DONE)
		result = show_connection(l, answer);
	cJSON_Delete(answer);
	cJSON_Delete(body);
	return result;
}

int command_connection_remove(struct line *l)
{
	char path[LINE_PATH_LEN];

	if (!l->yes) {
		(void)line_complain("this destroys the connection's keys for ever; say --yes to do it");
		return EXIT_USAGE;
	}
	if (!line_path(path, "/v1/businesses", l->words[0], "connections", l->words[1], NULL))
		return EXIT_FAILED;
	return line_delete(l, path, l->words[1], "removed");
}

int command_connection_list(struct line *l)
{
	static const char *const columns[] = {"id", "provider", "status", "phone_number_id", "display_phone", NULL};
	static const int widths[] = {26, 9, 14, 20, 0};
	char path[LINE_PATH_LEN];

	return line_path(path, "/v1/businesses", l->words[0], "connections", NULL, NULL)
		? line_list(l, path, columns, widths)
		: EXIT_FAILED;
}
