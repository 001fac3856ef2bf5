/*
 * keyhouse key rotate, status, retire: keys replaced, on line or off. The key file is this command's to write: the
 * service reads it and no more.
 */
#include "gateway/command_line.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/console.h"
#include "gateway/datadir.h"
#include "gateway/json.h"

#define LOOK_EVERY_MS 200
#define SAY_EVERY 50u /* looks */
#define SAY_AFTER 5u
#define MASTERS_MAX 16u

static int64_t number(const cJSON *answer, const char *name)
{
	const cJSON *n = json_get(answer, name);

	return cJSON_IsNumber(n) ? (int64_t)n->valuedouble : 0;
}

/* What did not open: values and tenant keys. */
static int64_t damaged(const cJSON *status)
{
	return number(status, "damaged") + number(status, "keys_damaged");
}

static int status_ask(struct line *l, struct session *s, cJSON **out)
{
	const struct session_request q = {.method = "GET", .path = "/control/keys"};

	return line_ask_in(l, s, &q, out);
}

static int rotate_ask(struct line *l, struct session *s, const char *what, const char *business, cJSON **out)
{
	struct session_request q = {
		.method = "POST", .path = "/control/keys/rotate", .content_type = "application/json"};
	cJSON *body = cJSON_CreateObject();
	char *text;
	int result;

	(void)cJSON_AddStringToObject(body, "what", what);
	if (business != NULL)
		(void)cJSON_AddStringToObject(body, "business_id", business);
	text = cJSON_PrintUnformatted(body);
	cJSON_Delete(body);
	if (text == NULL)
		return line_complain("out of memory");
	q.body = text;
	q.body_len = strlen(text);
	result = line_ask_in(l, s, &q, out);
	cJSON_free(text);
	return result;
}

/* Follows until nothing is left, with a line that moves on a terminal, and one now and then in a log. */
static int follow(struct line *l, struct session *s, const char *doing, int64_t (*left)(const cJSON *), cJSON **last)
{
	bool terminal = isatty(STDERR_FILENO) == 1, said = false;
	int result;

	for (unsigned looks = 0;; looks++) {
		int64_t now;

		cJSON_Delete(*last);
		*last = NULL;
		result = status_ask(l, s, last);
		if (result != EXIT_DONE)
			break;
		now = left(*last);
		if (now == 0)
			break;
		if (looks == SAY_AFTER)
			(void)fprintf(stderr, "This goes on by itself: the command only looks on.\n");
		if (terminal)
			(void)fprintf(stderr, "\r%s: %" PRId64 " to go   ", doing, now);
		else if (looks % SAY_EVERY == SAY_AFTER)
			(void)fprintf(stderr, "%s: %" PRId64 " to go\n", doing, now);
		said = terminal;
		(void)poll(NULL, 0, LOOK_EVERY_MS);
	}
	if (said)
		(void)fprintf(stderr, "\r%s: done%*s\n", doing, 16, "");
	return result;
}

/* ------------------------------------------------------------ the master key */

/* Those that do not open stay where they are. */
static int64_t keys_left(const cJSON *status)
{
	const int64_t left = number(status, "keys_under_others") - number(status, "keys_damaged");

	return left > 0 ? left : 0;
}

/* Asked before, so that a service that reads another key file than this command is found out. */
static bool master_in_use(struct line *l, char id[static VAULT_KEY_ID_LEN + 1])
{
	struct session *s = session_open(l->config, false, false);
	cJSON *status = NULL;
	const bool ok = s != NULL && status_ask(l, s, &status) == EXIT_DONE;

	if (ok)
		(void)snprintf(id, VAULT_KEY_ID_LEN + 1, "%s", json_get_string(status, "master_key_id"));
	cJSON_Delete(status);
	session_close(s);
	return ok;
}

