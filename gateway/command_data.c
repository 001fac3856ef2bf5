/*
 * Commands about the installation itself: its data, its settings, its admin tokens.
 */
#include "gateway/command_line.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/datadir.h"
#include "gateway/json.h"
#include "gateway/version.h"
#include "store/store.h"

int command_version(struct line *l)
{
	(void)l;
	(void)printf("keyhouse %s\n", KEYHOUSE_VERSION);
	return EXIT_DONE;
}

int command_init(struct line *l)
{
	struct session *s = session_open(l->config, true, false);

	if (s == NULL)
		return EXIT_FAILED;
	(void)printf("%s: %s\n", config_get(l->config, CONFIG_DATA_DIR),
		session_is_online(s) ? "in use by a running keyhouse" : "ready; master key and database are in place");
	session_close(s);
	return EXIT_DONE;
}

/* ------------------------------------------------------------ backup */

struct progress {
	int64_t pages;
	bool terminal;
	int percent;
};

static void told(int64_t done, int64_t total, void *arg)
{
	struct progress *p = arg;
	int percent = total > 0 ? (int)(done * 100 / total) : 0;

	p->pages = total;
	if (!p->terminal || percent == p->percent)
		return;
	p->percent = percent;
	(void)fprintf(stderr, "\rbacking up: %d %%", percent);
}

/* Names that begin as the database's own mean something to it there: a log, a journal. */
static bool beside_itself(const char *database, const char *to)
{
	const char *name = strrchr(database, '/') + 1, *end = strrchr(to, '/');
	const char *last = end != NULL ? end + 1 : to;
	struct stat a, b;
	char from_dir[DATADIR_PATH_MAX], to_dir[DATADIR_PATH_MAX] = ".";

	if (strncmp(last, name, strlen(name)) != 0)
		return false;
	(void)snprintf(from_dir, sizeof(from_dir), "%.*s", (int)(name - database), database);
	if (end != NULL)
		(void)snprintf(to_dir, sizeof(to_dir), "%.*s", (int)(end - to + 1), to);
	return stat(from_dir, &a) == 0 && stat(to_dir, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Reads the database itself, whoever else has it open: no session, no lock. */
int command_backup(struct line *l)
{
	struct progress p = {.terminal = isatty(STDERR_FILENO) == 1, .percent = -1};
	char path[DATADIR_PATH_MAX];
	enum store_error err;

	datadir_database(l->config, path);
	if (beside_itself(path, l->words[0]))
		return line_complain("a file of such a name in data_dir belongs to the database; name another");
	(void)umask(0077);
	err = store_backup(path, l->words[0], told, &p);
	if (p.percent >= 0)
		(void)fprintf(stderr, "\n");
	if (err == STORE_EXISTS)
		return line_complain("there is a file of that name already; name another");
	if (err == STORE_NOT_FOUND)
		return line_complain("there is no database yet in data_dir; name another with --data-dir");
	if (err == STORE_FAILED)
		return line_complain("the copy cannot be written there, or the database cannot be read");
	if (err != STORE_OK)
		return line_complain(store_error_text(err));
	(void)printf("backed up %lld pages to %s\n", (long long)p.pages, l->words[0]);
	return EXIT_DONE;
}

/* ------------------------------------------------------------ settings and tokens */

int command_config_check(struct line *l)
{
	/* Loading it was the check. */
	config_print(l->config);
	return EXIT_DONE;
}

int command_token_new(struct line *l)
{
	cJSON *body = cJSON_CreateObject(), *answer = NULL;
	const char *token;
	int result;

	if (l->name == NULL) {
		cJSON_Delete(body);
		(void)line_complain("token new needs --name NAME (who will use it)");
		return EXIT_USAGE;
	}
	(void)cJSON_AddStringToObject(body, "name", l->name);
	result = line_ask_json(l, "POST", "/control/tokens", false, body, &answer);
	token = json_get_string(answer, "token");
	if (result == EXIT_DONE && token != NULL)
		(void)printf("%s\n", token);
	cJSON_Delete(answer);
	cJSON_Delete(body);
	return result;
}

int command_token_list(struct line *l)
{
	static const char *const columns[] = {"id", "name", "last4", "created_at", "revoked_at", NULL};
	static const int widths[] = {26, 24, 6, 24, 0};

	return line_list(l, "/control/tokens", columns, widths);
}

int command_token_revoke(struct line *l)
{
	char path[LINE_PATH_LEN];

	if (!line_path(path, "/control/tokens", l->words[0], NULL, NULL, NULL))
		return EXIT_FAILED;
	return line_delete(l, path, l->words[0], "revoked");
}
