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

#define META "meta"
#define D360 "360dialog"
#define VERIFY_TOKEN "verify_token"

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

/* Whether something of it does not open; then the checks that need it say nothing else, and what is next is that. */
static bool show_damaged(const struct line *l, const cJSON *connection)
{
	const cJSON *secret;
	bool any = false;

	cJSON_ArrayForEach (secret, json_get(connection, "secrets")) {
		if (!cJSON_IsTrue(json_get(secret, "damaged")))
			continue;
		any = true;
		(void)fprintf(stderr, "keyhouse: what is kept as %s is damaged and does not open\n", secret->string);
	}
	if (any)
		(void)fprintf(stderr, "keyhouse: what to do says keyhouse doctor %s\n", l->words[0]);
	return any;
}

/* What to do next, as it is to be typed: registering mends the callback, the rest is tested again once it is mended. */
static void show_next(const struct line *l, const cJSON *connection, bool failed, bool registered)
{
	const char *id = json_get_string(connection, "id"), *url = json_get_string(connection, "webhook_url");

	if (failed)
		(void)fprintf(stderr,
			"keyhouse: it is stored, but not every check passed; mend what failed, then run\n"
			"keyhouse connection %s %s %s\n",
			registered ? "test" : "register", l->words[0], id != NULL ? id : "");
	else if (!registered)
		(void)fprintf(stderr,
			"keyhouse: our webhook is not registered yet; while the service runs:\n"
			"keyhouse connection register %s %s\n",
			l->words[0], id != NULL ? id : "");
	if (url != NULL && strncmp(url, "https://", 8) != 0)
		(void)fprintf(stderr,
			"keyhouse: public_url is not https, so the provider cannot call this webhook_url; "
			"set it in %s/keyhouse.conf\n",
			config_get(l->config, CONFIG_DATA_DIR));
}

static bool is_d360(const cJSON *connection)
{
	const char *provider = json_get_string(connection, "provider");

	return provider != NULL && strcmp(provider, D360) == 0;
}

static void show_fields(const struct line *l, cJSON *connection)
{
	/* 360dialog knows none. */
	if (!l->json && is_d360(connection))
		cJSON_DeleteItemFromObjectCaseSensitive(connection, "verify_token");
	console_object(connection, l->json);
}

/* Shows a connection with its checks; says what is not proven. Returns the exit status: EXIT_FAILED where one failed, or
 * something is damaged. */
static int show_connection(const struct line *l, cJSON *connection)
{
	bool failed = false, registered = false;
	const cJSON *check;

	show_fields(l, connection);
	if (!l->json)
		show_headers(json_get(connection, "webhook_headers"));
	cJSON_ArrayForEach (check, json_get(connection, "checks")) {
		const char *name = json_get_string(check, "name"), *state = json_get_string(check, "result");
		const char *detail = json_get_string(check, "detail");

		if (name == NULL || state == NULL)
			continue;
		if (!l->json)
			(void)printf("  %-12s %-8s %s\n", name, state, detail != NULL ? detail : "");
		failed = failed || strcmp(state, "failed") == 0;
		registered = registered || (strcmp(name, "callback") == 0 && strcmp(state, "ok") == 0);
	}
	(void)fflush(stdout);
	if (show_damaged(l, connection))
		return EXIT_FAILED;
	show_next(l, connection, failed, registered);
	return failed ? EXIT_FAILED : EXIT_DONE;
}

/* ------------------------------------------------------------ adding */