static int master(struct line *l)
{
	char why[1024] = "", before[VAULT_KEY_ID_LEN + 1] = "";
	struct session *s;
	cJSON *status = NULL;
	int result;

	if (l->to == NULL && !master_in_use(l, before))
		return EXIT_FAILED;
	if (!datadir_key_rotate(l->config, l->to, why, sizeof(why)))
		return line_complain(why);
	if (l->to != NULL) {
		(void)printf(
			"%s is the key file with a new master key. Put it in the place of the one in use and restart "
			"the service, or send it SIGHUP.\n",
			l->to);
		return EXIT_DONE;
	}
	s = session_open(l->config, false, false);
	result = s == NULL ? EXIT_FAILED : rotate_ask(l, s, "master", NULL, &status);
	if (result == EXIT_DONE)
		result = follow(l, s, "wrapping tenant keys anew", keys_left, &status);
	if (result == EXIT_DONE && strcmp(before, json_get_string(status, "master_key_id")) == 0)
		result = line_complain("the service still uses the master key of before: it reads another key file, "
				       "as a systemd credential is one. The new key is in the file that was named "
				       "here, with the older ones; restart the service so that it takes that file");
	else if (result == EXIT_DONE)
		(void)printf(
			"The master key is %s now; %" PRId64 " tenant keys are wrapped under it.\n"
			"The one before stays in the key file, because backups made until now need it: `keyhouse key "
			"retire` takes it out.\nA recovery kit made before does not hold the new key: `keyhouse key "
			"kit` makes one that does.\n",
			json_get_string(status, "master_key_id"),
			number(status, "keys") - number(status, "keys_under_others"));
	else
		(void)line_complain("the key file has a new master key already, which the service takes at its next "
				    "start; nothing is lost");
	cJSON_Delete(status);
	session_close(s);
	return result;
}

/* ------------------------------------------------------------ tenant keys */

static int64_t values_left(const cJSON *status)
{
	const int64_t left = number(status, "total") - number(status, "done"),
		      come = number(status, "rotations_to_come");
	const cJSON *r;
	int64_t open = 0;

	cJSON_ArrayForEach (r, json_get(status, "rotations"))
		open += json_get_string(r, "scanned_at") == NULL;
	return (left > 0 ? left : 0) + come + open;
}

static int tenants_end(const struct line *l, const cJSON *status, int64_t damaged_before)
{
	const int64_t left = damaged(status) - damaged_before;
	char text[256];

	if (left > 0) {
		(void)snprintf(text, sizeof(text),
			"%" PRId64 " keys or sealed values did not open and were left as they are; where a key did "
			"not, nothing of it was destroyed. `keyhouse verify` names them",
			left);
		return line_complain(text);
	}
	(void)printf("%s new keys, and all that was sealed is sealed under them. %s\n",
		l->all ? "All shops have" : "The shop has",
		number(status, "rotations_count") > 0
			? "The older ones are destroyed within a minute: `keyhouse key status`."
			: "The older ones are destroyed.");
	return EXIT_DONE;
}

static int tenants(struct line *l)
{
	const char *business = l->words_len > 0 ? l->words[0] : NULL;
	struct session *s = session_open(l->config, false, false);
	cJSON *status = NULL;
	int64_t before = 0;
	int result = s == NULL ? EXIT_FAILED : status_ask(l, s, &status);

	if (result == EXIT_DONE) {
		before = damaged(status);
		cJSON_Delete(status);
		status = NULL;
		result = rotate_ask(l, s, l->all ? "all" : "business", business, &status);
	}
	if (result == EXIT_DONE)
		result = follow(l, s, "sealing anew", values_left, &status);
	if (result == EXIT_DONE)
		result = tenants_end(l, status, before);
	cJSON_Delete(status);
	session_close(s);
	return result;
}

int command_key_rotate(struct line *l)
{
	if ((l->words_len > 0) + l->all + l->master != 1 || (l->to != NULL && !l->master)) {
		(void)line_complain("name one: a BUSINESS, --all or --master");
		return EXIT_USAGE;
	}
	return l->master ? master(l) : tenants(l);
}

/* ------------------------------------------------------------ retiring, status */

