/*
 * The table of commands: what each is given, which request it makes, what it shows of the
 * answer: lines for people or, with --json, as the API gave it.
 */
#include "gateway/command.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/console.h"
#include "gateway/json.h"
#include "gateway/session.h"
#include "gateway/version.h"
#include "vault/vault.h"

#define PATH_LEN 512u
#define WORDS_MAX 8

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* A command line taken apart: plain words in order, and the options every command may know. */
struct line {
	const struct config *config;
	const char *words[WORDS_MAX];
	int words_len;
	const char *name, *app_id, *waba_id, *phone_number_id, *provider;
	const char *app_secret_file, *access_token_file;
	bool json, no_verify, yes;
};

struct command {
	const char *first, *second; /* second NULL: a command of one word */
	int words; /* how many plain words it takes, at least */
	int words_max;
	const char *usage;
	const char *help;
	int (*run)(struct line *l);
};

static int complain(const char *text)
{
	(void)fprintf(stderr, "keyhouse: %s\n", text);
	return EXIT_FAILED;
}

/* ------------------------------------------------------------ asking */

/* Prints what the API says is wrong: its detail, and the rows at fault where there are. */
static int show_problem(const struct session_answer *a)
{
	cJSON *problem = json_parse(a->body, a->body_len);
	const char *detail = json_get_string(problem, "detail"), *field = json_get_string(problem, "field");
	const cJSON *row;

	if (a->status == 404)
		detail = "nothing has that id; see `keyhouse business list`, `connection list BUSINESS`, `token list`";
	(void)fprintf(stderr, "keyhouse: %s%s%s\n", field != NULL ? field : "", field != NULL ? ": " : "",
		detail != NULL ? detail : "the service refused the request");
	cJSON_ArrayForEach (row, cJSON_GetObjectItemCaseSensitive(problem, "errors")) {
		const cJSON *number = cJSON_GetObjectItemCaseSensitive(row, "line");
		const char *why = json_get_string(row, "detail");

		if (!cJSON_IsNumber(number))
			number = cJSON_GetObjectItemCaseSensitive(row, "row");
		(void)fprintf(stderr, "  line %d: %s\n", cJSON_IsNumber(number) ? number->valueint : 0,
			why != NULL ? why : "");
	}
	cJSON_Delete(problem);
	return EXIT_FAILED;
}

/* On success *out is the parsed answer (may be NULL) and the caller deletes it. */
static int ask_in(struct session *s, const struct session_request *q, cJSON **out)
{
	struct session_answer a = {0};
	int result = EXIT_FAILED;

	if (session_call(s, q, &a)) {
		if (a.status >= 200 && a.status < 300) {
			*out = a.body_len > 0 ? json_parse(a.body, a.body_len) : NULL;
			result = EXIT_DONE;
		} else {
			result = show_problem(&a);
		}
	}
	session_answer_clear(&a);
	return result;
}

/* One request in a session of its own. */
static int ask(const struct line *l, bool with_sender, const struct session_request *q, cJSON **out)
{
	struct session *s = session_open(l->config, false, with_sender);
	int result = s != NULL ? ask_in(s, q, out) : EXIT_FAILED;

	session_close(s);
	return result;
}

static int ask_json(
	const struct line *l, const char *method, const char *path, bool with_sender, const cJSON *body, cJSON **out)
{
	char *text = body != NULL ? cJSON_PrintUnformatted(body) : NULL;
	struct session_request q = {
		method, path, body != NULL ? "application/json" : NULL, text, text != NULL ? strlen(text) : 0};
	int result;

	if (body != NULL && text == NULL)
		return complain("out of memory");
	result = ask(l, with_sender, &q, out);
	if (text != NULL) {
		explicit_bzero(text, strlen(text));
		cJSON_free(text);
	}
	return result;
}

