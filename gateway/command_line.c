/*
 * How commands ask and show. What the API answers may hold names from strangers and, once,
 * a secret: console keeps the one from the terminal, wiping ends the other.
 *
 * Called by the commands.
 */
#include "gateway/command_line.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/console.h"
#include "gateway/json.h"
#include "vault/vault.h"

int line_complain(const char *text)
{
	(void)fprintf(stderr, "keyhouse: %s\n", text);
	return EXIT_FAILED;
}

/* ------------------------------------------------------------ asking */

/* Prints what the API says is wrong: its detail, and the rows at fault where there are. */
static int show_problem(const struct line *l, const struct session_answer *a)
{
	cJSON *problem = json_parse(a->body, a->body_len);
	const char *detail = json_get_string(problem, "detail"), *field = json_get_string(problem, "field");
	const cJSON *row;

	if (a->status == 404)
		detail = l->not_found[0] != '\0' ? l->not_found
						 : "nothing has that id; see `keyhouse business list`, "
						   "`connection list BUSINESS`, `link list BUSINESS`, "
						   "`token list`";
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

int line_ask_in(const struct line *l, struct session *s, const struct session_request *q, cJSON **out)
{
	struct session_answer a = {0};
	int result = EXIT_FAILED;

	if (session_call(s, q, &a)) {
		if (a.status >= 200 && a.status < 300) {
			*out = a.body_len > 0 ? json_parse(a.body, a.body_len) : NULL;
			result = EXIT_DONE;
		} else {
			result = show_problem(l, &a);
		}
	}
	session_answer_clear(&a);
	return result;
}

/* One request in a session of its own. */
int line_ask(const struct line *l, bool with_sender, const struct session_request *q, cJSON **out)
{
	struct session *s = session_open(l->config, false, with_sender);
	int result = s != NULL ? line_ask_in(l, s, q, out) : EXIT_FAILED;

	session_close(s);
	return result;
}

int line_ask_json(
	const struct line *l, const char *method, const char *path, bool with_sender, const cJSON *body, cJSON **out)
{
	char *text = body != NULL ? cJSON_PrintUnformatted(body) : NULL;
	struct session_request q = {
		method, path, body != NULL ? "application/json" : NULL, text, text != NULL ? strlen(text) : 0};
	int result;

	if (body != NULL && text == NULL)
		return line_complain("out of memory");
	result = line_ask(l, with_sender, &q, out);
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
bool line_path(char path[static LINE_PATH_LEN], const char *base, const char *id, const char *part, const char *part_id,
	const char *tail)
{
	if (!id_ok(id) || (part_id != NULL && !id_ok(part_id))) {
		(void)line_complain("an id is letters, digits, '_' and '-', at most 64");
		return false;
	}
	(void)snprintf(path, LINE_PATH_LEN, "%s/%s%s%s%s%s%s%s", base, id, part != NULL ? "/" : "",
		part != NULL ? part : "", part_id != NULL ? "/" : "", part_id != NULL ? part_id : "",
		tail != NULL ? "/" : "", tail != NULL ? tail : "");
	return true;
}

/* ------------------------------------------------------------ showing */

/* Everything of a listing, page by page: columns for people, or one JSON array. */
int line_list(const struct line *l, const char *path, const char *const *columns, const int *widths)
{
	char page[LINE_PATH_LEN + 160], cursor[128] = "";
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
		result = line_ask_in(l, s, &q, &answer);
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

/* Puts a secret into body under name: from its file, else from prompt or standard input. */
bool line_secret(cJSON *body, const char *name, const char *file)
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
		(void)fprintf(stderr, "keyhouse: no %s was given (a prompt, standard input or a file)\n", name);
	return ok;
}

int line_delete(const struct line *l, const char *path, const char *what, const char *done)
{
	cJSON *answer = NULL;
	int result = line_ask_json(l, "DELETE", path, false, NULL, &answer);

	if (result == EXIT_DONE)
		(void)printf("%s is %s\n", what, done);
	cJSON_Delete(answer);
	return result;
}