int command_key_retire(struct line *l)
{
	char keep[MASTERS_MAX][VAULT_KEY_ID_LEN + 1] = {{0}}, why[1024] = "";
	struct session *s = session_open(l->config, false, false);
	cJSON *status = NULL, *taken = NULL;
	const cJSON *m;
	size_t keep_len = 0;
	unsigned gone = 0;
	int result = s == NULL ? EXIT_FAILED : status_ask(l, s, &status);

	if (result != EXIT_DONE)
		goto out;
	cJSON_ArrayForEach (m, json_get(status, "master_keys"))
		if (keep_len == MASTERS_MAX || json_get_string(m, "id") == NULL)
			result = EXIT_FAILED;
		else
			(void)snprintf(keep[keep_len++], sizeof(keep[0]), "%s", json_get_string(m, "id"));
	if (result != EXIT_DONE) {
		(void)line_complain(
			"the database names more master keys than there can be; `keyhouse verify` says more");
		goto out;
	}
	if (!datadir_key_retire(l->config, keep, keep_len, &gone, why, sizeof(why))) {
		result = line_complain(why);
		goto out;
	}
	if (gone == 0)
		(void)printf("The key file holds no master key that nothing needs.\n");
	else
		result = rotate_ask(l, s, "master", NULL, &taken);
	if (gone > 0 && result == EXIT_DONE)
		(void)printf(
			"%u master key%s taken out of the key file; a backup made under %s opens only with a key file "
			"or recovery kit of that time.\n",
			gone, gone == 1 ? " is" : "s are", gone == 1 ? "it" : "them");
out:
	cJSON_Delete(taken);
	cJSON_Delete(status);
	session_close(s);
	return result;
}

static void status_show(const cJSON *status)
{
	const char *current = json_get_string(status, "master_key_id");
	int64_t more = number(status, "rotations_count");
	const cJSON *item;

	cJSON_ArrayForEach (item, json_get(status, "master_keys")) {
		const char *id = json_get_string(item, "id");

		(void)printf("master key ");
		console_text(id != NULL ? id : "", VAULT_KEY_ID_LEN + 1);
		(void)printf("%-8s   %" PRId64 " tenant keys\n",
			current != NULL && id != NULL && strcmp(id, current) == 0 ? "current" : "previous",
			number(item, "keys"));
	}
	if (damaged(status) > 0)
		(void)printf(
			"%" PRId64
			" keys or sealed values do not open and were left as they are: `keyhouse verify` names them\n",
			damaged(status));
	if (number(status, "rotations_count") == 0 && number(status, "rotations_to_come") == 0)
		(void)printf("no key is being replaced\n");
	if (number(status, "rotations_to_come") > 0)
		(void)printf("%" PRId64 " tenant keys are still to be replaced\n", number(status, "rotations_to_come"));
	cJSON_ArrayForEach (item, json_get(status, "rotations")) {
		const char *scanned = json_get_string(item, "scanned_at");

		console_text(json_get_string(item, "business_id"), 1);
		(void)printf(
			" %s key, version %" PRId64 "   ", json_get_string(item, "purpose"), number(item, "version"));
		if (scanned != NULL)
			(void)printf("sealed anew at %s; the older ones go soon\n", scanned);
		else
			(void)printf("%" PRId64 " of %" PRId64 " sealed anew\n", number(item, "done"),
				number(item, "total"));
		more--;
	}
	if (more > 0)
		(void)printf("and %" PRId64 " more\n", more);
}

int command_key_status(struct line *l)
{
	struct session *s = session_open(l->config, false, false);
	cJSON *status = NULL;
	char *text = NULL;
	int result = s == NULL ? EXIT_FAILED : status_ask(l, s, &status);

	if (result == EXIT_DONE && l->json) {
		text = cJSON_Print(status);
		(void)printf("%s\n", text != NULL ? text : "");
		cJSON_free(text);
	} else if (result == EXIT_DONE) {
		status_show(status);
	}
	cJSON_Delete(status);
	session_close(s);
	return result;
}