/* Ids go into paths as they are: a character that is not an id's makes no such thing. */
static bool id_ok(const char *id)
{
	return id[0] != '\0' && strlen(id) <= 64 &&
		id[strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")] == '\0';
}

/* base/id[/part[/part_id[/tail]]]; what is NULL and all after it is left out. */
static bool path_make(char path[static PATH_LEN], const char *base, const char *id, const char *part,
	const char *part_id, const char *tail)
{
	if (!id_ok(id) || (part_id != NULL && !id_ok(part_id))) {
		(void)complain("an id is letters, digits, '_' and '-', at most 64");
		return false;
	}
	(void)snprintf(path, PATH_LEN, "%s/%s%s%s%s%s%s%s", base, id, part != NULL ? "/" : "", part != NULL ? part : "",
		part_id != NULL ? "/" : "", part_id != NULL ? part_id : "", tail != NULL ? "/" : "",
		tail != NULL ? tail : "");
	return true;
}

/* ------------------------------------------------------------ showing */

/* Everything of a listing, page by page: columns for people, or one JSON array. */
static int show_list(const struct line *l, const char *path, const char *const *columns, const int *widths)
{
	char page[PATH_LEN + 160], cursor[128] = "";
	/* One for all pages: without a service each opens the store and starts a vault. */
	struct session *s = session_open(l->config, false, false);
	cJSON *all = cJSON_CreateArray();
	int result = EXIT_FAILED;

	while (s != NULL) {
		struct session_request q = {.method = "GET", .path = page};
		cJSON *answer = NULL, *data, *row;
		const char *next;

		(void)snprintf(page, sizeof(page), "%s?limit=200&order=asc%s%s", path,
			cursor[0] != '\0' ? "&cursor=" : "", cursor);
		result = ask_in(s, &q, &answer);
		data = cJSON_GetObjectItemCaseSensitive(answer, "data");
		while ((row = cJSON_DetachItemFromArray(data, 0)) != NULL)
			cJSON_AddItemToArray(all, row);
		next = json_get_string(answer, "next_cursor");
		(void)snprintf(cursor, sizeof(cursor), "%s", next != NULL ? next : "");
		cJSON_Delete(answer);
		if (result != EXIT_DONE || cursor[0] == '\0')
			break;
	}
	session_close(s);

	if (result == EXIT_DONE && l->json) {
		char *text = cJSON_Print(all);

		(void)printf("%s\n", text != NULL ? text : "[]");
		cJSON_free(text);
	} else if (result == EXIT_DONE) {
		const cJSON *row;

		for (int i = 0; columns[i] != NULL; i++)
			console_text(columns[i], columns[i + 1] != NULL ? widths[i] : 0);
		cJSON_ArrayForEach (row, all)
			for (int i = 0; columns[i] != NULL; i++)
				console_value(cJSON_GetObjectItemCaseSensitive(row, columns[i]),
					columns[i + 1] != NULL ? widths[i] : 0);
		if (cJSON_GetArraySize(all) == 0)
			(void)fprintf(stderr, "none yet\n");
	}
	cJSON_Delete(all);
	return result;
}

/* Shows a connection with its checks; says what is not proven. Returns the exit status: EXIT_FAILED where one failed. */
static int show_connection(const struct line *l, const cJSON *connection)
{
	const char *url = json_get_string(connection, "webhook_url");
	int result = EXIT_DONE;
	const cJSON *check;

	console_object(connection, l->json);
	cJSON_ArrayForEach (check, cJSON_GetObjectItemCaseSensitive(connection, "checks")) {
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
			"keyhouse: public_url is not https, so Meta cannot call this webhook_url; "
			"set it in %s/keyhouse.conf\n",
			config_get(l->config, CONFIG_DATA_DIR));
	return result;
}

/* Puts a secret into body under name: from its file, else from prompt or standard input. */
static bool secret_add(cJSON *body, const char *name, const char *file)
{
	char text[VAULT_SECRET_MAX + 2] = "";
	char *data = NULL;
	size_t len = 0;
	bool ok;

	if (file != NULL) {
		ok = console_file(file, &data, &len);
		if (ok) {
			(void)snprintf(text, sizeof(text), "%.*s", (int)strcspn(data, "\r\n"), data);
			explicit_bzero(data, len);
		}
		free(data);
	} else {
		ok = console_line(name, text, sizeof(text));
	}
	ok = ok && text[0] != '\0' && cJSON_AddStringToObject(body, name, text) != NULL;
	explicit_bzero(text, sizeof(text));
	if (!ok)
		(void)fprintf(stderr, "keyhouse: no %s was given (a prompt, standard input or --%s-file)\n", name,
			strcmp(name, "app_secret") == 0 ? "app-secret" : "access-token");
	return ok;
}

/* ------------------------------------------------------------ the commands */

static int run_version(struct line *l)
{
	(void)l;
	(void)printf("keyhouse %s\n", KEYHOUSE_VERSION);
	return EXIT_DONE;
}

static int run_init(struct line *l)
{
	struct session *s = session_open(l->config, true, false);

	if (s == NULL)
		return EXIT_FAILED;
	(void)printf("%s: %s\n", config_get(l->config, CONFIG_DATA_DIR),
		session_is_online(s) ? "in use by a running keyhouse" : "ready; master key and database are in place");
	session_close(s);
	return EXIT_DONE;
}

static int run_config_check(struct line *l)
{
	/* Loading it was the check. */
	config_print(l->config);
	return EXIT_DONE;
}

static int run_token_new(struct line *l)
{
	cJSON *body = cJSON_CreateObject(), *answer = NULL;
	const char *token;
	int result;

	if (l->name == NULL) {
		cJSON_Delete(body);
		(void)complain("token new needs --name NAME (who will use it)");
		return EXIT_USAGE;
	}
	(void)cJSON_AddStringToObject(body, "name", l->name);
	result = ask_json(l, "POST", "/control/tokens", false, body, &answer);
	token = json_get_string(answer, "token");
	if (result == EXIT_DONE && token != NULL)
		(void)printf("%s\n", token);
	cJSON_Delete(answer);
	cJSON_Delete(body);
	return result;
}

static int run_token_list(struct line *l)
{
	static const char *const columns[] = {"id", "name", "last4", "created_at", "revoked_at", NULL};
	static const int widths[] = {26, 24, 6, 24, 0};

	return show_list(l, "/control/tokens", columns, widths);
}

static int delete_at(struct line *l, const char *path)
{
	cJSON *answer = NULL;
	int result = ask_json(l, "DELETE", path, false, NULL, &answer);

	cJSON_Delete(answer);
	return result;
}

static int run_token_revoke(struct line *l)
{
	char path[PATH_LEN];

	int result = EXIT_FAILED;

	if (path_make(path, "/control/tokens", l->words[0], NULL, NULL, NULL))
		result = delete_at(l, path);
	if (result == EXIT_DONE)
		(void)printf("%s is revoked\n", l->words[0]);
	return result;
}

static int run_business_add(struct line *l)
{
	cJSON *body = cJSON_CreateObject(), *answer = NULL;
	int result = EXIT_USAGE;

	if (l->name == NULL) {
		(void)complain("business add needs --name NAME");
	} else {
		if (l->words_len > 0)
			(void)cJSON_AddStringToObject(body, "id", l->words[0]);
		(void)cJSON_AddStringToObject(body, "name", l->name);
		result = ask_json(l, "POST", "/v1/businesses", false, body, &answer);
		if (result == EXIT_DONE)
			console_object(answer, l->json);
	}
	cJSON_Delete(answer);
	cJSON_Delete(body);
	return result;
}

static int run_business_list(struct line *l)
{
	static const char *const columns[] = {"id", "status", "responder", "name", NULL};
	static const int widths[] = {30, 10, 10, 0};

	return show_list(l, "/v1/businesses", columns, widths);
}

static int run_business_show(struct line *l)
{
	cJSON *answer = NULL;
	char path[PATH_LEN];
	int result = EXIT_FAILED;

	if (path_make(path, "/v1/businesses", l->words[0], NULL, NULL, NULL))
		result = ask_json(l, "GET", path, false, NULL, &answer);
	if (result == EXIT_DONE)
		console_object(answer, l->json);
	cJSON_Delete(answer);
	return result;
}

static int business_status(struct line *l, const char *status)
{
	cJSON *body = cJSON_CreateObject(), *answer = NULL;
	char path[PATH_LEN];
	int result = EXIT_FAILED;

	(void)cJSON_AddStringToObject(body, "status", status);
	if (path_make(path, "/v1/businesses", l->words[0], NULL, NULL, NULL))
		result = ask_json(l, "PATCH", path, false, body, &answer);
	if (result == EXIT_DONE)
		(void)printf("%s is %s\n", l->words[0], status);
	cJSON_Delete(answer);
	cJSON_Delete(body);
	return result;
}

static int run_business_suspend(struct line *l)
{
	return business_status(l, "suspended");
}

static int run_business_resume(struct line *l)
{
	return business_status(l, "active");
}

static int run_business_responder(struct line *l)
{
	cJSON *body = cJSON_CreateObject(), *answer = NULL;
	char path[PATH_LEN];
	int result = EXIT_FAILED;

	(void)cJSON_AddStringToObject(body, "kind", l->words[1]);
	if (path_make(path, "/v1/businesses", l->words[0], "responder", NULL, NULL))
		result = ask_json(l, "PUT", path, false, body, &answer);
	if (result == EXIT_DONE)
		(void)printf("%s is answered by: %s\n", l->words[0], l->words[1]);
	cJSON_Delete(answer);
	cJSON_Delete(body);
	return result;
}

static int run_business_remove(struct line *l)
{
	char path[PATH_LEN];
	int result;

	if (!l->yes) {
		(void)complain("this destroys the business's keys and everything it owns for ever; say --yes to do it");
		return EXIT_USAGE;
	}
	if (!path_make(path, "/v1/businesses", l->words[0], NULL, NULL, NULL))
		return EXIT_FAILED;
	result = delete_at(l, path);
	if (result == EXIT_DONE)
		(void)printf("%s is removed\n", l->words[0]);
	return result;
}

static int run_connection_add(struct line *l)
{
	const char *ids[][2] = {
		{"app_id", l->app_id}, {"waba_id", l->waba_id}, {"phone_number_id", l->phone_number_id}};
	cJSON *body = cJSON_CreateObject(), *answer = NULL;
	char path[PATH_LEN];
	int result = EXIT_FAILED;

	(void)cJSON_AddStringToObject(body, "provider", l->provider != NULL ? l->provider : "meta");
	/* Said before a person is asked for two keys. */
	for (size_t i = 0; i < 3; i++) {
		if (ids[i][1] == NULL) {
			(void)fprintf(stderr,
				"keyhouse: connection add needs --app-id, --waba-id and --phone-number-id; "
				"%s is missing\n",
				ids[i][0]);
			cJSON_Delete(body);
			return EXIT_USAGE;
		}
		(void)cJSON_AddStringToObject(body, ids[i][0], ids[i][1]);
	}
	(void)cJSON_AddBoolToObject(body, "verify", !l->no_verify);
	if (path_make(path, "/v1/businesses", l->words[0], "connections", NULL, NULL) &&
		secret_add(body, "app_secret", l->app_secret_file) &&
		secret_add(body, "access_token", l->access_token_file))
		result = ask_json(l, "POST", path, !l->no_verify, body, &answer);
	if (result == EXIT_DONE)
		result = show_connection(l, answer);
	cJSON_Delete(answer);
	cJSON_Delete(body);
	return result;
}

static int run_connection_test(struct line *l)
{
	cJSON *answer = NULL;
	char path[PATH_LEN];
	int result = EXIT_FAILED;

	if (path_make(path, "/v1/businesses", l->words[0], "connections", l->words[1], "test"))
		result = ask_json(l, "POST", path, true, NULL, &answer);
	if (result == EXIT_DONE)
		result = show_connection(l, answer);
	cJSON_Delete(answer);
	return result;
}

static int run_connection_remove(struct line *l)
{
	char path[PATH_LEN];
	int result;

	if (!l->yes) {
		(void)complain("this destroys the connection's keys for ever; say --yes to do it");
		return EXIT_USAGE;
	}
	if (!path_make(path, "/v1/businesses", l->words[0], "connections", l->words[1], NULL))
		return EXIT_FAILED;
	result = delete_at(l, path);
	if (result == EXIT_DONE)
		(void)printf("%s is removed\n", l->words[1]);
	return result;
}

static int run_connection_list(struct line *l)
{
	static const char *const columns[] = {"id", "provider", "status", "phone_number_id", "display_phone", NULL};
	static const int widths[] = {26, 9, 14, 20, 0};
	char path[PATH_LEN];

	return path_make(path, "/v1/businesses", l->words[0], "connections", NULL, NULL)
		? show_list(l, path, columns, widths)
		: EXIT_FAILED;
}

static int run_product_list(struct line *l)
{
	static const char *const columns[] = {"id", "price", "currency", "stock", "name", NULL};
	static const int widths[] = {26, 12, 8, 8, 0};
	char path[PATH_LEN];

	return path_make(path, "/v1/businesses", l->words[0], "products", NULL, NULL)
		? show_list(l, path, columns, widths)
		: EXIT_FAILED;
}

static int run_product_import(struct line *l)
{
	struct session_request q = {.method = "POST"};
	cJSON *answer = NULL;
	char path[PATH_LEN], *data = NULL;
	const char *p;
	int result = EXIT_FAILED;

	if (!path_make(path, "/v1/businesses", l->words[0], "products", NULL, NULL) ||
		!console_file(l->words[1], &data, &q.body_len))
		return EXIT_FAILED;
	p = data + strspn(data, " \t\r\n");
	q.path = path;
	q.body = data;
	q.content_type = *p == '[' || *p == '{' ? "application/json" : "text/csv";
	result = ask(l, false, &q, &answer);
	if (result == EXIT_DONE) {
		const cJSON *added = cJSON_GetObjectItemCaseSensitive(answer, "added");
		const cJSON *changed = cJSON_GetObjectItemCaseSensitive(answer, "changed");

		(void)printf("%d added, %d changed\n", cJSON_IsNumber(added) ? added->valueint : 0,
			cJSON_IsNumber(changed) ? changed->valueint : 0);
	}
	free(data);
	cJSON_Delete(answer);
	return result;
}

/* ------------------------------------------------------------ the table */

static const struct command commands[] = {
	{"init", NULL, 0, 0, "", "make data directory, master key and database", run_init},
	{"token", "new", 0, 0, "--name NAME", "make an admin token and print it, once", run_token_new},
	{"token", "list", 0, 0, "[--json]", "", run_token_list},
	{"token", "revoke", 1, 1, "ID", "", run_token_revoke},
	{"business", "add", 0, 1, "[ID] --name NAME [--json]", "add a shop", run_business_add},
	{"business", "list", 0, 0, "[--json]", "", run_business_list},
	{"business", "show", 1, 1, "ID [--json]", "", run_business_show},
	{"business", "suspend", 1, 1, "ID", "refuse its webhooks, hold its sends", run_business_suspend},
	{"business", "resume", 1, 1, "ID", "", run_business_resume},
	{"business", "responder", 2, 2, "ID none|catalogue", "who answers its customers", run_business_responder},
	{"business", "remove", 1, 1, "ID --yes", "destroy its keys and all it owns", run_business_remove},
	{"connection", "add", 1, 1,
		"BUSINESS --app-id N --waba-id N --phone-number-id N\n"
		"      [--app-secret-file F] [--access-token-file F] [--no-verify] [--json]",
		"secrets: prompt, or two lines on standard input", run_connection_add},
	{"connection", "test", 2, 2, "BUSINESS ID [--json]", "ask the provider whether its keys work",
		run_connection_test},
	{"connection", "remove", 2, 2, "BUSINESS ID --yes", "", run_connection_remove},
	{"connection", "list", 1, 1, "BUSINESS [--json]", "", run_connection_list},
	{"product", "import", 2, 2, "BUSINESS FILE", "CSV or JSON; - is standard input", run_product_import},
	{"product", "list", 1, 1, "BUSINESS [--json]", "", run_product_list},
	{"config", "check", 0, 0, "", "check the settings and print them", run_config_check},
	{"version", NULL, 0, 0, "", "", run_version},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *out)
{
	(void)fprintf(out,
		"keyhouse %s: a shop's WhatsApp keys, kept and used, never given back\n\n"
		"  serve   run the gateway until interrupted\n",
		KEYHOUSE_VERSION);
	for (size_t i = 0; i < COMMANDS; i++)
		(void)fprintf(out, "  %s%s%s %s%s%s\n", commands[i].first, commands[i].second != NULL ? " " : "",
			commands[i].second != NULL ? commands[i].second : "", commands[i].usage,
			commands[i].help[0] != '\0' ? "   " : "", commands[i].help);
	(void)fprintf(out, "\n");
	(void)fflush(out);
	if (out == stdout)
		config_print_help();
}

/* Options with a value, and where it goes. */
static const char **option_place(struct line *l, const char *name)
{
	struct {
		const char *name;
		const char **place;
	} options[] = {{"--name", &l->name}, {"--app-id", &l->app_id}, {"--waba-id", &l->waba_id},
		{"--phone-number-id", &l->phone_number_id}, {"--provider", &l->provider},
		{"--app-secret-file", &l->app_secret_file}, {"--access-token-file", &l->access_token_file}};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(options[i].name, name) == 0)
			return options[i].place;
	return NULL;
}