/* Said before a person is asked for two keys. Meta tells the other ids, where it is asked at all. */
static bool ids_there(const struct line *l)
{
	const char *ids[][2] = {
		{"app_id", l->app_id}, {"waba_id", l->waba_id}, {"phone_number_id", l->phone_number_id}};

	for (size_t i = 0; i < (l->no_verify ? 3u : 1u); i++) {
		if (ids[i][1] != NULL)
			continue;
		(void)fprintf(stderr,
			l->no_verify ? "keyhouse: connection add --no-verify needs --app-id, --waba-id and "
				       "--phone-number-id; %s is missing\n"
				     : "keyhouse: connection add needs --app-id; %s is missing\n",
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

/* Said before keys are asked for, too. */
static int business_there(struct line *l)
{
	cJSON *answer = NULL;
	char path[LINE_PATH_LEN];
	int result;

	if (!line_path(path, "/v1/businesses", l->words[0], NULL, NULL, NULL))
		return EXIT_FAILED;
	(void)snprintf(l->not_found, sizeof(l->not_found),
		"there is no business %s; add it with `keyhouse business add %s --name ...`", l->words[0], l->words[0]);
	result = line_ask_json(l, "GET", path, false, NULL, &answer);
	cJSON_Delete(answer);
	return result;
}

int command_connection_add(struct line *l)
{
	const char *provider = l->provider != NULL ? l->provider : META;
	bool d360 = strcmp(provider, D360) == 0;
	cJSON *body, *answer = NULL;
	char path[LINE_PATH_LEN];
	int result = EXIT_FAILED;

	if (!d360 && strcmp(provider, META) != 0) {
		(void)line_complain("--provider must be meta or 360dialog");
		return EXIT_USAGE;
	}
	if (!d360 && l->sandbox) {
		(void)line_complain("--sandbox is 360dialog's: say --provider 360dialog, too");
		return EXIT_USAGE;
	}
	if (!d360 && !ids_there(l))
		return EXIT_USAGE;
	if (business_there(l) != EXIT_DONE)
		return EXIT_FAILED;
	body = cJSON_CreateObject();
	add_text(body, "provider", provider);
	add_text(body, "app_id", l->app_id);
	add_text(body, "waba_id", l->waba_id);
	add_text(body, "phone_number_id", l->phone_number_id);
	add_text(body, "client_id", l->client_id);
	(void)cJSON_AddBoolToObject(body, "verify", !l->no_verify);
	if (l->take_over)
		(void)cJSON_AddTrueToObject(body, "take_over");
	if (l->sandbox)
		(void)cJSON_AddTrueToObject(body, "sandbox");
	if (line_path(path, "/v1/businesses", l->words[0], "connections", NULL, NULL) && add_secrets(l, body, d360))
		result = line_ask_json(l, "POST", path, !l->no_verify, body, &answer);
	if (result == EXIT_DONE)
		result = show_connection(l, answer);
	cJSON_Delete(answer);
	cJSON_Delete(body);
	return result;
}

/* ------------------------------------------------------------ testing, changing */

/* What became of a secret that was replaced: whether the new one is proven, and how long the one before it lasts. In JSON
 * both stand already. */
static void say_replaced(const struct line *l, const cJSON *connection, const char *field)
{
	const cJSON *secret = json_get(json_get(connection, "secrets"), field);
	const char *until = json_get_string(json_get(secret, "previous"), "accepted_until");
	const bool sends = strcmp(field, "access_token") == 0 || strcmp(field, "api_key") == 0;

	if (l->json || secret == NULL)
		return;
	(void)printf("%s is replaced, and %s.\n", field,
		json_get_string(secret, "proven_at") != NULL ? "the new one has proven to work"
			: sends				     ? "nothing has proven the new one yet"
							     : "no webhook has proven the new one yet");
	if (until == NULL)
		(void)printf("The one before it is gone.\n");
	else
		(void)printf(sends ? "The one before it is kept until the new one works, at most until %s.\n"
				   : "The one before it is still accepted until %s.\n",
			until);
	(void)fflush(stdout);
}

/* Asks about the connection that the line names, and shows what the checks found. body may be NULL; replaced is the secret
 * in it, or NULL. */
static int ask_about(struct line *l, const char *method, const char *tail, const cJSON *body, const char *replaced)
{
	cJSON *answer = NULL;
	char path[LINE_PATH_LEN];
	int result = EXIT_FAILED;

	if (line_path(path, "/v1/businesses", l->words[0], "connections", l->words[1], tail))
		result = line_ask_json(l, method, path, true, body, &answer);
	if (result == EXIT_DONE)
		result = show_connection(l, answer);
	if (replaced != NULL)
		say_replaced(l, answer, replaced);
	cJSON_Delete(answer);
	return result;
}

int command_connection_test(struct line *l)
{
	if (l->take_over) {
		(void)line_complain(
			"a test changes nothing; say `keyhouse connection register BUSINESS ID --take-over`");
		return EXIT_USAGE;
	}
	return ask_about(l, "POST", "test", NULL, NULL);
}

int command_connection_register(struct line *l)
{
	cJSON *body = cJSON_CreateObject();
	int result;

	(void)cJSON_AddBoolToObject(body, "take_over", l->take_over);
	result = ask_about(l, "PATCH", NULL, body, NULL);
	cJSON_Delete(body);
	return result;
}

/* Known before a person is asked for it. */
static bool is_secret(const char *field)
{
	static const char *const fields[] = {
		"access_token", "app_secret", "api_key", "webhook_secret", "platform_secret"};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(fields[i], field) == 0)
			return true;
	return false;
}

/* A change that the provider is not asked about: without its checks there is nothing to be said of them. */
static int ask_plainly(const struct line *l, struct session *s, const char *path, const char *body, cJSON **answer)
{
	const struct session_request q = {"PATCH", path, "application/json", body, strlen(body)};
	int result = line_ask_in(l, s, &q, answer);

	if (result == EXIT_DONE) {
		show_fields(l, *answer);
		(void)fflush(stdout);
	}
	return result;
}

static int verify_token_new(const struct line *l, struct session *s, const char *path)
{
	cJSON *answer = NULL;
	int result = ask_plainly(l, s, path, "{\"rotate\":\"" VERIFY_TOKEN "\"}", &answer);
	const char *until = json_get_string(answer, "previous_verify_token_until");

	if (result == EXIT_DONE && !l->json && until != NULL)
		(void)printf("verify_token is replaced; enter the new one at Meta.\n"
			     "The one before it is accepted until Meta comes with the new one, at most until %s.\n",
			until);
	cJSON_Delete(answer);
	return result;
}

/* Whether a connection's secret, or its verify token, has one before it that is still good. */
static bool has_previous(const cJSON *connection, const char *field)
{
	if (strcmp(field, VERIFY_TOKEN) == 0)
		return json_get_string(connection, "previous_verify_token_until") != NULL;
	return cJSON_IsObject(json_get(json_get(json_get(connection, "secrets"), field), "previous"));
}

/* To have ended already is as good, but not the same news. */
static int previous_end(const struct line *l, struct session *s, const char *path)
{
	const struct session_request look = {.method = "GET", .path = path};
	char body[64];
	cJSON *before = NULL, *answer = NULL;
	int result = line_ask_in(l, s, &look, &before);

	(void)snprintf(body, sizeof(body), "{\"end_previous\":\"%s\"}", l->words[2]);
	if (result == EXIT_DONE)
		result = ask_plainly(l, s, path, body, &answer);
	if (result == EXIT_DONE && has_previous(before, l->words[2]))
		(void)fprintf(
			l->json ? stderr : stdout, "The %s before this one is not accepted any more.\n", l->words[2]);
	else if (result == EXIT_DONE)
		(void)fprintf(l->json ? stderr : stdout, "There is no %s before this one, or it has ended already.\n",
			l->words[2]);
	cJSON_Delete(before);
	cJSON_Delete(answer);
	return result;
}

/* What the provider is not asked about. */
static int rotate_here(struct line *l)
{
	char path[LINE_PATH_LEN];
	struct session *s;
	int result;

	if (!line_path(path, "/v1/businesses", l->words[0], "connections", l->words[1], NULL))
		return EXIT_FAILED;
	s = session_open(l->config, false, false);
	if (s == NULL)
		return EXIT_FAILED;
	result = l->end_previous ? previous_end(l, s, path) : verify_token_new(l, s, path);
	session_close(s);
	return result;
}

int command_connection_rotate(struct line *l)
{
	const bool token = strcmp(l->words[2], VERIFY_TOKEN) == 0;
	cJSON *body;
	int result = EXIT_FAILED;

	if (!is_secret(l->words[2]) && !token) {
		(void)line_complain(
			"FIELD must be access_token, app_secret or verify_token (meta), api_key, webhook_secret or "
			"platform_secret (360dialog)");
		return EXIT_USAGE;
	}
	if (l->end_previous || token)
		return rotate_here(l);
	body = cJSON_CreateObject();
	if (l->take_over)
		(void)cJSON_AddTrueToObject(body, "take_over");
	if (line_secret(body, l->words[2], NULL))
		result = ask_about(l, "PATCH", NULL, body, l->words[2]);
	cJSON_Delete(body);
	return result;
}

/* ------------------------------------------------------------ removing, listing */

int command_connection_remove(struct line *l)
{
	char path[LINE_PATH_LEN];
	int result;

	if (!l->yes) {
		(void)line_complain("this destroys the connection's keys for ever; say --yes to do it");
		return EXIT_USAGE;
	}
	if (!line_path(path, "/v1/businesses", l->words[0], "connections", l->words[1], NULL))
		return EXIT_FAILED;
	result = line_delete(l, path, l->words[1], "removed");
	if (result == EXIT_DONE)
		(void)fprintf(stderr,
			"keyhouse: its messages that waited are dead; the provider sends webhooks here until they are "
			"removed there, too\n");
	return result;
}

int command_connection_list(struct line *l)
{
	static const char *const columns[] = {
		"id", "provider", "sandbox", "status", "phone_number_id", "display_phone", NULL};
	static const int widths[] = {26, 9, 7, 14, 20, 0};
	char path[LINE_PATH_LEN];

	return line_path(path, "/v1/businesses", l->words[0], "connections", NULL, NULL)
		? line_list(l, path, columns, widths)
		: EXIT_FAILED;
}