static bool line_parse(struct line *l, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		const char **place = option_place(l, argv[i]);

		if (place != NULL && i + 1 < argc)
			*place = argv[++i];
		else if (strcmp(argv[i], "--json") == 0)
			l->json = true;
		else if (strcmp(argv[i], "--no-verify") == 0)
			l->no_verify = true;
		else if (strcmp(argv[i], "--yes") == 0)
			l->yes = true;
		else if ((argv[i][0] == '-' && argv[i][1] != '\0') || l->words_len == WORDS_MAX)
			return false;
		else
			l->words[l->words_len++] = argv[i];
	}
	return true;
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

int command_run(const struct config *config, int argc, char **argv)
{
	struct line line = {.config = config};
	const struct command *c = NULL;

	if (argc > 1 && is_help(argv[argc - 1])) {
		help(stdout);
		return EXIT_DONE;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return run_version(&line);
	for (size_t i = 0; i < COMMANDS && argc > 1 && c == NULL; i++)
		if (strcmp(commands[i].first, argv[1]) == 0 &&
			(commands[i].second == NULL || (argc > 2 && strcmp(commands[i].second, argv[2]) == 0)))
			c = &commands[i];
	if (c == NULL) {
		if (argc > 1)
			(void)fprintf(stderr, "keyhouse: there is no command `%s%s%s`\n\n", argv[1],
				argc > 2 ? " " : "", argc > 2 ? argv[2] : "");
		help(stderr);
		return EXIT_USAGE;
	}
	argv += c->second != NULL ? 3 : 2;
	argc -= c->second != NULL ? 3 : 2;
	if (!line_parse(&line, argc, argv) || line.words_len < c->words || line.words_len > c->words_max) {
		(void)fprintf(stderr, "usage: keyhouse %s%s%s %s\n", c->first, c->second != NULL ? " " : "",
			c->second != NULL ? c->second : "", c->usage);
		return EXIT_USAGE;
	}
	json_init();
	return c->run(&line);
}
